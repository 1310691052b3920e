"""What follows from a configuration: objectives, constraints, metrics, and the longest training.

It is a module by itself so that `study.config` imports no arithmetic of fronts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from study.fronts.front import Direction, Objective
from study.fronts.measures import MEASURES, Constraint

if TYPE_CHECKING:
    from study.config import StudyConfig


def objectives_of(config: StudyConfig) -> tuple[Objective, ...]:
    """Return a study's objectives."""
    return tuple(
        Objective(objective.metric, Direction(objective.direction), objective.reference)
        for objective in config.objectives
    )


def constraints_of(config: StudyConfig) -> tuple[Constraint, ...]:
    """Return the study's constraints."""
    return tuple(Constraint.parse(text) for text in config.constraints)


def asked_metrics(config: StudyConfig) -> list[str]:
    """Return the metrics of all objectives and constraints, objectives first."""
    names = [objective.metric for objective in config.objectives]
    names += [constraint.metric for constraint in constraints_of(config)]
    return list(dict.fromkeys(names))


def extra_metrics(config: StudyConfig) -> tuple[str, ...]:
    """Return the metrics that epochs compute only where a study asks for them: they cost time."""
    return tuple(name for name in asked_metrics(config) if MEASURES[name].is_extra)


def most_epochs(config: StudyConfig) -> int:
    """Return how many epochs a trial may train at most."""
    searched = config.search.space.get("training.epochs")
    if searched is None:
        return config.training.epochs
    values = searched.ends if searched.options is None else searched.options
    most = max(int(value) for value in values)
    return max(most, config.training.epochs) if searched.when else most
