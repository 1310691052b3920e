"""The article's autoencoder, trained with each loss."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from model.variational import VariationalAutoencoder, kl_bits
from tools.chamfer.clouds import LOSSES, assigned, sets

SETS, POINTS, DIMENSIONS = 100, 10, 2
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Trained:
    """What became of the toy sets.

    Attributes:
        loss: by which it was trained.
        epochs: passes over all sets.
        chamfer: of the decoded sets against the true ones, mean over sets.
        exact: squared 2-Wasserstein distance, the same.
        spread: mean distance of a decoded point to its nearest other one in its set, as a share of
            that of the true points: small where points cluster.
        kl_bits: of a set's latent.
    """

    loss: str
    epochs: int
    chamfer: float
    exact: float
    spread: float
    kl_bits: float


def train(loss: str, epochs: int, seed: int, kl_weight: float = 0.0) -> Trained:
    """Train as the article does: Adam at 0.001 on batches of 32 of 100 random sets of ten points.

    Args:
        loss: a name of `LOSSES`.
        epochs: passes over the sets.
        seed: of the sets, the weights, the order and the noise.
        kl_weight: of the divergence in bits. The article computes it outside the gradient: 0.
    """
    generator = torch.Generator().manual_seed(seed)
    data = torch.rand((SETS, POINTS, DIMENSIONS), generator=generator)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = VariationalAutoencoder(POINTS, DIMENSIONS)
    adam = torch.optim.Adam(network.parameters(), lr=0.001)
    for _ in range(epochs):
        for batch in data[torch.randperm(SETS, generator=generator)].split(32):
            noise = torch.randn((len(batch), 2), generator=generator)
            made = network(batch, noise)
            value = LOSSES[loss](sets(made.points), sets(batch)).mean()
            if kl_weight:
                value = value + kl_weight * kl_bits(made.mean, made.log_variance).mean()
            adam.zero_grad()
            value.backward()
            adam.step()
    with torch.no_grad():
        made = network(data)
        ours, theirs = sets(made.points), sets(data)
        return Trained(
            loss,
            epochs,
            LOSSES["chamfer"](ours, theirs).mean().item(),
            assigned(ours, theirs).mean().item(),
            (_apart(made.points) / _apart(data)).item(),
            kl_bits(made.mean, made.log_variance).mean().item(),
        )


def untrained_answer(seed: int) -> tuple[float, float]:
    """Chamfer and exact distance of an answer that knows nothing of a set: another one of them."""
    generator = torch.Generator().manual_seed(seed)
    data = torch.rand((SETS, POINTS, DIMENSIONS), generator=generator)
    others = sets(data[torch.randperm(SETS, generator=generator)])
    of_both = (LOSSES["chamfer"], assigned)
    chamfer, exact = (loss(others, sets(data)).mean().item() for loss in of_both)
    return chamfer, exact


def _apart(points: torch.Tensor) -> torch.Tensor:
    """Mean distance to the nearest other point of the set."""
    distances = (points[:, :, None] - points[:, None]).norm(dim=-1)
    others: torch.Tensor = distances + 9.0 * torch.eye(points.shape[1])
    return others.amin(dim=2).mean()
