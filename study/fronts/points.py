"""The points of a front that have a name: the knee, and the ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from study.fronts.front import front, to_minimisation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from study.fronts.front import Objective
    from study.records import TrialRecord

KNEE = "knee"

_RATE_AND_QUALITY = {"bpp": "low-rate", "d1_psnr_db": "high-rate", "d2_psnr_db": "high-rate"}
"""What the end that is best in an objective is called where rate and one quality span the front."""


def named_points(
    records: Sequence[TrialRecord], objectives: Sequence[Objective]
) -> dict[str, TrialRecord]:
    """Return the operating points that have a name: the front's knee and its ends.

    Of rate and one PSNR they are ``low-rate``, ``knee`` and ``high-rate``; of other objectives the
    ends are called ``best-METRIC``, with dashes for the metric's underscores. One trial may have
    several names: the only one of a front has them all. A tie goes to the better first objective.
    No front, no names.
    """
    best = front(records, objectives)
    if not best:
        return {}
    metrics = {objective.metric for objective in objectives}
    is_plain = len(metrics) == 2 and "bpp" in metrics and metrics <= _RATE_AND_QUALITY.keys()
    losses = to_minimisation([[r.final[o.metric] for o in objectives] for r in best], objectives)
    named = {}
    for objective, column in zip(objectives, losses.T, strict=True):
        plain = f"best-{objective.metric.replace('_', '-')}"
        name = _RATE_AND_QUALITY[objective.metric] if is_plain else plain
        named[name] = best[int(column.argmin())]
    return {**named, KNEE: knee(best, objectives)}


def names_of(
    records: Sequence[TrialRecord], objectives: Sequence[Objective]
) -> dict[int, list[str]]:
    """Return the names of each trial that has any, by its number: see `named_points`."""
    names: dict[int, list[str]] = {}
    for name, record in named_points(records, objectives).items():
        names.setdefault(record.number, []).append(name)
    return names


def knee(best: Sequence[TrialRecord], objectives: Sequence[Objective]) -> TrialRecord:
    """Return the front's knee: where giving up more of one objective stops buying much of another.

    Every objective is scaled to [0, 1] over the front, 0 the best, so that units do not matter.
    Of two objectives the ends of the front then lie at (0, 1) and (1, 0), and the knee is the
    member farthest below the chord between them (the normal-boundary intersection of Das, 1999),
    at the distance ``(1 - x - y) / sqrt(2)``: the least sum of the scaled objectives. Of more
    objectives it is the least sum too: the member farthest below the plane in which they trade
    evenly. The ends, each the best in one objective, are taken only where there is nothing between
    them; a tie goes to the better first objective. An example: (0.5 bpp, 30 dB), (1 bpp, 38 dB),
    (2.5 bpp, 40 dB) becomes (0, 1), (0.25, 0.2), (1, 0), and the knee is the second.

    Args:
        best: the front, best first objective first, at least one.
        objectives: what spans it.
    """
    losses = to_minimisation([[r.final[o.metric] for o in objectives] for r in best], objectives)
    low, high = losses.min(axis=0), losses.max(axis=0)
    # An objective in which all are equal tells nothing, and must not divide by zero.
    sums = ((losses - low) / np.where(high > low, high - low, 1.0)).sum(axis=1)
    ends = losses[losses.argmin(axis=0)]
    at_end = (losses[:, None] == ends).all(axis=2).any(axis=1)  # Copies of an end too.
    between_ends = np.flatnonzero(~at_end).tolist() or range(len(best))
    return best[min(between_ends, key=lambda index: sums[index])]
