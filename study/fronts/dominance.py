"""The non-dominated points of an array, and the volume they dominate: of a million points too.

All objectives are minimised, values are finite, and no function changes its input.

moocore does the work. In two steps, both exact, it is given less of it: points that the best one
dominates are dropped first, and what is left of a large three-dimensional set is cut into slabs
along the last objective, each of which fits into a core's cache, and which the cores share.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import moocore
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import ArrayLike, NDArray

    Points = NDArray[np.float64]
    """(points, objectives)"""
    Mask = NDArray[np.bool_]
    Rows = NDArray[np.intp]

Result = TypeVar("Result")

SLAB = 16_384
"""Points of a slab at least. Measured with a million on the front: moocore takes half as long per
point of a slab as of all, and slabs of a quarter of the size are slower again, for the calls."""

MOST_THREADS = 8
"""Cutting slabs is the work of one, and takes about a fifth of all."""


def nondominated(losses: ArrayLike) -> Mask:
    """Tell which rows no other dominates: is no worse in every objective and better in one.

    Equal rows do not dominate each other. O(n log n) for two objectives and three.
    """
    return nondominated_and_volume(losses, None)[0]


def volume(losses: ArrayLike, reference: ArrayLike) -> float:
    """Return the volume that the rows dominate, bounded by the reference (the hypervolume).

    A row that is not better than the reference in every objective adds nothing. Of (1, 4), (2, 2)
    and (4, 1) with reference (5, 5) the columns are 1, 2 and 1 wide and 1, 3 and 4 high: 11.
    """
    points, bound = np.asarray(losses, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if not points.size:
        return 0.0
    within = np.logical_and.reduce([c < b for c, b in zip(points.T, bound, strict=True)])
    inside = points.compress(within, axis=0)
    inside = inside.take(_candidates(inside), axis=0)
    if not _is_large(inside):
        return float(moocore.hypervolume(inside, ref=bound)) if len(inside) else 0.0
    ordered = inside.take(np.argsort(inside[:, 2]), axis=0)
    return sum(
        _on_all_cores(lambda slab: slab.volume(ordered.take(slab.rows, axis=0), bound), ordered)
    )


def contributions(losses: ArrayLike, reference: ArrayLike) -> NDArray[np.float64]:
    """Return the volume that each member of the front alone adds to the others, (points,).

    What another row dominates adds nothing, and is no part of the others. A copy adds nothing, nor
    does its original. Of (1, 4), (2, 2) and (4, 1) with reference (5, 5): 1, 4 and 1.
    """
    points, bound = np.asarray(losses, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if points.shape[1] > 1:
        return np.asarray(moocore.hv_contributions(points, ref=bound), dtype=np.float64)
    # moocore refuses a single objective, in which the volume is a length.
    is_best = points[:, 0] == points.min()
    alone = max(0.0, float(bound[0] - points.min())) if is_best.sum() == 1 else 0.0
    return np.where(is_best, alone, 0.0)


def nondominated_and_volume(losses: ArrayLike, reference: ArrayLike | None) -> tuple[Mask, float]:
    """Return both, for less than one after the other; without a reference the volume is 0."""
    points = np.asarray(losses, dtype=np.float64)
    mask = np.zeros(len(points), dtype=bool)
    if not points.size:
        return mask, 0.0
    left = _candidates(points)
    bound = None if reference is None else np.asarray(reference, dtype=np.float64)
    if not _is_large(points[left]):
        mask[left[moocore.is_nondominated(points[left], keep_weakly=True)]] = True
        return mask, 0.0 if bound is None else volume(points[mask], bound)
    left = left[np.argsort(points[left, 2])]
    ordered = points.take(left, axis=0)

    def look(slab: _Slab) -> tuple[Rows, float]:
        rows = slab.rows[moocore.is_nondominated(ordered.take(slab.rows, axis=0), keep_weakly=True)]
        return rows, 0.0 if bound is None else slab.volume(ordered.take(rows, axis=0), bound)

    total = 0.0
    for rows, size in _on_all_cores(look, ordered):
        mask[left[rows]] = True
        total += size
    return mask, total


def _candidates(points: Points) -> Rows:
    """Return the rows that the best one does not dominate, where looking for them pays.

    The best is the one with the lowest sum, in which each objective counts by its range. Of evenly
    spread points it dominates nearly all; of points that are all on the front it dominates none.
    """
    if len(points) < SLAB:
        return np.arange(len(points))
    # Column by column: NumPy takes six times as long along rows as short as these.
    columns = points.T
    span = np.array([np.ptp(column) for column in columns])
    best = points[np.argmin(points @ (1.0 / np.where(span > 0, span, 1.0)))]
    better = np.logical_or.reduce([column < low for column, low in zip(columns, best, strict=True)])
    equal = np.logical_and.reduce(
        [column == low for column, low in zip(columns, best, strict=True)]
    )
    return np.flatnonzero(better | equal)


def _is_large(points: Points) -> bool:
    """Tell whether slabs are faster than one call."""
    return points.shape[1] == 3 and len(points) > 2 * SLAB


class _Slab(NamedTuple):
    """Points between two values of the last objective, which no point below dominates."""

    rows: Rows
    floor: Points
    """The front, in the first two objectives, of all points below, at the slab's lower end."""
    top: float
    """Where the next slab begins; infinite for the last."""

    def volume(self, points: Points, reference: Points) -> float:
        """Return what all points so far dominate between the slab's ends."""
        bound = np.minimum(reference, (np.inf, np.inf, self.top))
        return float(moocore.hypervolume(np.concatenate((self.floor, points)), ref=bound))


def _on_all_cores(work: Callable[[_Slab], Result], ordered: Points) -> Iterator[Result]:
    """Do the work on every slab, and hand out the results in their order.

    Threads do, for moocore gives up Python's lock while it computes.
    """
    with ThreadPoolExecutor(min(os.cpu_count() or 1, MOST_THREADS)) as cores:
        yield from cores.map(work, _slabs(ordered))


def _slabs(ordered: Points) -> Iterator[_Slab]:
    """Cut points that are ordered by the last objective into slabs.

    Points with an equal last objective stay together; so whatever lies in a slab below is better
    in the last objective, and dominates what it is no worse than in the first two. What the points
    below are worth to a slab is thus no more than their front in two objectives. A slab is at
    least as large as that front, so that even where it holds all points the work stays O(n log n).
    """
    stairs, begin = np.empty((0, 2)), 0
    while begin < len(ordered):
        last = ordered[min(begin + max(SLAB, len(stairs)), len(ordered)) - 1, 2]
        end = int(np.searchsorted(ordered[:, 2], last, side="right"))
        inside = ordered[begin:end]
        # Of the stairs that are no worse in the first objective, the last is best in the second.
        step = np.searchsorted(stairs[:, 0], inside[:, 0], side="right")
        lowest = np.append(np.inf, stairs[:, 1])[step]
        rows = begin + np.flatnonzero(inside[:, 1] < lowest)
        floor = np.column_stack((stairs, np.full(len(stairs), inside[0, 2])))
        yield _Slab(rows, floor, float(ordered[end, 2]) if end < len(ordered) else np.inf)
        stairs = _front_of_two(np.concatenate((stairs, ordered.take(rows, axis=0)[:, :2])))
        begin = end


def _front_of_two(points: Points) -> Points:
    """Return the distinct non-dominated points of two objectives, by the first."""
    front = points[moocore.is_nondominated(points)]
    by_first: Points = front[np.argsort(front[:, 0])]
    return by_first
