"""Families whose models are PyTorch's: their cohorts train as one network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from collections.abc import Callable

    from model.codec_folder import SavedCodec
    from study.config import CohortConfig, TrialConfig
    from study.data.patch_form import PatchForm
    from study.training.architecture import Architecture
    from study.training.training import Training


class TrainedFamily(ABC):
    """What such families have in common; the drivers' side of them imports no PyTorch."""

    worker_modules: tuple[str, ...] = ("study.training.training",)

    @abstractmethod
    def patches(self, geometry: Any) -> PatchForm:  # noqa: ANN401  what its `geometry` returned
        """Return what is stored of a patch."""

    @abstractmethod
    def architecture(self, model: Any) -> Architecture:  # noqa: ANN401  its own section
        """Return the networks of these settings."""

    @abstractmethod
    def open_codec(self, folder: Path) -> SavedCodec:
        """Read a codec of this family that was exported."""

    @final
    def work(self, cohort: CohortConfig, device: str) -> Training:
        """Return the training of the cohort's trials."""
        import torch

        from study.data import open_data_set
        from study.training.members import member_of
        from study.training.training import Training

        first = cohort.trials[0]
        torch.set_num_threads(first.threads)
        architecture = self.architecture(first.model)
        return Training(
            architecture=architecture,
            members=[member_of(trial) for trial in cohort.trials],
            data=open_data_set(Path(first.data_folder), architecture.form),
            order_seed=first.seed,
            device=device,
            extra_metrics=first.extra_metrics,
            with_octree=first.codec.has_octree,
        )

    @final
    def stopwatch(self, trial: TrialConfig, device: str) -> Callable[[int], float | None]:
        """Return what measures training steps on the trial's own data."""
        from study.training.stopwatch import stopwatch

        return stopwatch(self.architecture(trial.model), trial, device)
