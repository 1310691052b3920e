"""A study on a virtual clock: everything is the study's own code but the training.

The store, the sampler, the halting rule, the budget and the cohorts are those of a real study; the
store's database is in memory. Ray's part is played here: each of the given number of workers takes
a cohort, and after each step hands in a worker's reports (`study.cohorts.reports`), with metrics
from recorded curves. A step of n trials lasts n times as long as the recorded median for one, as it
does where trials share a processor.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from study.base.records import TrialState
from study.cohorts.cohorts import Cohorts, Settings
from study.cohorts.pace import Pace
from study.cohorts.reports import EpochReport, FinalReport
from study.config.derived import objectives_of
from study.fronts.judged import JudgedStudy
from study.halting.budget import Budget
from study.halting.halts import Halts
from study.search.architectures import preparations
from study.search.space import trial_config
from study.storage.trial_store import TrialStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from study.base.records import TrialRecord
    from study.cohorts.orders import Order
    from study.cohorts.reports import Report
    from study.config import CohortConfig, StudyConfig, TrialConfig
    from study.config.choices import Choice
    from study.fronts.front import Objective
    from study.simulation.surrogate import Curve, Surrogate


class Moment(NamedTuple):
    """How good a study's front was when a trial had come to its end.

    Attributes:
        epochs: that all trials together had trained.
        seconds: on the virtual clock.
        hypervolume: of the complete trials.
    """

    epochs: int
    seconds: float
    hypervolume: float


@dataclass(frozen=True)
class Course:
    """What became of a simulated study.

    Attributes:
        moments: one for each complete trial, oldest first.
        epochs: that all trials trained.
        seconds: that the study lasted, on the virtual clock.
        ended: how many trials ended in which state.
        records: the trials, in the order of their numbers.
    """

    moments: tuple[Moment, ...]
    epochs: int
    seconds: float
    ended: Mapping[TrialState, int]
    records: tuple[TrialRecord, ...] = field(repr=False)


def simulate(config: StudyConfig, surrogate: Surrogate, *, workers: int, size: int) -> Course:
    """Run a study on a virtual clock.

    Args:
        config: the study; how many trials and epochs it may take stands there.
        surrogate: tells what a trial learns.
        workers: cohorts that train at once.
        size: trials in a cohort.

    Raises:
        StudyError: a proposed setting lies outside the recorded space.
    """
    store = TrialStore(config, None)
    store.enqueue_first("simulated")
    curves: dict[int, Curve] = {}

    def make_config(number: int, settings: Mapping[str, Choice]) -> TrialConfig:
        curves[number] = surrogate.curve(settings)
        return trial_config(config, number, settings, data)

    data = dict.fromkeys(preparations(config), Path("simulated"))
    gauge = _Gauge(objectives_of(config))
    cohorts = Cohorts(
        store,
        make_config,
        [gauge],
        Settings(size, written_at_once=True),
        budget=Budget(config),
        halts=Halts(config),
    )
    epochs, seconds = _run(cohorts, partial(_Worker, curves, surrogate), workers, gauge)
    records = store.records(driver_alive=False)
    ended = {state: sum(each.state is state for each in records) for state in TrialState}
    return Course(tuple(gauge.moments), epochs, seconds, ended, tuple(records))


def _run(
    cohorts: Cohorts, hire: Callable[[CohortConfig], _Worker], workers: int, gauge: _Gauge
) -> tuple[int, float]:
    """Let the workers work until no trial is left; return the epochs and seconds that it took."""
    queue: list[tuple[float, int, _Worker]] = []
    ticket = epochs = 0
    now = 0.0
    while True:
        while len(queue) < workers and (cohort := cohorts.form()) is not None:
            worker = hire(cohort)
            # Of steps that end together the one that began first is told first.
            ticket += 1
            heapq.heappush(queue, (now + worker.begin_step(), ticket, worker))
        if not queue:
            return epochs, now
        now, _, worker = heapq.heappop(queue)
        reports = worker.reports
        epochs += sum(isinstance(report, EpochReport) for report in reports)
        gauge.at(epochs, now)
        worker.follow(cohorts.take(worker.cohort, reports, worker.room))
        if worker.is_done:
            cohorts.end(worker.cohort)
        else:
            ticket += 1
            heapq.heappush(queue, (now + worker.begin_step(), ticket, worker))


class _Worker:
    """Does with one cohort what `study.workers.trainable` does, but from known results."""

    def __init__(
        self, curves: Mapping[int, Curve], surrogate: Surrogate, cohort: CohortConfig
    ) -> None:
        self._curves = curves
        self._surrogate = surrogate
        self._size = cohort.size
        self._pace = Pace()
        self._epochs: dict[int, int] = {}
        self._totals: dict[int, int] = {}
        self._elapsed_s: dict[int, float] = {}
        self.cohort = cohort.cohort
        self.reports: list[Report] = []
        self._join(cohort.trials)

    @property
    def is_done(self) -> bool:
        return not self._epochs

    @property
    def room(self) -> int:
        """How many trials may join, as a worker counts it."""
        living = len(self._living())
        return self._size - living if self._pace.worth_refilling(living, self._size) else 0

    def follow(self, order: Order) -> None:
        for number in order.leave:
            self._epochs.pop(number, None)
        self._join(order.join)

    def begin_step(self) -> float:
        """Return how long the next step lasts; its reports are those of its end."""
        if waiting := set(self._epochs) - set(self._living()):
            number = min(waiting)
            del self._epochs[number]
            seconds = self._surrogate.measuring_s
            self.reports = [self._final(number, seconds)]
            return seconds
        seconds = self._surrogate.epoch_s * len(self._epochs)
        self._pace.note(len(self._epochs), seconds)
        self.reports = [self._epoch(number, seconds) for number in self._epochs]
        return seconds

    def _living(self) -> list[int]:
        return [n for n, epochs in self._epochs.items() if epochs < self._totals[n]]

    def _epoch(self, number: int, seconds: float) -> Report:
        self._epochs[number] += 1
        epoch = self._epochs[number]
        metrics = self._curves[number].epochs[epoch - 1]
        elapsed_s = self._add_time(number, seconds)
        return EpochReport(trial=number, elapsed_s=elapsed_s, epoch=epoch, metrics=dict(metrics))

    def _final(self, number: int, seconds: float) -> Report:
        metrics = self._curves[number].final
        elapsed_s = self._add_time(number, seconds)
        return FinalReport(trial=number, elapsed_s=elapsed_s, metrics=dict(metrics))

    def _add_time(self, number: int, seconds: float) -> float:
        self._elapsed_s[number] += seconds
        return self._elapsed_s[number]

    def _join(self, trials: Iterable[TrialConfig]) -> None:
        for trial in trials:
            self._epochs[trial.trial] = 0
            self._totals[trial.trial] = trial.training.epochs
            self._elapsed_s[trial.trial] = 0.0


class _Gauge:
    """Notes the front's hypervolume whenever a trial is complete."""

    def __init__(self, objectives: Sequence[Objective]) -> None:
        self._objectives = objectives
        self._front: tuple[TrialRecord, ...] = ()
        self._seen: set[int] = set()
        self._now = (0, 0.0)
        self.moments: list[Moment] = []

    def at(self, epochs: int, seconds: float) -> None:
        """Say when it is."""
        self._now = epochs, seconds

    def on_trial(self, record: TrialRecord) -> None:
        """Take note of a complete trial, once."""
        if record.state is not TrialState.COMPLETE or record.number in self._seen:
            return
        self._seen.add(record.number)
        # What the front dominates stays dominated, and adds no volume.
        judged = JudgedStudy((*self._front, record), self._objectives)
        self._front = judged.front
        self.moments.append(Moment(*self._now, judged.hypervolume))
