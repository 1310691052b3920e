"""The Pareto front of a study: which trials no other trial beats, and how much they cover.

The non-dominated set and the hypervolume come from `study.fronts.dominance`. It minimises, Optuna
takes a direction for each objective, BoTorch maximises: signs are therefore flipped in exactly one
place, `to_minimisation`, and nowhere else in the package.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from study.errors import StudyError
from study.fronts.dominance import nondominated, volume
from study.records import TrialState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from study.records import TrialRecord


class Direction(StrEnum):
    """Which way an objective improves."""

    MINIMIZE = "minimize"
    MAXIMIZE = "maximize"


@dataclass(frozen=True)
class Objective:
    """One quantity that the study trades against the others. Nothing has a default.

    Attributes:
        metric: its key in `TrialRecord.final`.
        direction: which way it improves.
        reference: the value that bounds the hypervolume, in the metric's own unit; a trial no
            better than it in any one objective adds no volume. It stays fixed for a whole study,
            or volumes could not be compared.

    Raises:
        StudyError: the reference is not finite.
    """

    metric: str
    direction: Direction
    reference: float

    def __post_init__(self) -> None:
        """Refuse a reference that would make every volume infinite or undefined."""
        if not math.isfinite(self.reference):
            raise StudyError(
                f"The reference of objective {self.metric!r} must be a finite number, but it is "
                f"{self.reference}; give the worst value that still counts."
            )


def to_minimisation(values: ArrayLike, objectives: Sequence[Objective]) -> NDArray[np.float64]:
    """Return the values with the sign of every maximised objective flipped.

    Args:
        values: (..., objectives), in the order of `objectives`; left unchanged.
        objectives: what the last axis holds.
    """
    signs = [1.0 if o.direction is Direction.MINIMIZE else -1.0 for o in objectives]
    return np.multiply(values, signs, dtype=np.float64)


def front(records: Sequence[TrialRecord], objectives: Sequence[Objective]) -> list[TrialRecord]:
    """Return the complete trials that no other complete trial dominates, by the first objective.

    A trial dominates another when it is no worse in every objective and better in one. Trials with
    equal values do not dominate each other, so all of them are returned. See `candidates` for who
    takes part. O(n log n) for two objectives.
    """
    taking_part = candidates(records, objectives)
    if not taking_part:
        return []
    losses = to_minimisation(_values(taking_part, objectives), objectives)
    kept = np.flatnonzero(nondominated(losses))
    kept = kept[np.lexsort(losses[kept].T[::-1])]
    return [taking_part[i] for i in kept]


def hypervolume(records: Sequence[TrialRecord], objectives: Sequence[Objective]) -> float:
    """Return the volume that the complete trials dominate, bounded by the references.

    The unit is the product of the objectives' units. It never shrinks when a trial is added, and
    it does not depend on how the points are spread beyond the volume they cover. One trial of
    0.5 bpp and 35 dB with references 2 bpp and 30 dB: (2 - 0.5) * (35 - 30) = 7.5 bpp dB.
    """
    taking_part = candidates(records, objectives)
    if not taking_part:
        return 0.0
    losses = to_minimisation(_values(taking_part, objectives), objectives)
    reference = to_minimisation([o.reference for o in objectives], objectives)
    return volume(losses, reference)


def candidates(
    records: Sequence[TrialRecord], objectives: Sequence[Objective]
) -> list[TrialRecord]:
    """Return the trials that may be on the front: complete, feasible, every objective finite.

    A complete trial whose objective is missing, NaN or infinite should not exist (a diverged trial
    ends as failed). Should one appear all the same, it is left out here rather than refused: it
    still shows in the tables, and one odd trial must not cost the user the report of a whole study.
    """
    return [
        record
        for record in records
        if record.state is TrialState.COMPLETE
        and record.feasible
        and all(math.isfinite(record.final.get(o.metric, math.nan)) for o in objectives)
    ]


def _values(records: Sequence[TrialRecord], objectives: Sequence[Objective]) -> NDArray[np.float64]:
    """Return the final values, (records, objectives), signs as measured."""
    return np.array([[record.final[o.metric] for o in objectives] for record in records])
