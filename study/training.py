"""Training a population of codecs: the loop, and what one epoch says.

Legend: T trials, B patches, M latent points, C channels.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from losses import weighted_sum
from model.codec import Codec
from model.patches import PatchBatch, collate
from study.checkpoint import read_checkpoint, write_checkpoint
from study.evaluation import measure, validate
from study.objective import loss_terms, stacked_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from torch import Tensor

    from losses import WeightedLoss
    from model.config import ModelConfig
    from study.config import LossWeights, TrainingConfig
    from study.data import DataSet

STEPS_BETWEEN_LOOKS = 32
"""How often a loop asks whether anybody is left to train; asking makes a GPU wait."""


@dataclass(frozen=True)
class Member:
    """What sets one trial of a population apart.

    Attributes:
        seed: of its initial weights and its quantisation noise.
        loss: its loss weights.
    """

    seed: int
    loss: LossWeights


@dataclass(frozen=True)
class EpochResult:
    """What one epoch says about one member.

    Attributes:
        metrics: validation metrics (see :func:`study.evaluation.validate`), ``loss`` (training,
            mean over steps), every loss term as ``term_NAME`` before and ``weighted_NAME`` after
            weighting, ``learning_rate``, ``train_s`` and ``validate_s``. Empty when diverged.
        diverged: the sentence that says why this member cannot go on, or None.
    """

    metrics: dict[str, float]
    diverged: str | None = None


@dataclass(frozen=True)
class Measured:
    """What a finished codec is worth in bytes; see :func:`study.evaluation.measure`."""

    metrics: dict[str, float]


class Training:
    """A population in training.

    Trials are independent: each has its own initial weights, noise, gradients and optimiser state,
    and a loss that becomes NaN stays its own. All see the same patches in the same order.
    """

    def __init__(
        self,
        *,
        model: ModelConfig,
        training: TrainingConfig,
        members: Sequence[Member],
        data: DataSet,
        order_seed: int = 0,
        device: str = "cpu",
    ) -> None:
        """Begin before the first epoch.

        Args:
            model: the architecture of all members.
            training: the settings of all members.
            members: what sets them apart.
            data: prepared with the same architecture.
            order_seed: of the order in which patches are seen.
            device: "cpu" or "cuda".
        """
        self.epoch = 0
        self._settings = training
        self._data = data
        self._device = device
        self._order_seed = order_seed
        self.codec = Codec(model, len(members))
        self.codec.reset([member.seed for member in members])
        self.codec.to(device)
        self._weights = stacked_weights([member.loss for member in members], device)
        # Noise is drawn on the CPU: a seed then means the same on every device.
        self._noise = [torch.Generator().manual_seed(member.seed) for member in members]
        self._network, self._quantiles = _optimisers(self.codec, training)
        # Members whose loss or parameters are no longer finite; nothing they do touches the others.
        self._lost = torch.zeros(len(members), dtype=torch.bool, device=device)

    def run_epoch(self) -> list[EpochResult]:
        """Train one epoch and validate; one result per member."""
        started = time.perf_counter()
        tally = _LossTally()
        self._set_learning_rates()
        for step, numbers in enumerate(self._order()):
            if step % STEPS_BETWEEN_LOOKS == 0 and bool(self._lost.all()):
                break
            patches = self._data.split("train")
            batch = collate([patches[number].hierarchy for number in numbers], self._device)
            loss = self._step(batch)
            self._lost |= ~torch.isfinite(loss.total.detach())
            tally.add(loss)
        self._look_for_lost_parameters()
        self.epoch += 1
        trained = time.perf_counter()
        alive = [member for member, lost in enumerate(self._lost.tolist()) if not lost]
        validated = dict(zip(alive, self._validate(alive), strict=True))
        shared = {
            "learning_rate": self._network.param_groups[0]["lr"],
            "train_s": trained - started,
            "validate_s": time.perf_counter() - trained,
        }
        means = tally.means()
        return [
            EpochResult({**validated[member], **means[member], **shared})
            if member in validated
            else EpochResult({}, self._divergence())
            for member in range(self.codec.trials)
        ]

    def measure(self, member: int) -> Measured:
        """Weigh one member's codec in bytes on the validation clouds."""
        (estimated,) = self._validate([member])
        codec = self.codec.select([member])
        codec.freeze()
        patches, peak = self._data.split("validation"), self._data.manifest.peak
        return Measured({**estimated, **measure(codec, patches, peak)})

    def save(self, folder: Path) -> None:
        """Write a checkpoint, atomically."""
        write_checkpoint(
            folder,
            {
                "epoch": self.epoch,
                "codec": dict(self.codec.named_parameters()),
                "network": self._network.state_dict(),
                "quantiles": self._quantiles.state_dict(),
                "noise": [generator.get_state() for generator in self._noise],
                "lost": self._lost,
            },
        )

    def load(self, folder: Path) -> None:
        """Go on exactly where the checkpoint was written.

        Raises:
            StudyError: there is no usable checkpoint.
        """
        state = read_checkpoint(folder)
        self.epoch = state["epoch"]
        with torch.no_grad():
            for name, parameter in self.codec.named_parameters():
                parameter.copy_(state["codec"][name])
        self._network.load_state_dict(state["network"])
        self._quantiles.load_state_dict(state["quantiles"])
        for generator, saved in zip(self._noise, state["noise"], strict=True):
            generator.set_state(saved)
        self._lost = state["lost"].to(self._device)

    def _step(self, batch: PatchBatch) -> WeightedLoss:
        """One step of both optimisers, all members at once."""
        output = self.codec(batch, self._draw_noise(batch))
        loss = weighted_sum(loss_terms(output, batch, self.codec.config.k), self._weights)
        self._network.zero_grad()
        self._quantiles.zero_grad()
        # The sum over trials gives every trial exactly its own gradient.
        (loss.total.sum() + self.codec.bottleneck.quantile_loss()).backward()
        if self._settings.max_grad_norm is not None:
            clip_per_trial(self._network, self.codec.trials, self._settings.max_grad_norm)
        self._network.step()
        self._quantiles.step()
        return loss

    def _validate(self, members: Sequence[int]) -> list[dict[str, float]]:
        """Metrics of some members, frozen: what an epoch promises is what a file would give."""
        if not members:
            return []
        codec = self.codec.select(members)
        codec.freeze()
        peak = self._data.manifest.peak
        return validate(codec, self._data.split("validation"), peak, self._device)

    def _look_for_lost_parameters(self) -> None:
        """Mark members whose last step left parameters that are not finite."""
        for parameter in self.codec.parameters():
            finite = parameter.detach().view(self.codec.trials, -1).isfinite().all(dim=1)
            self._lost |= ~finite

    def _draw_noise(self, batch: PatchBatch) -> Tensor:
        patches, points = batch.stages[-1].xyz.shape[1:3]
        shape = (patches, points, 2 * self.codec.config.dim)
        drawn = torch.stack([torch.rand(shape, generator=own) for own in self._noise])
        return (drawn - 0.5).to(self._device)

    def _order(self) -> Iterator[list[int]]:
        """The epoch's batches of patch numbers; the same for all members, and after a resume."""
        generator = torch.Generator().manual_seed(self._order_seed + self.epoch)
        order = torch.randperm(len(self._data.split("train")), generator=generator).tolist()
        size = self._settings.patches_per_step
        for first in range(0, len(order), size):
            yield order[first : first + size]

    def _set_learning_rates(self) -> None:
        settings = self._settings
        factor = settings.decay_factor ** (self.epoch // settings.decay_every)
        for optimiser, rate in (
            (self._network, settings.learning_rate),
            (self._quantiles, settings.bottleneck_learning_rate),
        ):
            for group in optimiser.param_groups:
                group["lr"] = rate * factor

    def _divergence(self) -> str:
        return (
            f"diverged: its loss or parameters stopped being finite numbers in epoch {self.epoch}; "
            "a smaller learning_rate, smaller loss weights or a max_grad_norm help"
        )


def train(
    training: Training,
    *,
    epochs: int,
    folder: Path,
    on_epoch: Callable[[int, list[EpochResult]], None] | None = None,
) -> None:
    """Train to a number of epochs, with a checkpoint after each.

    Args:
        training: at any epoch; load a checkpoint into it to resume.
        epochs: total, those already done included.
        folder: where the checkpoint goes.
        on_epoch: told the number of finished epochs and what the last one said.
    """
    while training.epoch < epochs:
        results = training.run_epoch()
        training.save(folder)
        if on_epoch is not None:
            on_epoch(training.epoch, results)
        if all(result.diverged for result in results):
            return


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


def _optimisers(
    codec: Codec, settings: TrainingConfig
) -> tuple[torch.optim.Adam, torch.optim.Adam]:
    """Adam for the network, and Adam for the bottlenecks' quantiles."""
    network: list[Tensor] = []
    quantiles: list[Tensor] = []
    for name, parameter in codec.named_parameters():
        (quantiles if name.endswith("quantiles") else network).append(parameter)
    return (
        torch.optim.Adam(network, settings.learning_rate, fused=True),
        torch.optim.Adam(quantiles, settings.bottleneck_learning_rate, fused=True),
    )


class _LossTally:
    """Means over the steps of an epoch, per member, without making a GPU wait."""

    def __init__(self) -> None:
        self._steps = 0
        self._sums: dict[str, Tensor] = {}

    def add(self, loss: WeightedLoss) -> None:
        self._steps += 1
        named = {"loss": loss.total}
        named |= {f"term_{name}": value for name, value in loss.terms.items()}
        named |= {f"weighted_{name}": value for name, value in loss.weighted.items()}
        for name, value in named.items():
            self._sums[name] = self._sums.get(name, 0) + value.detach()

    def means(self) -> list[dict[str, float]]:
        means = {name: (total / self._steps).tolist() for name, total in self._sums.items()}
        members = len(next(iter(means.values())))
        return [{name: values[m] for name, values in means.items()} for m in range(members)]
