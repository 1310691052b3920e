"""Which of several trials are better when there is more than one objective.

Trials are sorted into layers: the first is the front, the second is the front of what is left, and
so on. Within a layer nobody is better; those go first that together cover most of it.

All objectives are minimised here, and no function changes its input. Rows are expected in the
order of the trials' numbers: where nothing else decides, the earlier row goes first, and so the
order in which trials happened to arrive changes nothing.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from functools import partial
from typing import TYPE_CHECKING

import moocore
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    Losses = NDArray[np.float64]
    """(trials, objectives), all of them finite."""

    Coverage = Callable[[Losses], list[int]]
    """Orders the rows of one layer, best first."""


def layers(losses: ArrayLike) -> NDArray[np.int64]:
    """Return the layer of every row, from 0, which is the front.

    A row is in the layer after the last one that holds a row which dominates it: no worse in every
    objective and better in one. Equal rows share a layer. O(n log n) for two objectives, near
    O(n^2 log n) for three.

    Example:
        Of (1, 4), (2, 2), (4, 1), (3, 3) and (4, 4) the first three are the front; (3, 3) is worse
        than (2, 2) in both, and (4, 4) than (3, 3): layers 0, 0, 0, 1, 2.
    """
    checked = _checked(losses)
    if not checked.size:
        return np.zeros(len(checked), dtype=np.int64)
    return np.asarray(moocore.pareto_rank(checked), dtype=np.int64)


def epsilon_net(losses: ArrayLike) -> list[int]:
    """Return the rows of one layer so that any first few of them are spread over all of it.

    The first is the one with the lowest first objective (then the second, and so on); each next is
    the one whose nearest neighbour among those before is farthest away. Distances are taken after
    every objective is scaled to 0..1 over the layer, or the one with the larger numbers would
    decide alone. Copies of a row come when all that differs has come. O(n^2).

    Source: Schmucker et al., Multi-objective Asynchronous Successive Halving (arXiv 2106.12639),
    where it is called EpsNet; a greedy net after Clarkson, Nearest-Neighbor Searching and Metric
    Space Dimensions (2005). Differs from its authors' code (``MOPromotionRungSystem`` of
    AutoGluon), which starts with whichever row came first and scales nothing. The start is Syne
    Tune's, which does not scale either.

    Example:
        (0, 10), (1, 8), (4, 4), (10, 0): first row 0, then the other end, row 3, then (4, 4), which
        lies farthest from both, and (1, 8) last: 0, 3, 2, 1.
    """
    checked = _checked(losses)
    if not checked.size:
        return list(range(len(checked)))
    span = np.ptp(checked, axis=0)
    scaled = (checked - checked.min(axis=0)) / np.where(span > 0, span, 1.0)
    # lexsort takes its last key first, and keeps the order of equals.
    order = [int(np.lexsort(scaled.T[::-1])[0])]
    nearest = np.full(len(scaled), np.inf)
    while len(order) < len(scaled):
        np.minimum(nearest, np.square(scaled - scaled[order[-1]]).sum(axis=1), out=nearest)
        nearest[order[-1]] = -1.0  # below the 0 of a copy: who has been taken is not taken again
        order.append(int(nearest.argmax()))
    return order


def by_volume(losses: ArrayLike, reference: ArrayLike) -> list[int]:
    """Return the rows of one layer so that any first few of them dominate much volume.

    Each next row is the one that adds most hypervolume, bounded by the reference, to those before.
    Of rows that add the same, and of those that add nothing, such as copies and whatever lies
    beyond the reference, the one goes first that `epsilon_net` would take first.

    Differs from the usual contribution, which is what is lost when one row alone is left out: there
    two rows that lie close together rank last, both of them, however good they are, and so neither
    would go on.

    Example:
        (1, 4), (2, 2), (4, 1) with reference (5, 5): alone they dominate 4, 9 and 4. (2, 2) goes
        first; then (1, 4) adds 1 and (4, 1) adds 1, and the net begins with (1, 4): 1, 0, 2.
    """
    checked, bound = _checked(losses), np.asarray(reference, dtype=np.float64)
    alone = np.prod(np.maximum(bound - checked, 0.0), axis=1)
    net = epsilon_net(checked)
    # What a row adds only shrinks when others come before it, so an old value is an upper bound:
    # the row that stays on top with its value taken anew is the best, and few are taken anew.
    waiting = [(-alone[row], place) for place, row in enumerate(net) if alone[row] > 0]
    heapq.heapify(waiting)
    order: list[int] = []
    points, plane = list(map(tuple, checked.tolist())), list[tuple[float, ...]]()

    def added(row: int) -> float:
        if checked.shape[1] == 2:
            return _added_in_plane(points[row], plane, bound)
        # The part of the others' volume that lies within the row's own is not the row's to add.
        within = np.maximum(checked.take(order, axis=0), checked[row])
        return float(alone[row]) - (moocore.hypervolume(within, ref=bound) if order else 0.0)

    while waiting:
        _, place = heapq.heappop(waiting)
        row = net[place]
        anew = (-added(row), place)
        if waiting and anew > waiting[0]:
            heapq.heappush(waiting, anew)
        elif anew[0] < 0:
            order.append(row)
            if checked.shape[1] == 2:
                insort(plane, points[row])
    taken = set(order)
    return order + [row for row in net if row not in taken]


def _added_in_plane(
    row: tuple[float, ...], taken: Sequence[tuple[float, ...]], bound: Losses
) -> float:
    """Return the area that a row adds to others of its layer, sorted by the first objective.

    A rectangle, up to the neighbours on both sides or the reference: a fifth of the time that it
    takes for any number of objectives.
    """
    at = bisect_left(taken, row)
    right = taken[at][0] if at < len(taken) else float(bound[0])
    upper = taken[at - 1][1] if at else float(bound[1])
    return (right - row[0]) * (upper - row[1])


def coverage(name: str, reference: Sequence[float]) -> Coverage:
    """Return the order within a layer that a study file asks for by name."""
    match name:
        case "epsilon_net":
            return epsilon_net
        case "hypervolume":
            return partial(by_volume, reference=reference)
        case _:
            raise AssertionError(name)


def places(losses: ArrayLike, asked: Sequence[int], cover: Coverage) -> list[int]:
    """Return the places, from 0, of the asked rows among all: by layer, then by coverage.

    Only the layers that hold an asked row are ordered.
    """
    checked = _checked(losses)
    layer_of = layers(checked)
    found: dict[int, int] = {}
    for layer in {int(layer_of[row]) for row in asked}:
        members = np.flatnonzero(layer_of == layer)
        before = int((layer_of < layer).sum())
        order = cover(checked[members])
        found.update((int(members[at]), before + place) for place, at in enumerate(order))
    return [found[row] for row in asked]


def _checked(losses: ArrayLike) -> Losses:
    checked = np.asarray(losses, dtype=np.float64)
    assert checked.ndim == 2, checked.shape
    assert np.isfinite(checked).all(), "a value that is no finite number cannot be ranked"
    return checked
