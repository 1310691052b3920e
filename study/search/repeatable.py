"""Optuna's samplers, made so that a proposal can be repeated.

A sampler of Optuna's carries a stream of random numbers from one proposal to the next, and a driver
that is killed loses its place in the stream. Here a sampler is made afresh for every trial, with a
seed of the trial's own. A proposal then depends on the stored trials and on the trial's number
alone, and a study that was killed and goes on proposes what it would have anyway. What samplers
note about trials besides (generations of an evolution, say) they keep in the storage.
"""

from __future__ import annotations

import copy
import inspect
import warnings
from typing import TYPE_CHECKING, Any

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseGASampler, BaseSampler, CmaEsSampler

from study.base.errors import StudyError
from study.base.importing import imported
from study.base.spelling import did_you_mean
from study.search.conditions import is_conditional
from study.search.numbered import (
    GridChoices,
    Numbered,
    RandomChoices,
    Slices,
    SobolChoices,
    seed_of,
    wished,
)
from study.search.replayed import ReplayedCmaEs

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence

    from optuna.distributions import BaseDistribution
    from optuna.storages import BaseStorage
    from optuna.study import Study
    from optuna.trial import FrozenTrial, TrialState

    from study.config import StudyConfig

LEARNING = {
    "tpe": "optuna.samplers:TPESampler",
    "gp": "optuna.samplers:GPSampler",
    "nsga2": "optuna.samplers:NSGAIISampler",
    "nsga3": "optuna.samplers:NSGAIIISampler",
    "cmaes": "study.search.replayed:ReplayedCmaEs",
}
_OURS = {
    "seed": "seed",
    "n_startup_trials": "search.startup_trials",
    "source_trials": "search.warm_start",
}
"""Arguments of samplers that the study file says elsewhere, and where."""

_UNPICKLES = "_restore_optimizer"
"""The method of Optuna's CMA-ES that unpickles what the storage holds."""


class Repeatable(BaseSampler):
    """Optuna's view of the study's sampler: one of these samples all trials of a study.

    Args:
        config: the study.
        warm_trials: returns results from elsewhere; called before the first proposal.
    """

    def __init__(
        self, config: StudyConfig, warm_trials: Callable[[], Sequence[FrozenTrial]]
    ) -> None:
        self._config = config
        self._warm_trials = warm_trials
        self._first = wished(config)
        self._random = RandomChoices(config)
        self._slices = Slices(config)
        self._numbered = _numbered(config)
        self._warm: Sequence[FrozenTrial] = ()
        self._make: Callable[[int], BaseSampler] | None = None
        self._joint: tuple[int, BaseSampler] | None = None

    def _inner(self, number: int, name: str = "") -> BaseSampler:
        if self._make is None:
            warm = self._warm_trials()
            if self._config.search.sampler == "cmaes":  # It takes them as an argument.
                self._make = maker(self._config, warm)
            else:
                self._make, self._warm = maker(self._config), warm
        return self._make(seed_of(self._config, number, name))

    def _known(self, study: Study) -> Study:
        """Return the study as the sampler shall see it: with what is known from elsewhere."""
        if not self._warm:
            return study
        seen = copy.copy(study)
        seen._storage = _Knowing(study._storage, self._warm)  # type: ignore[assignment]  # noqa: SLF001 (as Optuna's own Hyperband shows its samplers a part of a study)
        return seen

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return what is proposed jointly: nothing of what the number decides."""
        if self._numbered is not None:
            return {}
        inner = self._inner(trial.number)
        self._joint = trial.number, inner
        space = inner.infer_relative_search_space(self._known(study), trial)
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
        known = self._known(study)
        if isinstance(inner, BaseGASampler):
            # The first trial of a generation selects the parents, in another order than the later
            # ones read them back. They are selected here, so that it reads them back as well.
            chooser = self._inner(number)
            assert isinstance(chooser, BaseGASampler)
            chooser.get_parent_population(known, chooser.get_trial_generation(known, trial))
        return inner.sample_relative(known, trial, search_space)

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
        return inner.sample_independent(self._known(study), trial, param_name, param_distribution)

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


class _Knowing:
    """A storage as it is, but for trials from elsewhere that come first."""

    def __init__(self, storage: BaseStorage, trials: Sequence[FrozenTrial]) -> None:
        self._storage, self._trials = storage, trials

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,  # noqa: FBT001, FBT002 (Optuna's signature)
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """Return all trials in the given states."""
        warm = [trial for trial in self._trials if states is None or trial.state in states]
        return [
            *(copy.deepcopy(warm) if deepcopy else warm),
            *self._storage.get_all_trials(study_id, deepcopy, states),
        ]

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (whatever the storage has)
        return getattr(self._storage, name)


def maker(config: StudyConfig, source: Sequence[FrozenTrial] = ()) -> Callable[[int], BaseSampler]:
    """Return what makes Optuna's sampler, given a seed.

    Args:
        config: the study.
        source: trials from elsewhere, for a sampler that takes them as `source_trials`.

    Raises:
        StudyError: it cannot be imported, or does not know an option.
    """
    name = config.search.sampler
    kind = _imported(name, LEARNING.get(name, name))
    parameters = inspect.signature(kind).parameters
    arguments = _arguments(config, parameters)
    if source:
        arguments["source_trials"] = list(source)
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
    found = imported("search.sampler", name, path)
    if not (isinstance(found, type) and issubclass(found, BaseSampler)):
        message = (
            f"search.sampler: {name} must be a class made from optuna.samplers.BaseSampler, and "
            "is not"
        )
        raise StudyError(message)
    if found is CmaEsSampler:
        return ReplayedCmaEs
    if getattr(found, _UNPICKLES, None) is getattr(CmaEsSampler, _UNPICKLES):
        message = (
            f"search.sampler: {name} would run whatever the study's storage holds, for it keeps "
            "its state there as a pickle; make it from study.search.replayed.ReplayedCmaEs, which "
            "does not"
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
