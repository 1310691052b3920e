"""The front over all epochs: which epochs of trials no epoch of another trial beats.

A trial's last epoch is its best in quality as a rule, and not always the best bargain: rate settles
first, and grows again as quality does.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from study.fronts.dominance import nondominated
from study.fronts.front import to_minimisation
from study.fronts.measures import epoch_values, epoch_violation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from study.base.records import TrialRecord
    from study.fronts.front import Objective
    from study.fronts.measures import Constraint

    Key = tuple[int, int]
    """Trial and epoch."""
    Points = dict[Key, NDArray[np.float64]]
    """Values to minimise, (objectives,), by trial and epoch."""


def points_of(
    record: TrialRecord, objectives: Sequence[Objective], constraints: Sequence[Constraint]
) -> Points:
    """Return the estimates of a trial's epochs that may be on a front."""
    points: Points = {}
    for epoch in record.epochs:
        values = epoch_values(epoch.metrics, objectives)
        if values is None or not all(map(math.isfinite, values)):
            continue
        if epoch_violation(epoch.metrics, constraints) <= 0:
            points[record.number, epoch.epoch] = to_minimisation(values, objectives)
    return points


def points_of_complete(
    record: TrialRecord, objectives: Sequence[Objective], constraints: Sequence[Constraint]
) -> Points:
    """Return the same of a complete trial; its last codec may be known to break a bound."""
    points = points_of(record, objectives, constraints)
    if not record.feasible and record.epochs:
        points.pop((record.number, record.epochs[-1].epoch), None)
    return points


def front_of(points: Points) -> Points:
    """Return the points that no other dominates; equals stay together."""
    if len(points) < 2:
        return points
    best = nondominated(np.stack(list(points.values())))
    return {key: points[key] for key, is_best in zip(points, best, strict=True) if is_best}
