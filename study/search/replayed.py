"""CMA-ES whose state is computed from the trials that have ended, and stored nowhere.

Optuna's own keeps the state of its evolution in the storage as a pickle, and a pickle runs whatever
it says: a study folder from somebody else, or a database that others write to, would run code here
(decision 0037). The state is a function of trials alone: each generation is told the trials that it
proposed, and then proposes the next ones. So it is told them again for every proposal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from optuna._transform import _SearchSpaceTransform
from optuna.samplers import CmaEsSampler
from optuna.study import StudyDirection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from optuna.distributions import BaseDistribution
    from optuna.study import Study
    from optuna.trial import FrozenTrial

_POINT = "x_for_tell"
"""Optuna's name for where a trial lies in an evolution with margin: a list of numbers."""

_FARTHEST = 1e32
"""The cmaes package refuses what is farther, and what is no number."""


class ReplayedCmaEs(CmaEsSampler):
    """Optuna's CMA-ES, with its evolution replayed where Optuna unpickles it.

    Of its notes in the storage one is left: the generation that proposed a trial, a number. Trials
    are told by the time at which they ended, so those that end later never change an earlier
    generation. One after the other, it proposes what Optuna's proposes, but for rounding; with
    several trials at once Optuna's may tell one generation twice, each time other trials.
    """

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Propose settings jointly."""
        self._replays = study, search_space
        return super().sample_relative(study, trial, search_space)

    def _restore_optimizer(self, completed_trials: Sequence[FrozenTrial]) -> Any:  # noqa: ANN401 (one of three classes of cmaes, which is optional)
        """Return the evolution as it stands, told all that has ended."""
        study, space = self._replays
        transform = _SearchSpaceTransform(
            space, transform_step=not self._with_margin, transform_0_1=True
        )
        of_generation: dict[int, list[FrozenTrial]] = {}
        ended = [trial for trial in completed_trials if trial.datetime_complete and trial.values]
        for trial in sorted(ended, key=_ended):
            generation = trial.system_attrs.get(self._attr_key_generation)
            if type(generation) is int and (not self._with_margin or _is_point(trial, transform)):
                of_generation.setdefault(generation, []).append(trial)
        drawn = self._cma_rng.rng.get_state()
        evolution = self._init_optimizer(transform, study.direction)
        if max(of_generation, default=0) > 0:
            # As where a stored state was read: making this one has drawn no number.
            self._cma_rng.rng.set_state(drawn)
        sign = 1 if study.direction == StudyDirection.MINIMIZE else -1
        size = evolution.population_size
        while len(told := of_generation.get(evolution.generation, [])) >= size:
            evolution.tell(
                [(self._point(transform, trial), sign * _value(trial)) for trial in told[:size]]
            )
        return evolution

    def _get_solution_trials(
        self,
        trials: Sequence[FrozenTrial],  # noqa: ARG002 (Optuna's signature)
        generation: int,  # noqa: ARG002 (likewise)
    ) -> list[FrozenTrial]:
        """Return what is left to be told to the evolution, and then to be stored: nothing."""
        return []

    def _point(self, transform: _SearchSpaceTransform, trial: FrozenTrial) -> NDArray[np.float64]:
        """Return where a trial lies as the evolution has it."""
        if self._with_margin:
            return np.array(trial.system_attrs[_POINT], dtype=float)
        return transform.transform(trial.params)


def _is_point(trial: FrozenTrial, transform: _SearchSpaceTransform) -> bool:
    """Tell whether the storage says where a trial lies: the margin has moved its settings."""
    kept = trial.system_attrs.get(_POINT)
    if not isinstance(kept, list) or len(kept) != len(transform.bounds):
        return False
    return all(type(value) in {int, float} and abs(value) < _FARTHEST for value in kept)


def _ended(trial: FrozenTrial) -> tuple[float, int]:
    assert trial.datetime_complete is not None, "a trial that has ended has the time of it"
    return trial.datetime_complete.timestamp(), trial.number


def _value(trial: FrozenTrial) -> float:
    assert trial.value is not None, "a complete trial has a value"
    return trial.value
