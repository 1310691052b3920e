"""Which trials train together: the cohorts of a study, between its workers and its store.

A worker is given a cohort, and the store holds trials. Here cohorts are formed from the trials that
the store proposes, and the reports of workers are stored trial by trial. A cohort whose worker or
driver is lost goes on in another worker, from its newest checkpoint.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from study.base.records import Failure, Fault
from study.cohorts.orders import Order
from study.cohorts.progress_writer import ProgressWriter
from study.cohorts.reports import EpochReport
from study.cohorts.state import Asked, CohortState
from study.config import CohortConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from study.base.records import Observer
    from study.cohorts.folders import CohortFolders
    from study.cohorts.reports import Report
    from study.config import TrialConfig
    from study.halting.budget import Budget
    from study.halting.halts import Halts, Judged
    from study.storage.trial_store import TrialStore

_TRIES = {Fault.LOST: 5, Fault.HUNG: 2, Fault.ERROR: 2, Fault.OUT_OF_MEMORY: 2}
"""Workers that a cohort may lose in a row without progress of any trial, by the last one's fault.
Then its trials go on one by one, which shows the one that ends its workers; a trial that loses as
many alone has failed. Code that raises will most likely raise again, while a killed worker may have
been unlucky."""


class Settings(NamedTuple):
    """What all cohorts of a study have in common.

    Attributes:
        size: most trials in one.
        folders: where their workers write; None where there are no workers, as in a simulation.
        codecs: folder for the codecs of all trials.
        longest_step_s: seconds after which a worker's step counts as hanging; None: by its pace.
        storeroom: serves the driver's disk to workers that do not see it; None where all do.
        written_at_once: whether reports are written without a thread, as in a simulation.
    """

    size: int
    folders: CohortFolders | None = None
    codecs: Path | None = None
    longest_step_s: float | None = None
    storeroom: str | None = None
    written_at_once: bool = False


class Cohorts:
    """The cohorts of one run of a study.

    Args:
        store: the study's trials. Unfinished ones go on before others begin.
        make_config: makes a trial's configuration from its number and settings.
        observers: called after each change of a trial.
        settings: what the cohorts have in common.
        budget: says whether another trial may begin.
        halts: says which trials stop at a rung.
    """

    def __init__(
        self,
        store: TrialStore,
        make_config: Callable[[int, Mapping[str, Any]], TrialConfig],
        observers: Sequence[Observer],
        settings: Settings,
        *,
        budget: Budget,
        halts: Halts,
    ) -> None:
        self._store = store
        self._make_config = make_config
        self._writer = ProgressWriter(store, (budget, *observers), at_once=settings.written_at_once)
        self._settings = settings
        self._budget, self._halts = budget, halts
        self._waiting: deque[Asked] = deque()
        self._cohorts: dict[int, CohortState] = {}
        self._again: deque[int] = deque()
        self._recall()

    def form(self) -> CohortConfig | None:
        """Return a cohort for a free worker: a lost one again, or a new one. None: none now."""
        self.settle()
        while self._again:
            number = self._again.popleft()
            if self._cohorts[number].unfinished:
                return self._handed_out(number)
        first = self._next(None)
        if first is None:
            return None
        number = self._new_number()
        self._cohorts[number] = CohortState(first, (number,))
        self._admit(number, (first.config, *self._others(number, self._settings.size - 1)))
        return self._handed_out(number)

    def is_done(self) -> bool:
        """Tell, after `form` returned None, whether it always will."""
        self.settle()
        return not self._waiting and not any(state.unfinished for state in self._cohorts.values())

    def take(self, cohort: int, reports: Sequence[Report], room: int = 0) -> Order:
        """Store the reports of a cohort's worker, and decide what follows from them.

        Args:
            cohort: which.
            reports: at most one for each of its trials.
            room: how many trials may join.

        Returns:
            The trials that join and leave before its next step; its worker reads it in its folder.
        """
        state = self._cohorts[cohort]
        state.note_progress(reports)
        self._forget_earlier(cohort, state)
        judged = self._judge(state, reports)
        self._writer.take(reports, judged)
        ended = [
            report.trial
            for report in reports
            if not isinstance(report, EpochReport) or report.trial in judged.stops
        ]
        for number in ended:
            state.unfinished.pop(number, None)
        if ended:
            self.settle()  # The next trial is proposed with their results.
        joining = self._refill(cohort, room) if room else ()
        order = Order(join=joining, leave=tuple(judged.stops))
        if order and state.opening is not None:
            state.opening.give(order)
        return order

    def settle(self) -> None:
        """Wait until all reports taken are stored.

        Raises:
            Exception: they could not be.
        """
        self._writer.settle()

    def lose(self, cohort: int, fault: Fault, why: str) -> Sequence[int]:
        """Give a cohort whose worker is lost to another, or end its trials after too many losses.

        Args:
            cohort: which.
            fault: how its worker was lost.
            why: the rest of the sentence, if its trials end.

        Returns:
            The trials that go on.
        """
        self.settle()
        state = self._cohorts[cohort]
        numbers = tuple(state.unfinished)
        state.tries += 1
        if state.opening is not None and state.opening.hung():
            fault, why = (
                Fault.HUNG,
                f"a step took longer than resources.longest_step_s allows; {why}",
            )
        if state.tries < _TRIES[fault]:
            self._again.append(cohort)
        elif len(state.unfinished) > 1:
            self._dissolve(cohort)
        else:
            self._fail(state, Failure.of(fault, why))
            return ()
        return numbers

    def end(self, cohort: int) -> None:
        """End a cohort that is done. A trial whose end no report told is lost."""
        self.settle()
        why = (
            "its cohort ended and its worker told nothing of it; the workers' logs are in the "
            "study's folder, below ray/"
        )
        self._fail(self._cohorts[cohort], Failure.of(Fault.LOST, why))

    def _recall(self) -> None:
        """Take up the trials that earlier drivers left unfinished."""
        unfinished = self._store.settle()
        records = self._store.records(driver_alive=True)
        self._budget.recall(records)
        self._halts.recall(records)
        epochs = {record.number: len(record.epochs) for record in records}
        self._newest = max((r.cohort for r in records if r.cohort is not None), default=-1)
        for trial in unfinished:
            asked = Asked(trial.settings, self._make_config(trial.number, trial.settings))
            if not trial.cohorts:
                self._waiting.append(asked)
                continue
            history = tuple(reversed(trial.cohorts))
            state = self._cohorts.setdefault(history[0], CohortState(asked, history))
            state.unfinished[trial.number] = asked.config
            state.epochs[trial.number] = epochs[trial.number]
        self._again.extend(sorted(self._cohorts))
        self._writer.show(epochs)

    def _new_number(self) -> int:
        """Return the number of a new cohort, whose folder no other has used."""
        return max((self._newest, *self._cohorts)) + 1

    def _handed_out(self, number: int) -> CohortConfig:
        state, settings = self._cohorts[number], self._settings
        places: dict[str, Any] = {}
        if settings.folders is not None:
            restore = settings.folders.checkpoints(state.history)
            state.opening, state.is_tidy = settings.folders.open(number), False
            places["folder"] = str(state.opening.path)
            places["restore"] = tuple(map(str, restore))
        return CohortConfig(
            cohort=number,
            trials=tuple(state.unfinished.values()),
            size=max(state.size(settings.size), len(state.unfinished)),
            codecs=None if settings.codecs is None else str(settings.codecs),
            longest_step_s=settings.longest_step_s,
            storeroom=settings.storeroom,
            **places,
        )

    def _forget_earlier(self, cohort: int, state: CohortState) -> None:
        """Delete the folders of a cohort's earlier workers once this one has a checkpoint."""
        folders, opening = self._settings.folders, state.opening
        if folders is None or opening is None or state.is_tidy:
            return
        if opening.checkpoints():
            folders.forget_before(cohort, opening)
            state.is_tidy = True

    def _judge(self, state: CohortState, reports: Sequence[Report]) -> Judged:
        epochs = {
            report.trial: (report.epoch, report.metrics)
            for report in reports
            if isinstance(report, EpochReport) and report.trial in state.unfinished
        }
        return self._halts.judge(
            epochs, {trial: state.unfinished[trial].training.epochs for trial in epochs}
        )

    def _dissolve(self, cohort: int) -> None:
        """Let each unfinished trial of a cohort go on alone."""
        state = self._cohorts[cohort]
        trials, state.unfinished = state.unfinished, {}
        for number, trial in trials.items():
            alone = self._new_number()
            asked = state.like._replace(config=trial)
            self._cohorts[alone] = CohortState(asked, (alone, *state.history))
            self._cohorts[alone].epochs[number] = state.epochs.get(number, 0)
            self._admit(alone, [trial])
            self._again.append(alone)

    def _fail(self, state: CohortState, failure: Failure) -> None:
        failed, state.unfinished = state.unfinished, {}
        self._writer.fail(failed, failure)

    def _refill(self, cohort: int, room: int) -> tuple[TrialConfig, ...]:
        """Return trials of a cohort's shape to fill its room, as far as there are any."""
        if not self._waiting and self._budget.spent():
            return ()  # Without `settle`: workers with room ask after each epoch.
        self.settle()
        trials = tuple(self._others(cohort, room))
        self._admit(cohort, trials)
        return trials

    def _others(self, cohort: int, most: int) -> Iterable[TrialConfig]:
        """Take at most so many trials of a cohort's shape."""
        for _ in range(most):
            if (asked := self._next(self._cohorts[cohort].like)) is None:
                return
            yield asked.config

    def _next(self, like: Asked | None) -> Asked | None:
        """Take a trial of the same shape as another, or of any shape.

        Returns None where none is left, or where the next trial that the study file asks for has
        another shape: that one begins the next cohort, and must not be overtaken.
        """
        for asked in self._waiting:
            if like is None or asked.config.shape == like.config.shape:
                self._waiting.remove(asked)
                return asked
        if self._budget.spent() or (self._waiting and self._store.has_wishes()):
            return None
        number, settings = self._store.ask(like.settings if like else None)
        asked = Asked(settings, self._make_config(number, settings))
        self._budget.begin(number, asked.config.training.epochs)
        if like is None or asked.config.shape == like.config.shape:
            return asked
        self._waiting.append(asked)
        return self._next(like)

    def _admit(self, cohort: int, trials: Sequence[TrialConfig]) -> None:
        self._cohorts[cohort].unfinished |= {trial.trial: trial for trial in trials}
        self._writer.admit(cohort, [trial.trial for trial in trials])
