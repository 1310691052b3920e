"""The truth about a study's trials: Optuna's database in the study's folder (design, decision 5).

One row per trial: its parameters, its state and, once it is complete, the measured values. All
else that is known of it lies beside them as user attributes, written as it arrives:

==============  ==================================================================================
``epoch:0007``  ``{"metrics": {...}, "elapsed_s": ...}`` after the seventh epoch
``final``       the metrics measured on the finished codec
``outcome``     the sentence a user reads about how it ended
``cohort``      the number of the cohort that it trains in
``config``      the trial's configuration as its worker saw it
``elapsed_s``   seconds of work when it ended
``baseline``    true for the first trial if it has all of the published coefficients
==============  ==================================================================================

Where the last checkpoint of a cohort lies is an attribute of the study, ``checkpoint:0003``: it
moves as long as the cohort trains, also for those of its trials that have ended.
"""

from __future__ import annotations

import math
import uuid
from typing import TYPE_CHECKING, Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import TPESampler
from optuna.storages import RDBStorage

from study.errors import StudyError
from study.records import EpochRecord, TrialRecord, TrialState
from study.space import baseline, decides_shape, is_integer, is_published

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from optuna.trial import FrozenTrial

    from study.config import StudyConfig
    from study.ranges import Range

_EPOCH_PREFIX = "epoch:"
_CHECKPOINT_PREFIX = "checkpoint:"
_IDENTITY = "identity"
_CODE_VERSION = "code_version"
_STATES = {
    optuna.trial.TrialState.COMPLETE: TrialState.COMPLETE,
    optuna.trial.TrialState.PRUNED: TrialState.PRUNED,
    optuna.trial.TrialState.FAIL: TrialState.FAILED,
}


