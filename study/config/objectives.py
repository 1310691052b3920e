"""The objectives that a study trades against each other, and the bounds that a codec must keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from study.base.errors import StudyError
from study.config.section import Section
from study.fronts.measures import MEASURES, Constraint, measure_named

if TYPE_CHECKING:
    from collections.abc import Sequence


class ObjectiveSection(Section):
    """One objective of the search. Direction and reference have no default."""

    metric: str = Field(description=f"one of {', '.join(MEASURES)}")
    direction: Literal["minimize", "maximize"] = Field(description="which way is better")
    reference: float = Field(
        description="the worst value that counts: the front's hypervolume is measured from here"
    )

    @model_validator(mode="after")
    def _check_metric(self) -> Self:
        measure = measure_named(self.metric)
        if measure.direction_hint not in {None, self.direction}:
            raise StudyError(
                f"{self.metric} is better the {_BETTER[measure.direction_hint]}, so its direction "
                f"must be {measure.direction_hint}, but is {self.direction}"
            )
        return self


_BETTER = {"minimize": "lower", "maximize": "higher"}


def check_objectives(objectives: Sequence[ObjectiveSection]) -> None:
    """Refuse none, and two on one metric.

    Raises:
        StudyError: the sentence says so.
    """
    if not objectives:
        raise StudyError(
            "a study must have at least one objective, but has none; give for instance "
            "{metric: bpp, direction: minimize, reference: 3.0}"
        )
    names = [objective.metric for objective in objectives]
    for name in names:
        if names.count(name) > 1:
            raise StudyError(
                f"every objective must be another metric, but {name} is given {names.count(name)} "
                "times; remove all but one"
            )


def check_constraints(texts: Sequence[str]) -> None:
    """Refuse constraints that cannot be read, are given twice, or contradict each other.

    Raises:
        StudyError: the sentence says so.
    """
    bounds: dict[tuple[str, bool], Constraint] = {}
    for text in texts:
        constraint = Constraint.parse(text)
        side = constraint.least is None
        if (constraint.metric, side) in bounds:
            raise StudyError(
                f"a metric must have at most one bound on each side, but {constraint.metric} has "
                f"'{bounds[constraint.metric, side]}' and '{constraint}'; remove one"
            )
        bounds[constraint.metric, side] = constraint
        other = bounds.get((constraint.metric, not side))
        if other is not None and other.violation(constraint.bound) > 0:
            raise StudyError(
                f"no codec can keep both '{other}' and '{constraint}'; change one of them"
            )
