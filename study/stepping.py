"""One training step of a population: forward, loss, backward, two optimisers.

Legend: T trials, B patches, M latent points, C channels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from losses import weighted_sum
from study.objective import loss_terms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from losses import WeightedLoss
    from model.codec import Codec
    from model.patches import PatchBatch
    from study.config import TrainingConfig


class Stepper:
    """Adam for the network, Adam for the bottleneck's quantiles, and what a step does with them.

    Stepping one Adam over stacked parameters is exactly T independent steps.
    """

    def __init__(
        self, codec: Codec, weights: Mapping[str, Tensor], settings: TrainingConfig
    ) -> None:
        """Begin with fresh optimisers.

        Args:
            codec: trained in place.
            weights: (T,) of every loss term.
            settings: learning rates, their schedule, and clipping.
        """
        self._codec = codec
        self._weights = weights
        self._settings = settings
        network: list[Tensor] = []
        quantiles: list[Tensor] = []
        for name, parameter in codec.named_parameters():
            (quantiles if name.endswith("quantiles") else network).append(parameter)
        self._network = torch.optim.Adam(network, settings.learning_rate, fused=True)
        self._quantiles = torch.optim.Adam(quantiles, settings.bottleneck_learning_rate, fused=True)

    @property
    def learning_rate(self) -> float:
        """The network's, now."""
        rate: float = self._network.param_groups[0]["lr"]
        return rate

    def begin_epoch(self, finished: int) -> None:
        """Set the learning rates that follow so many finished epochs."""
        settings = self._settings
        factor = settings.decay_factor ** (finished // settings.decay_every)
        for optimiser, rate in (
            (self._network, settings.learning_rate),
            (self._quantiles, settings.bottleneck_learning_rate),
        ):
            for group in optimiser.param_groups:
                group["lr"] = rate * factor

    def step(self, batch: PatchBatch, noise: Tensor) -> WeightedLoss:
        """Train all trials on one batch.

        Args:
            batch: B patches.
            noise: (T, B, M, 2C) in [-1/2, 1/2), in place of rounding.
        """
        output = self._codec(batch, noise)
        loss = weighted_sum(loss_terms(output, batch, self._codec.config.k), self._weights)
        self._network.zero_grad()
        self._quantiles.zero_grad()
        # The sum over trials gives every trial exactly its own gradient.
        (loss.total.sum() + self._codec.bottleneck.quantile_loss()).backward()
        if self._settings.max_grad_norm is not None:
            clip_per_trial(self._network, self._codec.trials, self._settings.max_grad_norm)
        self._network.step()
        self._quantiles.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Both optimisers' states."""
        return {"network": self._network.state_dict(), "quantiles": self._quantiles.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with what `state_dict` gave."""
        self._network.load_state_dict(state["network"])
        self._quantiles.load_state_dict(state["quantiles"])


def clip_per_trial(optimiser: torch.optim.Optimizer, trials: int, max_norm: float) -> None:
    """Shorten each trial's gradient to a norm; what others' gradients do does not matter."""
    gradients = [
        parameter.grad.view(trials, -1)
        for group in optimiser.param_groups
        for parameter in group["params"]
        if parameter.grad is not None
    ]
    norm = torch.stack([gradient.square().sum(dim=1) for gradient in gradients]).sum(dim=0).sqrt()
    factor = (max_norm / norm).clamp(max=1.0)[:, None]
    for gradient in gradients:
        gradient.mul_(factor)


class LossTally:
    """Means over the steps of an epoch, per member, without making a GPU wait."""

    def __init__(self) -> None:
        self._steps = 0
        self._sums: dict[str, Tensor] = {}

    def add(self, loss: WeightedLoss) -> None:
        """Count one step."""
        self._steps += 1
        named = {"loss": loss.total}
        named |= {f"term_{name}": value for name, value in loss.terms.items()}
        named |= {f"weighted_{name}": value for name, value in loss.weighted.items()}
        for name, value in named.items():
            self._sums[name] = self._sums.get(name, 0) + value.detach()

    def means(self, members: int) -> list[dict[str, float]]:
        """Per member: ``loss``, and every term before and after weighting; empty without steps."""
        means = {name: (total / self._steps).tolist() for name, total in self._sums.items()}
        return [{name: values[m] for name, values in means.items()} for m in range(members)]
