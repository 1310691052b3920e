"""The sampler as the study's storage uses it: made, asked for settings, and told constraints.

Constraints reach the samplers through the storage: call `note_constraints` with the violations of
every trial before it is told, complete and pruned alike.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from study.base.errors import StudyError
from study.search.conditions import is_active, ordered
from study.search.numbered import wished
from study.search.repeatable import Repeatable
from study.search.space import is_integer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

    from study.config import StudyConfig
    from study.config.choices import Choice
    from study.search.warm_start import WarmStart, WarmTrial

_BEYOND_ALL = 1e6
"""A violation that is infinite; Gaussian processes need a number."""


def make_sampler(config: StudyConfig) -> BaseSampler:
    """Return the study's sampler; it imports and reads nothing before its first proposal."""
    return Repeatable(config, partial(warm_trials, config))


def suggest(trial: optuna.Trial, config: StudyConfig) -> dict[str, Choice]:
    """Decide every setting of a trial, and return them by dotted name.

    A trial that was begun and never got all of its settings keeps those it has; the others become
    what they would have been.
    """
    settings: dict[str, Choice] = {}
    for name in ordered(config.search.space):
        if is_active(config.search.space[name], settings):
            settings[name] = _ask(trial, name, distribution(config, name))
    return settings


def distribution(config: StudyConfig, name: str) -> BaseDistribution:
    """Return a searched setting as Optuna understands it."""
    searched = config.search.space[name]
    if searched.options is not None:
        return CategoricalDistribution(searched.options)
    low, high = searched.ends
    if is_integer(config, name):
        return IntDistribution(int(low), int(high), log=searched.log)
    return FloatDistribution(low, high, log=searched.log)


def note_constraints(trial: optuna.Trial, violations: Mapping[str, float]) -> None:
    """Tell samplers how far a trial is from what the study demands.

    Args:
        trial: one that has not been told yet: `Study.ask` returned it, or
            ``optuna.Trial(study, trial_id)`` found it again.
        violations: constraint -> how far it is violated; kept where it is 0 or below. Every
            complete trial must have the same constraints.
    """
    for name, violation in violations.items():
        if name not in trial.constraints:
            trial.set_constraint(name, min(violation, _BEYOND_ALL))


def follows_shape(config: StudyConfig) -> bool:
    """Tell whether a trial may be given another's shape. A grid's may not: its points are fixed.

    Where it may not, `TrialStore.has_wishes` says that the next trial's shape is not free.
    """
    return config.search.sampler != "grid"


def rehearse(config: StudyConfig) -> list[str]:
    """Try the sampler on made-up results, before anything starts.

    Returns:
        what the user should know: how much of each `warm_start` is used.

    Raises:
        StudyError: it cannot be imported, does not know an option, or cannot propose for this
            study; or a `warm_start` cannot be used.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    told = [found.told for found in _warm_starts(config)]
    directions = [objective.direction for objective in config.objectives]
    study = optuna.create_study(directions=directions, sampler=make_sampler(config))
    try:
        for number in range(wished(config) + 3):
            trial = study.ask()
            suggest(trial, config)
            values = [float((number * place) % 3) for place in range(1, len(directions) + 1)]
            study.tell(trial, values)
    except StudyError:
        raise
    except Exception as error:
        # Whatever a sampler that somebody else wrote may raise.
        sampler = config.search.sampler
        message = f"search.sampler: {sampler} cannot propose for this study: {error}"
        raise StudyError(message) from error
    return told


def warm_trials(config: StudyConfig) -> list[FrozenTrial]:
    """Return what the sampler knows before its first trial; never part of the study.

    Raises:
        StudyError: a source cannot be read, or has nothing that fits.
    """
    found = [trial for source in _warm_starts(config) for trial in source.trials]
    return [_frozen(config, trial, place - len(found)) for place, trial in enumerate(found)]


def _warm_starts(config: StudyConfig) -> list[WarmStart]:
    if not config.search.warm_start:
        return []
    from study.search.warm_start import read_warm_start  # Arrow takes a while to import.

    return [read_warm_start(config, source) for source in config.search.warm_start]


def _frozen(config: StudyConfig, trial: WarmTrial, number: int) -> FrozenTrial:
    """Return a result from elsewhere as a trial before all of the study's own."""
    frozen = optuna.trial.create_trial(
        params=dict(trial.settings),
        distributions={name: distribution(config, name) for name in trial.settings},
        values=trial.values,
        constraints=dict(trial.violations),
        # Evolutions look at generations only; these belong to the first.
        system_attrs=dict.fromkeys(("NSGAIISampler:generation", "NSGAIIISampler:generation"), 0),
    )
    frozen.number = frozen._trial_id = number  # noqa: SLF001 (no other has a negative one)
    return frozen


def _ask(trial: optuna.Trial, name: str, searched: BaseDistribution) -> Choice:
    value: Choice
    match searched:
        case CategoricalDistribution():
            value = trial.suggest_categorical(name, searched.choices)  # type: ignore[assignment]
        case IntDistribution():
            value = trial.suggest_int(name, searched.low, searched.high, log=searched.log)
        case FloatDistribution():
            value = trial.suggest_float(name, searched.low, searched.high, log=searched.log)
        case _:
            raise TypeError(searched)
    return value
