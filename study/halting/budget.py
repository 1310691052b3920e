"""When a study has had enough: the trials, epochs and gains after which no further trial begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from study.config.derived import most_epochs, objectives_of
from study.fronts.judged import JudgedStudy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from study.base.records import TrialRecord
    from study.config import StudyConfig


class Budget:
    """Counts what a study has spent and gained. It is shown trials as observers are.

    Args:
        config: the study.
    """

    def __init__(self, config: StudyConfig) -> None:
        self._trials = config.search.trials
        self._limits = config.budget
        self._objectives = objectives_of(config)
        self._longest = most_epochs(config)
        self._epochs: dict[int, int] = {}
        self._ended: dict[int, TrialRecord] = {}
        self._volumes = [0.0]

    def recall(self, records: Iterable[TrialRecord]) -> None:
        """Take note of the trials that were begun before a restart."""
        for record in sorted(records, key=lambda record: record.ended_s or 0.0):
            self.begin(record.number, record.total_epochs)
            self.on_trial(record)

    def begin(self, number: int, epochs: int) -> None:
        """Take note of a trial that begins, with the epochs that it may train."""
        self._epochs[number] = epochs

    def on_trial(self, record: TrialRecord) -> None:
        """Take note of a trial that has ended, and of what the front has gained by it."""
        if not record.state.is_final or record.number in self._ended:
            return
        self._epochs[record.number] = len(record.epochs)
        self._ended[record.number] = record
        if self._limits.gain is not None:
            judged = JudgedStudy(tuple(self._ended.values()), self._objectives)
            self._volumes.append(judged.hypervolume)

    @property
    def epochs(self) -> int:
        """Epochs that the trials begun so far have trained or may still train."""
        return sum(self._epochs.values())

    def spent(self) -> str | None:
        """Return why no further trial begins, as a sentence; None where one may."""
        if len(self._epochs) >= self._trials:
            return f"all {self._trials} trials were begun"
        most = self._limits.epochs
        if most is not None and self.epochs + self._longest > most:
            return f"its budget of {most} epochs leaves none for a further trial"
        gain = self._limits.gain
        if gain is not None and len(self._ended) >= gain.trials:
            before = self._volumes[-1 - gain.trials]
            if self._volumes[-1] - before < gain.hypervolume:
                return (
                    f"the last {gain.trials} trials added {self._volumes[-1] - before:.3g} to the "
                    f"hypervolume, less than {gain.hypervolume:g}"
                )
        return None
