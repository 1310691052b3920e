"""The points of a front that have a name: the knee, and the ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from study.fronts.front import Objective

KNEE = "knee"

_RATE_AND_QUALITY = {"bpp": "low-rate", "d1_psnr_db": "high-rate", "d2_psnr_db": "high-rate"}
"""What the end that is best in an objective is called where rate and one quality span the front."""


def named_rows(losses: NDArray[np.float64], objectives: Sequence[Objective]) -> dict[str, int]:
    """Return the rows of a front that have a name: its ends, then its knee.

    Args:
        losses: (members, objectives), the best in the first objective first; none has no names.
        objectives: what spans the front.
    """
    if not len(losses):
        return {}
    metrics = {objective.metric for objective in objectives}
    is_plain = len(metrics) == 2 and "bpp" in metrics and metrics <= _RATE_AND_QUALITY.keys()
    named = {}
    for objective, column in zip(objectives, losses.T, strict=True):
        plain = f"best-{objective.metric.replace('_', '-')}"
        name = _RATE_AND_QUALITY[objective.metric] if is_plain else plain
        named[name] = int(column.argmin())
    return {**named, KNEE: knee_row(losses)}


def knee_row(losses: NDArray[np.float64]) -> int:
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
        losses: (members, objectives), the best in the first objective first, at least one.
    """
    low, high = losses.min(axis=0), losses.max(axis=0)
    # An objective in which all are equal tells nothing, and must not divide by zero.
    sums = ((losses - low) / np.where(high > low, high - low, 1.0)).sum(axis=1)
    ends = losses[losses.argmin(axis=0)]
    at_end = (losses[:, None] == ends).all(axis=2).any(axis=1)  # Copies of an end too.
    between_ends: list[int] = np.flatnonzero(~at_end).tolist() or list(range(len(losses)))
    return min(between_ends, key=lambda row: float(sums[row]))
