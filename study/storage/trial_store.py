"""The truth about a study's trials: Optuna's storage.

`study.storage.trial_rows` says what is kept of each trial, `study.storage.study_attributes` what is
kept of the study as a whole, and decision 0019 in what order it is written.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import optuna
from optuna.storages import RDBStorage

from study.base.records import Failure, Fault, TrialState
from study.config.derived import constraints_of
from study.fronts.measures import broken, epoch_violation, violations
from study.search.samplers import follows_shape, make_sampler, note_constraints, suggest
from study.search.space import baseline, decides_shape, is_published
from study.storage.database import open_study
from study.storage.study_attributes import StudyAttributes
from study.storage.trial_rows import (
    BASELINE,
    COHORTS,
    CONFIG,
    ENDING,
    FOLDER,
    GOES_ON,
    OPTUNAS,
    RUN,
    RUNG,
    STOPS,
    epoch_key,
    epoch_keys,
    to_record,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from optuna.trial import FrozenTrial

    from study.base.records import TrialRecord
    from study.config import StudyConfig

_WAITING, _RUNNING = optuna.trial.TrialState.WAITING, optuna.trial.TrialState.RUNNING


@dataclass(frozen=True)
class Unfinished:
    """A trial that was begun and has no end.

    Attributes:
        number: its number.
        settings: by dotted name.
        cohorts: in which it has trained, the newest last; empty if it never began to.
    """

    number: int
    settings: Mapping[str, Any]
    cohorts: tuple[int, ...]


class TrialStore(StudyAttributes):
    """The trials of one study, in its database.

    Args:
        config: the study.
        database: the SQLite file, created when it is missing; a study with a `storage.uri` uses
            that. None keeps everything in memory. A study that exists is only read until a method
            writes into it.

    Raises:
        StudyError: the database cannot be opened, or holds no study of this name.
    """

    def __init__(self, config: StudyConfig, database: Path | None) -> None:
        self._config = config
        self._objectives = tuple(objective.metric for objective in config.objectives)
        self._constraints = constraints_of(config)
        self._running: dict[int, optuna.Trial] = {}
        self._wishes = True
        study, self._storage = open_study(config, database, make_sampler(config))
        super().__init__(study)

    def close(self) -> None:
        """Let go of the database's file."""
        if isinstance(self._storage, RDBStorage):
            self._storage.engine.dispose()

    def enqueue_first(self, code_version: str) -> None:
        """Begin a study: the published setting is tried first, the study file's wishes next.

        What a driver that is killed here leaves undone, the next one completes.
        """
        if self.is_begun():
            return
        told = self._config.model_dump(mode="json")
        # Others may look into the storage, and addresses hold passwords.
        told["storage"]["uri"] = told["tracking"]["uri"] = None
        self.begin(code_version, told)
        first = baseline(self._config)
        published = {BASELINE: is_published(self._config, first)}
        wishes = [(first, published), *((settings, {}) for settings in self._config.search.first)]
        for settings, attributes in wishes[len(self._trials()) :]:
            self._study.enqueue_trial(settings, user_attrs=attributes)
        self.mark_begun()

    # Asking.

    def has_wishes(self) -> bool:
        """Tell whether the next trial has a shape of its own: a wish's, or a grid point's."""
        if not follows_shape(self._config):
            return True
        if self._wishes:  # Each look reads every running trial anew.
            self._wishes = bool(self._study.get_trials(deepcopy=False, states=(_WAITING,)))
        return self._wishes

    def begun(self) -> int:
        """Return how many trials were begun."""
        return sum(trial.state != _WAITING for trial in self._trials())

    def ask(self, like: Mapping[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Start a trial: its number, and its settings by dotted name.

        Args:
            like: settings of another trial, with which this one shall train as one population:
                what decides the shape is taken from there, and the rest is proposed as always. The
                study file's wishes come first, whatever their shape.
        """
        if like is not None and not self.has_wishes():
            fixed = {name: value for name, value in like.items() if decides_shape(name)}
            if fixed:
                self._study.enqueue_trial(fixed)
        return self._completed(self._study.ask())

    def _completed(self, trial: optuna.Trial) -> tuple[int, dict[str, Any]]:
        """Give a trial all settings that it lacks."""
        self._running[trial.number] = trial
        return trial.number, suggest(trial, self._config)

    def settle(self) -> list[Unfinished]:
        """Complete what a killed driver left half-written; return the trials that go on.

        A trial whose end was written but not told is told; one that was to stop at a rung is
        stopped; one that lacks settings gets them.
        """
        found = []
        for trial in self._study.get_trials(deepcopy=False, states=(_RUNNING,)):
            number, attributes = trial.number, trial.user_attrs
            again = optuna.Trial(self._study, trial._trial_id)  # noqa: SLF001 (no other way)
            self._running[number] = again
            epochs = epoch_keys(attributes)
            if ENDING in attributes:
                self._tell(number, attributes[ENDING])
            elif epochs and attributes[epochs[-1]].get(RUNG) == STOPS:
                outcome = attributes[epochs[-1]]["outcome"]
                self.prune(number, outcome, attributes[epochs[-1]]["elapsed_s"])
            else:
                _, settings = self._completed(again)
                found.append(Unfinished(number, settings, tuple(attributes.get(COHORTS, ()))))
        return found

    # Reading.

    def worker_config(self, number: int) -> dict[str, Any]:
        """Return a trial's configuration as its worker saw it; empty before its first epoch."""
        config: dict[str, Any] = self._trials()[number].user_attrs.get(CONFIG, {})
        return config

    def record(self, number: int) -> TrialRecord:
        """Return one trial as it stands; an unfinished one is running."""
        (record,) = self.records_of([number])
        return record

    def records_of(self, numbers: Iterable[int]) -> list[TrialRecord]:
        """Return some trials as they stand, in the order asked for, from one look."""
        trials = self._trials()
        return [self._to_record(trials[number], TrialState.RUNNING) for number in numbers]

    def records(self, *, driver_alive: bool) -> list[TrialRecord]:
        """Return all trials that were started, by number.

        Args:
            driver_alive: whether a process works on the study; without one, the unfinished trials
                are interrupted.
        """
        unfinished = TrialState.RUNNING if driver_alive else TrialState.INTERRUPTED
        late = self.late_runs()
        found = (self._to_record(t, unfinished) for t in self._trials() if t.state != _WAITING)
        return [replace(r, run=late[r.number]) if r.number in late else r for r in found]

    def _trials(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False)

    def _to_record(self, trial: FrozenTrial, unfinished: TrialState) -> TrialRecord:
        return to_record(trial, unfinished, self._config.training.epochs)

    # Writing down. A worker that goes on from a checkpoint reports again what came after it. An
    # epoch then replaces its first report; a trial that has ended stays as it ended.

    def record_cohort(self, number: int, cohort: int) -> None:
        """Write down which cohort a trial trains in, and where its codecs will be."""
        attributes = self._trials()[number].user_attrs
        before = attributes.get(COHORTS, [])
        if cohort not in before:
            self._write(number, COHORTS, [*before, cohort])
        if FOLDER not in attributes:
            self._write(number, FOLDER, f"codecs/trial-{number:04d}")

    def record_run(self, number: int, run_id: str) -> None:
        """Write down which run MLflow shows a trial in.

        Optuna refuses to write to a trial that has ended. The run of one that ended before MLflow
        was reached is kept with the study.
        """
        if number in self._running:
            self._write(number, RUN, run_id)
        else:
            self.record_late_run(number, run_id)

    def runs(self) -> dict[int, str]:
        """Return the ids of MLflow's runs by trial, as far as they are known."""
        own = {t.number: t.user_attrs[RUN] for t in self._trials() if RUN in t.user_attrs}
        return own | self.late_runs()

    def record_epoch(
        self,
        number: int,
        epoch: int,
        metrics: Mapping[str, float],
        elapsed_s: float,
        stops: str | None = None,
        *,
        at_rung: bool = False,
    ) -> None:
        """Write down a finished epoch (counted from 1); a repeated one replaces the first.

        Args:
            number: which trial.
            epoch: which of its epochs.
            metrics: validation's, and the training's own.
            elapsed_s: seconds of work so far.
            stops: the sentence why the trial stops here; None: it goes on.
            at_rung: whether the halting rule was asked.
        """
        value: dict[str, object] = {"metrics": dict(metrics), "elapsed_s": elapsed_s}
        if at_rung:
            value |= {RUNG: STOPS, "outcome": stops} if stops else {RUNG: GOES_ON}
        if number in self._running:
            self._write(number, epoch_key(epoch), value)

    def record_config(self, number: int, config: Mapping[str, object]) -> None:
        """Write down the configuration that the worker says it has."""
        if number in self._running:
            self._write(number, CONFIG, dict(config))

    def complete(self, number: int, final: Mapping[str, float], elapsed_s: float) -> None:
        """End a trial with its measured metrics; one that is no number makes it a failed trial."""
        values = [final.get(metric, math.nan) for metric in self._objectives]
        if not all(math.isfinite(value) for value in values):
            shown = ", ".join(f"{m} = {v}" for m, v in zip(self._objectives, values, strict=True))
            sentence = f"the finished codec could not be measured: {shown}"
            self.fail(number, Failure(Fault.ERROR, sentence), elapsed_s)
            return
        breaks = [str(each) for each in broken(final, self._constraints)]
        outcome = "trained to the end and measured"
        if breaks:
            outcome += f", but breaks {' and '.join(breaks)}"
        self._end(number, TrialState.COMPLETE, outcome, elapsed_s, final=dict(final), broken=breaks)

    def prune(self, number: int, outcome: str, elapsed_s: float) -> None:
        """End a trial that was stopped at a rung."""
        self._end(number, TrialState.PRUNED, outcome, elapsed_s)

    def fail(self, number: int, failure: Failure, elapsed_s: float | None = None) -> None:
        """End a trial without a result.

        Args:
            number: which trial.
            failure: why.
            elapsed_s: seconds of work; None: until the last epoch that was recorded.
        """
        fault = failure.fault.value
        self._end(number, TrialState.FAILED, failure.sentence, elapsed_s, fault=fault)

    def _end(
        self,
        number: int,
        state: TrialState,
        outcome: str,
        elapsed_s: float | None,
        **more: object,
    ) -> None:
        if number in self._running:
            ending = {"state": state.value, "outcome": outcome, "elapsed_s": elapsed_s, **more}
            self._write(number, ENDING, ending)
            self._tell(number, ending)

    def _tell(self, number: int, ending: Mapping[str, Any]) -> None:
        """Tell Optuna how a trial ended, which the row already says."""
        trial, state = self._running.pop(number), TrialState(ending["state"])
        final = ending.get("final", {})
        if state is not TrialState.FAILED and self._constraints:
            beyond = violations(final, self._constraints)
            if state is TrialState.PRUNED:
                last = self.record(number).latest
                beyond = [epoch_violation(last, [each]) for each in self._constraints]
            note_constraints(trial, dict(zip(map(str, self._constraints), beyond, strict=True)))
        if state is TrialState.COMPLETE:
            self._study.tell(trial, [final[metric] for metric in self._objectives])
        else:
            self._study.tell(trial, state=OPTUNAS[state])

    def _write(self, number: int, key: str, value: object) -> None:
        self._running[number].set_user_attr(key, value)
