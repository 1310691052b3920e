"""What is left where no trial keeps the constraints: the one that comes nearest to it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from study.base.records import TrialState
from study.fronts.measures import broken, violations

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from study.base.records import TrialRecord
    from study.fronts.measures import Constraint


def total_violation(final: Mapping[str, float], constraints: Sequence[Constraint]) -> float:
    """Return by how much measured values break the constraints, as shares of the bounds added up.

    Infinite where one of them was not measured.
    """
    return sum(max(0.0, by) for by in violations(final, constraints))


def least_infeasible(
    records: Sequence[TrialRecord], constraints: Sequence[Constraint]
) -> TrialRecord | None:
    """Return the complete trial that breaks the constraints least, of equals the first.

    None where there are none, a trial keeps them all, or none was measured in all of them.
    """
    if not constraints:
        return None
    complete = [record for record in records if record.state is TrialState.COMPLETE]
    if any(record.feasible for record in complete):
        return None
    beyond = {record.number: total_violation(record.final, constraints) for record in complete}
    known = [record for record in complete if math.isfinite(beyond[record.number])]
    return min(known, key=lambda record: (beyond[record.number], record.number), default=None)


def told_of_nearest(nearest: TrialRecord, constraints: Sequence[Constraint]) -> str:
    """Say which trial comes nearest to the constraints that none keeps.

    For instance: no trial keeps decode_s <= 0.05; the nearest is trial 3, which breaks
    decode_s <= 0.05 by 0.02.
    """
    return (
        f"no trial keeps {' and '.join(map(str, constraints))}; the nearest is trial "
        f"{nearest.number}, which {told_of_breach(nearest.final, constraints)}"
    )


def told_of_breach(final: Mapping[str, float], constraints: Sequence[Constraint]) -> str:
    """Say which constraints measured values break, and by how much of the metric's own unit."""
    beyond = {each: abs(final.get(each.metric, math.nan) - each.bound) for each in constraints}
    breaches = [f"{each} by {beyond[each]:.2g}" for each in broken(final, constraints)]
    return f"breaks {' and '.join(breaches)}"
