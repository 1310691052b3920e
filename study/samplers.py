"""Who proposes settings: Optuna's samplers, made so that a proposal can be repeated.

A sampler of Optuna's carries a stream of random numbers from one proposal to the next, and a driver
that is killed loses its place in the stream. Here a sampler is made afresh for every trial, with a
seed of the trial's own. A proposal then depends on the stored trials and on the trial's number
alone, and a study that was killed and goes on proposes what it would have anyway. What samplers
note about trials besides (generations of an evolution, say) they keep in the storage.

Constraints reach the samplers through the storage: call `note_constraints` with the violations of
every trial before it is told, complete and pruned alike.
"""

from __future__ import annotations

import inspect
import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler

from study.conditions import is_active, is_conditional, ordered
from study.errors import StudyError
from study.nearest import did_you_mean
from study.numbered import (
    GridChoices,
    Numbered,
    RandomChoices,
    Slices,
    SobolChoices,
    seed_of,
    wished,
)
from study.space import is_integer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from optuna.study import Study
    from optuna.trial import FrozenTrial, TrialState

    from study.choices import Choice
    from study.config import StudyConfig

LEARNING = {
    "tpe": "optuna.samplers:TPESampler",
    "gp": "optuna.samplers:GPSampler",
    "nsga2": "optuna.samplers:NSGAIISampler",
    "nsga3": "optuna.samplers:NSGAIIISampler",
    "cmaes": "optuna.samplers:CmaEsSampler",
}
_OURS = {"seed": "seed", "n_startup_trials": "search.startup_trials"}
"""Arguments of samplers that the study file says elsewhere, and where."""


def make_sampler(config: StudyConfig) -> BaseSampler:
    """Return what proposes the study's settings; nothing is imported or read before it is asked."""
    return _Proposals(config)


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
            trial.set_constraint(name, violation)


def rehearse(config: StudyConfig) -> None:
    """Try the sampler on made-up results, before anything starts.

    Raises:
        StudyError: it cannot be imported, does not know an option, or cannot propose for this
            study; or a `warm_start` cannot be used.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warm_trials(config)
    directions = [objective.direction for objective in config.objectives]
    study = optuna.create_study(directions=directions, sampler=make_sampler(config))
    for number in range(wished(config), wished(config) + 3):
        trial = study.ask()
        suggest(trial, config)
        study.tell(trial, [float((number * place) % 3) for place in range(1, len(directions) + 1)])


def warm_trials(config: StudyConfig) -> list[FrozenTrial]:
    """Return what the sampler knows before its first trial; never part of the study.

    Raises:
        StudyError: a source cannot be read, or has nothing that fits.
    """
    if config.search.warm_start:
        raise StudyError("search.warm_start cannot be used yet; remove it")
    return []


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


class _Proposals(BaseSampler):
    """Optuna's view of the study's sampler: one of these samples all trials of a study."""

    def __init__(self, config: StudyConfig) -> None:
        self._config = config
        self._first = wished(config)
        self._random = RandomChoices(config)
        self._slices = Slices(config)
        self._numbered = _numbered(config)
        self._make: Callable[[int], BaseSampler] | None = None
        self._joint: tuple[int, BaseSampler] | None = None

    def _inner(self, number: int, name: str = "") -> BaseSampler:
        if self._make is None:
            self._make = maker(self._config)
        return self._make(seed_of(self._config, number, name))

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return what is proposed jointly: nothing of what the number decides."""
        if self._numbered is not None:
            return {}
        inner = self._inner(trial.number)
        self._joint = trial.number, inner
        space = inner.infer_relative_search_space(study, trial)
        stratified = self._config.search.stratify
        return {name: found for name, found in space.items() if name not in stratified}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Propose settings jointly."""
        if self._joint is None or not search_space:
            return {}
        number, inner = self._joint
        if number != trial.number:
            raise ValueError(f"asked about trial {trial.number} while trial {number} is sampled")
        return inner.sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:  # noqa: ANN401 (Optuna's signature)
        """Propose one setting by itself."""
        if trial.number < self._first:  # What a wish leaves open.
            return self._random.choose(trial.number, param_name)
        if param_name in self._config.search.stratify:
            return self._slices.choose(trial.number, param_name)
        if self._numbered is not None:
            return self._numbered.choose(trial.number, param_name)
        inner = self._inner(trial.number, param_name)
        return inner.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Let the sampler prepare itself."""
        if self._numbered is None:
            self._inner(trial.number).before_trial(study, trial)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Let the sampler note a trial's end."""
        if self._numbered is None:
            self._inner(trial.number).after_trial(study, trial, state, values)


def _numbered(config: StudyConfig) -> Numbered | None:
    match config.search.sampler:
        case "random":
            return RandomChoices(config)
        case "qmc":
            return SobolChoices(config)
        case "grid":
            return GridChoices(config)
        case _:
            return None


def maker(config: StudyConfig) -> Callable[[int], BaseSampler]:
    """Return what makes Optuna's sampler, given a seed.

    Raises:
        StudyError: it cannot be imported, or does not know an option.
    """
    name = config.search.sampler
    kind = _imported(name, LEARNING.get(name, name))
    parameters = inspect.signature(kind).parameters
    arguments = _arguments(config, parameters)
    seeded = "seed" in parameters

    def make(seed: int) -> BaseSampler:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            try:
                return kind(**arguments, **({"seed": seed} if seeded else {}))
            except (TypeError, ValueError) as error:
                message = f"search.sampler: {name} cannot be made: {error}"
                raise StudyError(message) from error

    make(0)
    return make


def _imported(name: str, path: str) -> type[BaseSampler]:
    module, _, attribute = path.partition(":")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        message = (
            f"search.sampler: {name} cannot be imported: {error}; give module:Class of a module "
            "that Python finds (PYTHONPATH)"
        )
        raise StudyError(message) from error
    if not (isinstance(found, type) and issubclass(found, BaseSampler)):
        message = (
            f"search.sampler: {name} must be a class made from optuna.samplers.BaseSampler, and "
            "is not"
        )
        raise StudyError(message)
    return found


def _arguments(
    config: StudyConfig, parameters: Mapping[str, inspect.Parameter]
) -> dict[str, object]:
    """Return the keyword arguments of a sampler but for its seed."""
    search = config.search
    for name in search.sampler_options:
        if place := _OURS.get(name):
            message = f"search.sampler_options: {name} is told by {place}; remove it here"
            raise StudyError(message)
        if name not in parameters:
            hint = did_you_mean(name, [other for other in parameters if other not in _OURS])
            message = f"search.sampler_options: {search.sampler} has no option '{name}'; {hint}"
            raise StudyError(message)
    arguments: dict[str, object] = {}
    if "n_startup_trials" in parameters:
        arguments["n_startup_trials"] = search.startup_trials
    match search.sampler:
        case "tpe":
            # With several objectives Optuna's default is one setting at a time.
            arguments |= {"multivariate": True, "group": is_conditional(search.space)}
        case "nsga2" | "nsga3":
            # The first generation is drawn; parents need to be two.
            arguments["population_size"] = max(2, search.startup_trials)
        case "gp" | "cmaes":
            arguments["warn_independent_sampling"] = False
        case _:
            pass
    return {**arguments, **search.sampler_options}
