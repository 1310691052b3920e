"""Stores the progress of trials, off the path of the workers that wait for an answer."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, assert_never

from study.cohorts.reports import EpochReport, FailureReport, FinalReport

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from study.base.records import Failure, Observer
    from study.cohorts.reports import Report
    from study.config import TrialConfig
    from study.halting.halts import Judged
    from study.storage.trial_store import TrialStore


class ProgressWriter:
    """Writes into the store, in order, and calls observers after each change.

    A worker begins its next step when the driver has taken its reports, and the database needs ten
    milliseconds or more for each trial. So a thread writes the reports while the worker trains on;
    `settle` waits for it. Observers are called from either thread, never from both at once.

    Args:
        store: the study's trials.
        observers: called after each change of a trial.
        at_once: whether reports are written before `take` returns, without a thread. In a
            simulation no worker trains meanwhile, and a database in memory is faster than a thread.
    """

    def __init__(
        self, store: TrialStore, observers: Sequence[Observer], *, at_once: bool = False
    ) -> None:
        self._store = store
        self._observers = observers
        self._thread = (
            None if at_once else ThreadPoolExecutor(max_workers=1, thread_name_prefix="progress")
        )
        self._writing: Future[None] | None = None

    def take(self, reports: Sequence[Report], judged: Judged) -> None:
        """Write a worker's reports, and the halting rule's answers to them."""
        self.settle()
        if self._thread is None:
            self._write(reports, judged)
        else:
            self._writing = self._thread.submit(self._write, reports, judged)

    def settle(self) -> None:
        """Wait until all that was taken is written.

        Raises:
            Exception: it could not be.
        """
        if self._writing is not None:
            writing, self._writing = self._writing, None
            writing.result()

    def admit(self, cohort: int, numbers: Iterable[int]) -> None:
        """Write which trials train in a cohort."""
        numbers = tuple(numbers)
        for number in numbers:
            self._store.record_cohort(number, cohort)
        self.show(numbers)

    def fail(self, numbers: Iterable[int], failure: Failure) -> None:
        """End trials without a result."""
        numbers = sorted(numbers)
        for number in numbers:
            self._store.fail(number, failure)
        self.show(numbers)

    def show(self, numbers: Iterable[int]) -> None:
        """Show trials, as the store has them, to the observers."""
        for record in self._store.records_of(numbers):
            for observer in self._observers:
                observer.on_trial(record)

    def _write(self, reports: Sequence[Report], judged: Judged) -> None:
        for report in reports:
            match report:
                case EpochReport():
                    self._write_config(report.trial, report.config)
                    self._write_epoch(report, judged)
                case FinalReport():
                    self._store.complete(report.trial, report.metrics, report.elapsed_s)
                case FailureReport():
                    self._write_config(report.trial, report.config)
                    self._store.fail(report.trial, report.failure, report.elapsed_s)
                case _:
                    assert_never(report)
        self.show(report.trial for report in reports)

    def _write_config(self, number: int, config: TrialConfig | None) -> None:
        if config is not None:
            self._store.record_config(number, config.model_dump(mode="json"))

    def _write_epoch(self, report: EpochReport, judged: Judged) -> None:
        number, elapsed_s = report.trial, report.elapsed_s
        stops, at_rung = judged.stops.get(number), number in judged.asked
        self._store.record_epoch(
            number, report.epoch, report.metrics, elapsed_s, stops, at_rung=at_rung
        )
        if stops is not None:
            self._store.prune(number, stops, elapsed_s)
