"""Training a population of codecs: epochs, checkpoints, and what one epoch says.

Legend: T trials, B patches, M latent points, C channels.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import torch

from model.bottleneck import UncodableError
from model.cloud_codec import CloudCodec
from model.codec import Codec
from model.patch_coder import PatchCoder
from model.patches import collate
from study.checkpoint import read_checkpoint, write_checkpoint
from study.errors import StudyError
from study.evaluation import measure, validate
from study.objective import stacked_weights
from study.seeds import Purpose, derived_seed
from study.stepping import LossTally, Stepper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from torch import Tensor

    from model.config import ModelConfig
    from model.patches import PatchBatch
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
    """What a finished codec is worth in bytes; see :func:`study.evaluation.measure`.

    Attributes:
        metrics: empty when diverged.
        diverged: the sentence that says why the codec cannot code, or None.
    """

    metrics: dict[str, float]
    diverged: str | None = None


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

        Raises:
            StudyError: the data was prepared for another architecture.
        """
        _check_data_fits(model, data)
        self.epoch = 0
        self._data = data
        self._device = device
        self._order_seed = order_seed
        self.codec = Codec(model, len(members))
        self.codec.reset([derived_seed(member.seed, Purpose.WEIGHTS) for member in members])
        self.codec.to(device)
        weights = stacked_weights([member.loss for member in members], device)
        self._stepper = Stepper(self.codec, weights, training)
        self._patches_per_step = training.patches_per_step
        # Noise is drawn on the CPU: a seed then means the same on every device.
        self._noise = [
            torch.Generator().manual_seed(derived_seed(member.seed, Purpose.NOISE))
            for member in members
        ]
        # The epoch in which a member's numbers stopped being finite, 0 while they are; nothing that
        # such a member does touches the others.
        self._lost_in = torch.zeros(len(members), dtype=torch.int64, device=device)

    def run_epoch(self) -> list[EpochResult]:
        """Train one epoch and validate; one result per member."""
        started = time.perf_counter()
        tally = LossTally()
        self._stepper.begin_epoch(self.epoch)
        for step, numbers in enumerate(self._order()):
            if step % STEPS_BETWEEN_LOOKS == 0 and bool(self._lost_in.all()):
                break
            patches = self._data.split("train")
            batch = collate([patches[number].hierarchy for number in numbers], self._device)
            loss = self._stepper.step(batch, self._draw_noise(batch))
            self._note_lost(loss.total.detach().isfinite())
            tally.add(loss)
        self._look_for_lost_parameters()
        trained = time.perf_counter()
        validated = self._validate_living()
        shared = {
            "learning_rate": self._stepper.learning_rate,
            "train_s": trained - started,
            "validate_s": time.perf_counter() - trained,
        }
        means = tally.means(self.codec.trials)
        self.epoch += 1
        return [
            EpochResult({**validated[member], **means[member], **shared})
            if member in validated
            else EpochResult({}, self._divergence(member))
            for member in range(self.codec.trials)
        ]

    def measure(self, member: int) -> Measured:
        """Weigh one member's codec in bytes on the validation clouds."""
        coder = PatchCoder.freeze(self.codec.select([member]))
        (estimated,) = validate(coder.codec, self._data, "validation", self._device)
        codec = CloudCodec(coder, self._data.manifest.recipe.partition())
        try:
            return Measured({**estimated, **measure(codec, self._data, "validation")})
        except UncodableError as error:
            return Measured({}, f"diverged: {error}")

    def save(self, folder: Path) -> None:
        """Write a checkpoint, atomically."""
        write_checkpoint(
            folder,
            {
                "epoch": self.epoch,
                "codec": dict(self.codec.named_parameters()),
                "optimisers": self._stepper.state_dict(),
                "noise": [generator.get_state() for generator in self._noise],
                "lost_in": self._lost_in,
                "trials": self.codec.trials,
                "model": asdict(self.codec.config),
            },
        )

    def load(self, folder: Path) -> None:
        """Go on exactly where the checkpoint was written.

        Raises:
            StudyError: there is no usable checkpoint, or it is of another population.
        """
        state = read_checkpoint(folder)
        ours = (self.codec.trials, asdict(self.codec.config))
        if (state["trials"], state["model"]) != ours:
            raise StudyError(
                f"the checkpoint in {folder} must be of {ours[0]} trials with {ours[1]}, and is of "
                f"{state['trials']} with {state['model']}; name the checkpoint of this training"
            )
        self.epoch = state["epoch"]
        self.codec.restore(state["codec"])
        self._stepper.load_state_dict(state["optimisers"])
        for generator, saved in zip(self._noise, state["noise"], strict=True):
            generator.set_state(saved)
        self._lost_in = state["lost_in"].to(self._device)

    def _validate_living(self) -> dict[int, dict[str, float]]:
        """Metrics of every member that is not lost; one whose metrics are not finite is, now."""
        living = [member for member, lost in enumerate(self._lost_in.tolist()) if not lost]
        validated = dict(zip(living, self._validate(living), strict=True))
        sound = [
            member not in validated or all(map(math.isfinite, validated[member].values()))
            for member in range(self.codec.trials)
        ]
        self._note_lost(torch.tensor(sound, device=self._device))
        return {member: metrics for member, metrics in validated.items() if sound[member]}

    def _validate(self, members: Sequence[int]) -> list[dict[str, float]]:
        """Metrics of some members, frozen: what an epoch promises is what a file would give."""
        if not members:
            return []
        codec = self.codec.select(members)
        codec.freeze()
        return validate(codec, self._data, "validation", self._device)

    def _look_for_lost_parameters(self) -> None:
        """Note members whose last step left parameters that are not finite."""
        for parameter in self.codec.parameters():
            self._note_lost(parameter.detach().view(self.codec.trials, -1).isfinite().all(dim=1))

    def _note_lost(self, finite: Tensor) -> None:
        """Note members whose numbers, (T,) bool, are not finite in the current epoch."""
        newly = ~finite & (self._lost_in == 0)
        self._lost_in = torch.where(newly, self.epoch + 1, self._lost_in)

    def _draw_noise(self, batch: PatchBatch) -> Tensor:
        patches, points = batch.stages[-1].xyz.shape[1:3]
        shape = (patches, points, self.codec.config.symbol_channels)
        drawn = torch.stack([torch.rand(shape, generator=own) for own in self._noise])
        return (drawn - 0.5).to(self._device)

    def _order(self) -> Iterator[list[int]]:
        """The epoch's batches of patch numbers; the same for all members, and after a resume."""
        generator = torch.Generator().manual_seed(
            derived_seed(self._order_seed, Purpose.ORDER, self.epoch)
        )
        order = torch.randperm(len(self._data.split("train")), generator=generator).tolist()
        size = self._patches_per_step
        for first in range(0, len(order), size):
            yield order[first : first + size]

    def _divergence(self, member: int) -> str:
        return (
            "diverged: its loss, parameters or validation stopped being finite numbers in epoch "
            f"{int(self._lost_in[member])}; a smaller learning_rate, smaller loss weights or a "
            "max_grad_norm help"
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


def _check_data_fits(model: ModelConfig, data: DataSet) -> None:
    """Raise StudyError where the hierarchies are not those that the model reads."""
    manifest = data.manifest
    if model.compress_normal and not manifest.recipe.normals:
        raise StudyError(
            f"a codec of normals needs data with normals, and {data.folder} has none; prepare it "
            "with data.normals: true"
        )
    if (manifest.k, tuple(manifest.downsample_rate)) != (model.k, model.downsample_rate):
        raise StudyError(
            f"data must be prepared with the model's k = {model.k} and downsample_rate = "
            f"{model.downsample_rate}, and {data.folder} has k = {manifest.k} and "
            f"{tuple(manifest.downsample_rate)}; prepare it anew"
        )
