"""Writes down what becomes of trials, off the path of the workers that wait for an answer."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from study.workers.reports import CONFIG, DIVERGED, ELAPSED_S, EPOCH, FINAL, METRICS, TRIAL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from study.halting.halts import Judged
    from study.records import Observer
    from study.storage.trial_store import TrialStore


class Scribe:
    """Writes into the store, in order, and shows observers each change.

    No worker begins its next step before Ray has given its report to the driver, and the database
    takes ten milliseconds and more for each trial. So reports are written by a thread while the
    worker trains on; what must see them written waits for that. Observers are called from either
    thread, never from both at once.

    Args:
        store: the study's trials.
        observers: who is shown each change of a trial.
        at_once: whether reports are written before `take` returns, without a thread: where no
            worker trains on meanwhile, and memory is the database, handing over costs more.
    """

    def __init__(
        self, store: TrialStore, observers: Sequence[Observer], *, at_once: bool = False
    ) -> None:
        self._store = store
        self._observers = observers
        self._thread = (
            None if at_once else ThreadPoolExecutor(max_workers=1, thread_name_prefix="scribe")
        )
        self._writing: Future[None] | None = None

    def take(self, reports: Sequence[Mapping[str, Any]], judged: Judged) -> None:
        """Write down what a worker reports, and what the halting rule said to it."""
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
        """Write down who trains in a cohort."""
        numbers = tuple(numbers)
        for number in numbers:
            self._store.record_cohort(number, cohort)
        self.show(numbers)

    def fail(self, numbers: Iterable[int], why: str) -> None:
        """End trials of which nothing more will be heard."""
        numbers = sorted(numbers)
        for number in numbers:
            self._store.fail(number, why)
        self.show(numbers)

    def show(self, numbers: Iterable[int]) -> None:
        """Show trials as they stand."""
        for record in self._store.records_of(numbers):
            for observer in self._observers:
                observer.on_trial(record)

    def _write(self, reports: Sequence[Mapping[str, Any]], judged: Judged) -> None:
        for report in reports:
            number, elapsed_s = report[TRIAL], report[ELAPSED_S]
            if CONFIG in report:
                self._store.record_config(number, report[CONFIG])
            if DIVERGED in report:
                self._store.fail(number, report[DIVERGED], elapsed_s)
            elif FINAL in report:
                self._store.complete(number, report[FINAL], elapsed_s)
            else:
                stops = judged.stops.get(number)
                asked = number in judged.asked
                epoch, metrics = report[EPOCH], report[METRICS]
                self._store.record_epoch(number, epoch, metrics, elapsed_s, stops, at_rung=asked)
                if stops is not None:
                    self._store.prune(number, stops, elapsed_s)
        self.show(report[TRIAL] for report in reports)
