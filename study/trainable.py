"""One trial as Ray Tune runs it: each step an epoch, and a last one that measures the codec."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import ray
from ray import tune

from study.config import TrialConfig

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

EPOCH = "epoch"
METRICS = "metrics"
FINAL = "final"
DIVERGED = "diverged"
CONFIG = "worker_config"
"""Keys of a step's result."""


class EpochResult(Protocol):
    """What one epoch says: see `study.training.EpochResult`."""

    @property
    def metrics(self) -> Mapping[str, float]:
        """Validation metrics."""

    @property
    def diverged(self) -> str | None:
        """Why the trial cannot go on, or None."""


class Measured(Protocol):
    """What measuring says: see `study.training.Measured`."""

    @property
    def metrics(self) -> Mapping[str, float]:
        """Metrics of the finished codec."""

    @property
    def diverged(self) -> str | None:
        """Why it cannot be measured, or None."""


class Work(Protocol):
    """What a trial does, epoch by epoch: see `study.training.Training`."""

    epoch: int

    def run_epoch(self) -> Sequence[EpochResult]:
        """Train and validate one epoch, a result for each member."""

    def measure(self, member: int) -> Measured:
        """Measure the finished codec of one member."""

    def save(self, folder: Path) -> None:
        """Write everything that is needed to go on."""

    def load(self, folder: Path) -> None:
        """Go on from what was saved."""


class TrialTrainable(tune.Trainable, ABC):
    """A trial in Ray's hands: abstract in what it trains, final in how.

    An epoch is reported and saved before the next step begins, and the measuring is a step of its
    own, so that no failure costs more than the step it happens in. A worker is used for one trial
    after the other.
    """

    @abstractmethod
    def open_work(self, trial: TrialConfig) -> Work:
        """Return the trial's work, before its first epoch."""

    def setup(self, config: Mapping[str, Any]) -> None:
        """Begin a trial in a new worker."""
        self._trial = TrialConfig.model_validate_json(json.dumps(config))
        self._work = self.open_work(self._trial)

    def reset_config(self, new_config: Mapping[str, Any]) -> bool:
        """Begin another trial in the same worker."""
        self.setup(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Train an epoch; after the last one, measure."""
        if self._work.epoch >= self._trial.training.epochs:
            measured = self._work.measure(0)
            if measured.diverged is not None:
                return {DIVERGED: measured.diverged, "done": True}
            return {FINAL: dict(measured.metrics), "done": True}
        (result,) = self._work.run_epoch()
        report: dict[str, Any] = {EPOCH: self._work.epoch, METRICS: dict(result.metrics)}
        if self._work.epoch == 1:
            report[CONFIG] = self._trial.model_dump_json()
        if result.diverged is not None:
            report |= {DIVERGED: result.diverged, "done": True}
        return report

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Save the trial as it stands."""
        self._work.save(Path(checkpoint_dir))

    def load_checkpoint(self, checkpoint: str) -> None:  # type: ignore[override] # Ray's is wrong
        """Go on from a checkpoint."""
        self._work.load(Path(checkpoint))


class CodecTrainable(TrialTrainable):
    """A trial that trains a point cloud codec, on the GPU if it was given a share of one."""

    def open_work(self, trial: TrialConfig) -> Work:
        """Return the training of a population of one."""
        # Workers alone pay for torch: the driver imports this module too.
        import torch

        from study.data import open_data_set
        from study.training import Member, Training

        torch.set_num_threads(trial.threads)
        has_gpu = bool(ray.get_runtime_context().get_accelerator_ids().get("GPU"))
        work: Work = Training(
            model=trial.model.build(),
            training=trial.training,
            members=[Member(seed=trial.seed, loss=trial.loss)],
            data=open_data_set(Path(trial.data_folder)),
            order_seed=trial.seed,
            device="cuda" if has_gpu else "cpu",
        )
        return work
