"""What the driver knows of one cohort."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from study.cohorts.reports import EpochReport

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from study.cohorts.folders import Opening
    from study.cohorts.reports import Report
    from study.config import TrialConfig


class Asked(NamedTuple):
    """A trial that the store proposed."""

    settings: Mapping[str, Any]
    config: TrialConfig


@dataclass
class CohortState:
    """One cohort.

    Attributes:
        like: a trial of its shape.
        history: its number, and those of the cohorts that it came from, the newest first.
        unfinished: its trials without an end, by number.
        epochs: finished epochs of each of its trials, as reported.
        opening: its worker's folder.
        tries: workers lost in a row without progress of any trial.
        is_tidy: whether the folders of its earlier workers were deleted.
    """

    like: Asked
    history: tuple[int, ...]
    unfinished: dict[int, TrialConfig] = field(default_factory=dict)
    epochs: dict[int, int] = field(default_factory=dict)
    opening: Opening | None = None
    tries: int = 0
    is_tidy: bool = False

    def size(self, usual: int) -> int:
        """Return the most trials that it may hold.

        A trial of a dissolved cohort stays alone, for it may be the one that ends its workers.
        """
        return usual if len(self.history) == 1 else 1

    def note_progress(self, reports: Sequence[Report]) -> None:
        """Take note of how far trials have come; a repeated report is no progress."""
        for report in reports:
            if report.trial not in self.unfinished:
                continue
            before = self.epochs.get(report.trial, 0)
            if not isinstance(report, EpochReport):  # It has ended.
                self.tries = 0
            elif report.epoch > before:
                self.epochs[report.trial] = report.epoch
                self.tries = 0
