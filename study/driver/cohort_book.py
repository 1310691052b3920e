"""What the driver knows of one cohort."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from study.workers.reports import EPOCH, TRIAL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from study.config import TrialConfig
    from study.workers.cohort_folder import Opening


class Asked(NamedTuple):
    """A trial that the store proposed."""

    settings: Mapping[str, Any]
    config: TrialConfig


@dataclass
class Book:
    """One cohort.

    Attributes:
        like: a trial of its shape.
        history: its number, and those of the cohorts that it came from, the newest first.
        unfinished: its trials without an end, by number.
        epochs: that each of its trials has reported.
        opening: its worker's folder.
        tries: how often in a row its worker was lost before there were any news.
        is_tidy: whether what its earlier workers left was deleted.
    """

    like: Asked
    history: tuple[int, ...]
    unfinished: dict[int, TrialConfig] = field(default_factory=dict)
    epochs: dict[int, int] = field(default_factory=dict)
    opening: Opening | None = None
    tries: int = 0
    is_tidy: bool = False

    def size(self, usual: int) -> int:
        """Return for how many trials there is room.

        Who came out of a cohort that was dissolved stays alone: it may be the one that ends its
        workers.
        """
        return usual if len(self.history) == 1 else 1

    def note_news(self, reports: Sequence[Mapping[str, Any]]) -> None:
        """Take note of how far trials have come; what was reported before is no news."""
        for report in reports:
            number, before = report[TRIAL], self.epochs.get(report[TRIAL], 0)
            epoch = report.get(EPOCH)
            if number in self.unfinished and (epoch is None or epoch > before):
                self.epochs[number] = epoch or before
                self.tries = 0
