"""The objectives of a front, and the one place that turns them all to be minimised.

`study.fronts.dominance` minimises, Optuna takes a direction for each objective, BoTorch maximises:
signs are therefore flipped in exactly one place, `to_minimisation`, and nowhere else in the
package. Who is on the front, and how much it covers, `study.fronts.judged` tells.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from study.base.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray


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