class TrialStore:
    """The trials of one study, in its database.

    Args:
        config: the study.
        database: the SQLite file; created when it is missing. One that exists is only read until a
            method writes into it.

    Raises:
        StudyError: the file cannot be opened, or holds no study of this name.
    """

    def __init__(self, config: StudyConfig, database: Path) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._config = config
        self._objectives = tuple(objective.metric for objective in config.objectives)
        self._distributions = {
            name: _distribution(searched, integer=is_integer(config, name))
            for name, searched in config.search.space.items()
        }
        self._running: dict[int, optuna.Trial] = {}
        self._wishes = True
        self._study = _study(config, database)

    @property
    def identity(self) -> str:
        """What no other study has, not even one of the same name in the same place later.

        It is given by `enqueue_first`.
        """
        identity: str = self._study.user_attrs[_IDENTITY]
        return identity

    @property
    def code_version(self) -> str:
        """The code that began the study; given by `enqueue_first`."""
        version: str = self._study.user_attrs[_CODE_VERSION]
        return version

    def worker_config(self, number: int) -> dict[str, Any]:
        """Return a trial's configuration as its worker saw it; empty before its first epoch."""
        config: dict[str, Any] = self._study.get_trials(deepcopy=False)[number].user_attrs.get(
            "config", {}
        )
        return config

    def enqueue_first(self, code_version: str) -> None:
        """Begin a new study: the published setting is tried first, the study file's wishes next."""
        self._study.set_user_attr(_IDENTITY, uuid.uuid4().hex)
        self._study.set_user_attr(_CODE_VERSION, code_version)
        first = baseline(self._config)
        published = is_published(self._config, first)
        self._study.enqueue_trial(first, user_attrs={"baseline": published})
        for settings in self._config.search.first:
            self._study.enqueue_trial(settings)

    def has_wishes(self) -> bool:
        """Tell whether settings that the study file names still wait to be asked for."""
        if self._wishes:  # Each look reads every running trial anew.
            waiting = (optuna.trial.TrialState.WAITING,)
            self._wishes = bool(self._study.get_trials(deepcopy=False, states=waiting))
        return self._wishes

    def ask(self, like: Mapping[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Start a trial: its number, and its settings by dotted name.

        Args:
            like: settings of another trial, with which this one shall train as one population:
                what decides the shape is taken from there, and the rest is proposed as always. The
                study file's wishes come first, whatever their shape.
        """
        if like is not None and not self.has_wishes():
            fixed = {name: like[name] for name in self._distributions if decides_shape(name)}
            if fixed:
                self._study.enqueue_trial(fixed)
        trial = self._study.ask(self._distributions)
        self._running[trial.number] = trial
        return trial.number, trial.params

    def record_cohort(self, number: int, cohort: int) -> None:
        """Write down which cohort a trial trains in."""
        self._running[number].set_user_attr("cohort", cohort)

    def record_checkpoint(self, cohort: int, path: str) -> None:
        """Write down where a cohort's last checkpoint lies."""
        self._study.set_user_attr(f"{_CHECKPOINT_PREFIX}{cohort:04d}", path)

    # A worker that goes on from a checkpoint reports again what came after it. An epoch then
    # replaces its first report; a trial that has ended stays as it ended.

    def record_epoch(
        self, number: int, epoch: int, metrics: Mapping[str, float], elapsed_s: float
    ) -> None:
        """Write down a finished epoch (counted from 1); a repeated one replaces the first."""
        if trial := self._running.get(number):
            value = {"metrics": dict(metrics), "elapsed_s": elapsed_s}
            trial.set_user_attr(f"{_EPOCH_PREFIX}{epoch:04d}", value)

    def record_config(self, number: int, config: Mapping[str, object]) -> None:
        """Write down the configuration that the worker says it has."""
        if trial := self._running.get(number):
            trial.set_user_attr("config", config)

    def complete(self, number: int, final: Mapping[str, float], elapsed_s: float) -> None:
        """End a trial with its measured metrics; one that is no number makes it a failed trial."""
        values = [final.get(metric, math.nan) for metric in self._objectives]
        if not all(math.isfinite(value) for value in values):
            shown = ", ".join(f"{m} = {v}" for m, v in zip(self._objectives, values, strict=True))
            self.fail(number, f"the finished codec could not be measured: {shown}", elapsed_s)
            return
        if trial := self._running.pop(number, None):
            trial.set_user_attr("final", dict(final))
            trial.set_user_attr("elapsed_s", elapsed_s)
            trial.set_user_attr("outcome", "trained to the end and measured")
            self._study.tell(number, values)

    def fail(self, number: int, outcome: str, elapsed_s: float | None = None) -> None:
        """End a trial without a result, with the sentence that says why.

        Args:
            number: which trial.
            outcome: the sentence.
            elapsed_s: seconds of work; None: until the last epoch that was recorded.
        """
        if trial := self._running.pop(number, None):
            if elapsed_s is not None:
                trial.set_user_attr("elapsed_s", elapsed_s)
            trial.set_user_attr("outcome", outcome)
            self._study.tell(number, state=optuna.trial.TrialState.FAIL)

    def record(self, number: int) -> TrialRecord:
        """Return one trial as it stands; an unfinished one is running."""
        (record,) = self.records_of([number])
        return record

    def records_of(self, numbers: Iterable[int]) -> list[TrialRecord]:
        """Return some trials as they stand, in the order asked for, from one look."""
        trials, checkpoints = self._study.get_trials(deepcopy=False), self._checkpoints()
        running = TrialState.RUNNING
        return [self._to_record(trials[number], running, checkpoints) for number in numbers]

    def records(self, *, driver_alive: bool) -> list[TrialRecord]:
        """Return all trials that were started, by number.

        Args:
            driver_alive: whether a process works on the study; without one, the unfinished trials
                are interrupted.
        """
        unfinished = TrialState.RUNNING if driver_alive else TrialState.INTERRUPTED
        waiting = optuna.trial.TrialState.WAITING
        trials, checkpoints = self._study.get_trials(deepcopy=False), self._checkpoints()
        return [
            self._to_record(trial, unfinished, checkpoints)
            for trial in trials
            if trial.state != waiting
        ]

    def _checkpoints(self) -> dict[int, str]:
        """Where the last checkpoint of each cohort lies."""
        return {
            int(key.removeprefix(_CHECKPOINT_PREFIX)): path
            for key, path in self._study.user_attrs.items()
            if key.startswith(_CHECKPOINT_PREFIX)
        }

    def _to_record(
        self, trial: FrozenTrial, unfinished: TrialState, checkpoints: Mapping[int, str]
    ) -> TrialRecord:
        attributes = trial.user_attrs
        epochs = sorted(key for key in attributes if key.startswith(_EPOCH_PREFIX))
        last = attributes[epochs[-1]]["elapsed_s"] if epochs else 0.0
        config = attributes.get("config", {})
        training = config.get("training", {})
        cohort = attributes.get("cohort")
        return TrialRecord(
            number=trial.number,
            state=_STATES.get(trial.state, unfinished),
            params=trial.params,
            epochs=tuple(
                EpochRecord(int(key.removeprefix(_EPOCH_PREFIX)), attributes[key]["metrics"])
                for key in epochs
            ),
            total_epochs=training.get("epochs", self._config.training.epochs),
            final=attributes.get("final", {}),
            outcome=attributes.get("outcome", ""),
            is_baseline=attributes.get("baseline", False),
            elapsed_s=attributes.get("elapsed_s", last),
            checkpoint=checkpoints.get(cohort) if epochs and cohort is not None else None,
            cohort=cohort,
        )


def _distribution(searched: Range, *, integer: bool) -> BaseDistribution:
    if searched.choices is not None:
        return CategoricalDistribution(searched.choices)
    low, high = searched.ends
    if integer:
        return IntDistribution(int(low), int(high), log=searched.log)
    return FloatDistribution(low, high, log=searched.log)


def _study(config: StudyConfig, database: Path) -> optuna.Study:
    """Create the study, or open it if there is a database."""
    sampler = TPESampler(
        multivariate=True, seed=config.seed, n_startup_trials=config.search.startup_trials
    )
    if not database.exists():
        return optuna.create_study(
            study_name=config.name,
            storage=_open(database),
            directions=[objective.direction for objective in config.objectives],
            sampler=sampler,
        )
    try:
        return optuna.load_study(study_name=config.name, storage=_open(database), sampler=sampler)
    except KeyError as error:
        message = f"the database {database} must hold the study {config.name}, but does not"
        raise StudyError(message) from error


def _open(database: Path) -> RDBStorage:
    try:
        # Readers such as `study status` may look in while the driver writes.
        return RDBStorage(
            f"sqlite:///{database.resolve()}",
            engine_kwargs={"connect_args": {"timeout": 30}},
        )
    except Exception as error:
        reason = str(error).splitlines()[0]
        message = (
            f"the study's database must be Optuna's, and {database} cannot be opened as such "
            f"({reason}); restore it, or remove the study's folder"
        )
        raise StudyError(message) from error
