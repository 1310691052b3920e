"""A codec of patches, made of a variational autoencoder and a coder of samples of its latent.

Legend: B patches, N points, M points that the network reads and makes, Z latent numbers.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from losses.chamfer import chamfer
from model.errors import UncodableError
from model.variational import VariationalAutoencoder, kl_bits
from study.families.point_batch import PointBatch
from study.families.vae.relative_entropy import (
    PAIR,
    Candidates,
    candidates,
    chosen,
    latents_of,
    read,
    written,
)


class Points(NamedTuple):
    """A `losses.clouds.Cloud`.

    Attributes:
        xyz: (1, B, N, 3).
        valid: (1, B, N) bool.
    """

    xyz: Tensor
    valid: Tensor


class PatchAutoencoder(nn.Module):
    """A `study.families.stacked.SingleModule`.

    The encoder is dense, and so needs a fixed number of points in an order that means something. A
    patch has any number, along a Morton curve; M of them, evenly spaced on it, are read: the same
    place on the curve is about the same place in the cube. Of fewer than M points some are read
    twice. Training, evaluation and files read the same ones.
    """

    vmaps = True

    def __init__(self, points: int, latents: int, width: int, dimensions: int = 3) -> None:
        super().__init__()
        self.noise, self.points, self.dimensions = latents, points, dimensions
        self.network = VariationalAutoencoder(points, dimensions, width, latents)
        # Not saved: they follow from their number.
        shared = candidates(latents // PAIR)
        self.register_buffer("latents", shared.latents, persistent=False)
        self.register_buffer("log_arrivals", shared.log_arrivals, persistent=False)

    def terms(self, batch: PointBatch, noise: Tensor) -> dict[str, Tensor]:
        """Return the chamfer distance, and the KL divergence in bits per input point."""
        made = self.network(self._read(batch), standard_normal(noise))
        xyz = self._in_space(made.points)[None]
        decoded = Points(xyz, _all_of(xyz))
        true = Points(batch.xyz[None], batch.valid[None])
        distance, _ = chamfer(decoded, true, nearest)
        bits = kl_bits(made.mean, made.log_variance)
        return {"chamfer": distance.squeeze(0), "kl_lambda": bits / batch.sizes}

    def evaluate(self, batch: PointBatch) -> tuple[Tensor, Tensor, Tensor]:
        """Return the KL divergences in bits, and what files decode to.

        The files' own bits are some more, as `docs/decisions/0045` says: both are recorded.
        """
        mean, log_variance = self.network.encode(self._read(batch))
        latents = latents_of(self._shared, chosen(self._shared, mean, log_variance))
        decoded = self._decoded(latents)
        sizes = torch.full_like(batch.sizes, decoded.shape[1])
        return kl_bits(mean, log_variance), decoded, sizes

    def encode(self, points: Tensor) -> bytes:
        """Write a sample of the latent of (n, 3) points.

        Raises:
            UncodableError: the network has diverged.
        """
        batch = PointBatch(points[None], torch.tensor([len(points)]))
        mean, log_variance = self.network.encode(self._read(batch))
        if not (mean.isfinite().all() and log_variance.isfinite().all()):
            raise UncodableError("a latent must be finite, and one is not: the network diverged")
        return written(chosen(self._shared, mean, log_variance)[0].tolist())

    def decode(self, data: bytes) -> Tensor:
        """Return the M points of a sample."""
        numbers = read(data, self.noise // PAIR)
        return self._decoded(latents_of(self._shared, torch.tensor([numbers])))[0]

    @property
    def _shared(self) -> Candidates:
        return Candidates(self.get_buffer("latents"), self.get_buffer("log_arrivals"))

    def _read(self, batch: PointBatch) -> Tensor:
        """(B, M, dimensions)."""
        return batch.evenly(self.points)[..., : self.dimensions]

    def _in_space(self, points: Tensor) -> Tensor:
        """(B, M, dimensions) to (B, M, 3): what has no z lies in the plane of z = 0."""
        return nn.functional.pad(points, (0, 3 - self.dimensions))

    def _decoded(self, latents: Tensor) -> Tensor:
        # Nothing lies outside of a cube.
        return self._in_space(self.network.decode(latents)).clamp(-1.0, 1.0)


def standard_normal(noise: Tensor) -> Tensor:
    """Make uniform numbers in [-1/2, 1/2), which are multiples of 2^-24, standard normal."""
    normal: Tensor = torch.special.ndtri((noise + 0.5).clamp(min=2.0**-25))
    return normal


def nearest(query: Points, reference: Points, k: int) -> Tensor:
    """A `losses.clouds.Search` for k = 1 that `torch.vmap` takes: all pairs are compared."""
    assert k == 1, f"chamfer asks for the nearest point, not for {k}"
    with torch.no_grad():
        # |q - r|^2 less |q|^2, which is the same for all r.
        norm2 = reference.xyz.square().sum(dim=-1).where(reference.valid, torch.inf)
        dist2 = norm2[:, :, None] - 2 * query.xyz @ reference.xyz.mT
        return dist2.argmin(dim=-1, keepdim=True)


def _all_of(xyz: Tensor) -> Tensor:
    return torch.ones(xyz.shape[:-1], dtype=torch.bool, device=xyz.device)
