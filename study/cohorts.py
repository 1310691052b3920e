"""Which trials train together: the driver's book of cohorts, between Ray's workers and the store.

Ray Tune is given cohorts and knows no trial; the store, and whoever is shown a trial, knows trials.
Here cohorts are formed from the trials that the store proposes, and what workers report of them is
written down trial by trial.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from study.config import CohortConfig
from study.trainable import CONFIG, DIVERGED, ELAPSED_S, EPOCH, FINAL, METRICS, TRIAL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from study.config import TrialConfig
    from study.records import TrialRecord
    from study.storage import TrialStore


_UNTOLD = (
    "its cohort ended and its worker told nothing of it; the workers' logs are in the study's "
    "folder, below ray/"
)


class Observer(Protocol):
    """Someone who is shown every change of a trial. It must neither raise nor wait."""

    def on_trial(self, record: TrialRecord) -> None:
        """Take note of a trial as it stands."""


class _Asked(NamedTuple):
    """A trial that the store proposed."""

    settings: Mapping[str, Any]
    config: TrialConfig


class Cohorts:
    """The cohorts of one run of a study.

    No worker begins its next step before Ray has given its report here, and the database takes ten
    milliseconds and more for each trial. So epochs are written by a thread while the worker trains
    on. What must see them written waits for that; `note_checkpoint`, which would keep the worker
    waiting, does not. Observers are called from either thread, never from both at once.

    Args:
        store: the study's trials.
        make_config: what a trial's worker needs to know, from its number and settings.
        observers: who is shown each change of a trial.
        trials: how many to run in all.
        size: most trials in a cohort.
        orders: name under which workers find their orders.
    """

    def __init__(
        self,
        store: TrialStore,
        make_config: Callable[[int, Mapping[str, Any]], TrialConfig],
        observers: Sequence[Observer],
        *,
        trials: int,
        size: int,
        orders: str,
    ) -> None:
        self._store = store
        self._make_config = make_config
        self._observers = observers
        self._budget = trials
        self._size = size
        self._orders = orders
        self._waiting: _Asked | None = None
        self._first: list[_Asked] = []
        self._members: list[list[int]] = []
        self._unfinished: list[set[int]] = []
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="epochs")
        self._writing: Future[None] | None = None

    def form(self) -> CohortConfig | None:
        """Begin the next cohort; None where all trials were given out."""
        self.settle()
        first = self._next(None)
        if first is None:
            return None
        number = len(self._first)
        self._first.append(first)
        self._members.append([])
        self._unfinished.append(set())
        trials = (first.config, *self._others(number, self._size - 1))
        self._admit(number, trials)
        return CohortConfig(cohort=number, trials=trials, size=self._size, orders=self._orders)

    def refill(self, cohort: int, room: int) -> tuple[TrialConfig, ...]:
        """Return trials that join a cohort: as many as there are, of its shape, and find room."""
        if self._budget == 0 and self._waiting is None:
            return ()  # And the worker, which asks after each epoch, waits for no writing.
        self.settle()
        trials = tuple(self._others(cohort, room))
        self._admit(cohort, trials)
        return trials

    def take(self, cohort: int, reports: Sequence[Mapping[str, Any]]) -> None:
        """Write down what a cohort's worker reports of its trials."""
        self.settle()
        self._writing = self._writer.submit(self._write, cohort, reports)
        if not all(EPOCH in report for report in reports):
            self.settle()  # A trial has ended: whoever asks next shall learn from it.

    def settle(self) -> None:
        """Wait until all that was taken is written.

        Raises:
            Exception: it could not be.
        """
        if self._writing is not None:
            writing, self._writing = self._writing, None
            writing.result()

    def _write(self, cohort: int, reports: Sequence[Mapping[str, Any]]) -> None:
        for report in reports:
            number = report[TRIAL]
            if CONFIG in report:
                self._store.record_config(number, report[CONFIG])
            if DIVERGED in report:
                self._store.fail(number, report[DIVERGED], report[ELAPSED_S])
            elif FINAL in report:
                self._store.complete(number, report[FINAL], report[ELAPSED_S])
            else:
                self._store.record_epoch(number, report[EPOCH], report[METRICS], report[ELAPSED_S])
            if EPOCH not in report:
                self._unfinished[cohort].discard(number)
        self._show(report[TRIAL] for report in reports)

    def note_checkpoint(self, cohort: int, path: str) -> None:
        """Write down where a cohort's newest checkpoint lies."""
        self._store.record_checkpoint(cohort, path)

    def lose(self, cohort: int, why: str) -> None:
        """End all unfinished trials of a cohort whose worker failed for good."""
        self.settle()
        lost = sorted(self._unfinished[cohort])
        for number in lost:
            self._store.fail(number, why)
        self._unfinished[cohort].clear()
        # Once more: until now the cohort's checkpoint moved on.
        self._show(self._members[cohort])

    def end(self, cohort: int) -> None:
        """Close the book of a cohort that is done; a trial without an end would be missed."""
        self.lose(cohort, _UNTOLD)

    def _others(self, cohort: int, most: int) -> Iterable[TrialConfig]:
        """Take up to so many trials of a cohort's shape."""
        for _ in range(most):
            if (asked := self._next(self._first[cohort])) is None:
                return
            yield asked.config

    def _next(self, like: _Asked | None) -> _Asked | None:
        """Take a trial of the shape of another, or of any shape.

        Returns None where there is none left, or where the next that the study file wishes for is
        of another shape: that one begins the next cohort, and no second is asked for that might.
        """
        waiting = self._waiting
        if waiting is not None and (like is None or waiting.config.shape == like.config.shape):
            self._waiting = None
            return waiting
        if self._budget == 0 or (waiting is not None and self._store.has_wishes()):
            return None
        self._budget -= 1
        number, settings = self._store.ask(like.settings if like else None)
        asked = _Asked(settings, self._make_config(number, settings))
        if like is None or asked.config.shape == like.config.shape:
            return asked
        self._waiting = asked
        return self._next(like)

    def _admit(self, cohort: int, trials: Sequence[TrialConfig]) -> None:
        numbers = [trial.trial for trial in trials]
        for number in numbers:
            self._store.record_cohort(number, cohort)
        self._members[cohort].extend(numbers)
        self._unfinished[cohort].update(numbers)
        self._show(numbers)

    def _show(self, numbers: Iterable[int]) -> None:
        for record in self._store.records_of(numbers):
            for observer in self._observers:
                observer.on_trial(record)


def even_size(trials: int, most: int, at_once: int) -> int:
    """Return the size of cohorts that deal trials evenly over those that run at once.

    20 trials, at most 8 in a cohort and 2 cohorts at once: 4 cohorts of 5, for after two of 8 the
    last two of 2 would leave the machine to a few.
    """
    rounds = ceil(trials / (most * at_once))
    return ceil(trials / (rounds * at_once))


def learning_size(trials: int, at_once: int) -> int:
    """Return the largest size with which there are two rounds of cohorts.

    All trials of a round are proposed before any of them has ended: in one round the sampler would
    learn nothing.
    """
    return max(1, ceil(trials / (2 * at_once)))
