"""What a cohort does in its worker, whatever is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from study.training.members import EpochResult, Measured, Member


class Work(Protocol):
    """What a cohort does, epoch by epoch: see `study.training.training`. Trials have numbers."""

    @property
    def living(self) -> Sequence[int]:
        """The trials in training."""

    @property
    def finished(self) -> Sequence[int]:
        """The trials that were trained to their last epoch and wait to be measured."""

    def epochs_done(self, trial: int) -> int:
        """Epochs that a living or finished trial has trained."""

    def run_epoch(self) -> Mapping[int, EpochResult]:
        """Train and validate one epoch, a result for each living trial."""

    def measure(self, trial: int) -> Measured:
        """Measure the codec of a finished trial, which leaves."""

    def join(self, members: Sequence[Member]) -> None:
        """Take in trials that have not begun."""

    def leave(self, trials: Sequence[int]) -> None:
        """Let living or finished trials go."""

    def write_codecs(self, folder: Path) -> Mapping[int, tuple[int, int]]:
        """Write the codec of each trial that the last epoch trained.

        See `study.training.codec_files` for where. Returns the epochs that each has trained, and
        the bytes of its file.
        """

    def save(self, folder: Path) -> None:
        """Write everything that is needed to go on."""

    def load(self, folder: Path) -> None:
        """Go on from what was saved, with the trials that were in it.

        Raises:
            StudyError: it is not whole.
        """
