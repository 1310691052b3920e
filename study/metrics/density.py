"""D-PCC's density metric: whether points are as crowded as they were."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from model.native.crowding import crowding
from study.metrics.distances import Searchable, as_points, threads_for

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from scipy.spatial import cKDTree

NEIGHBOURS = 100
RADIUS = 0.15
DISTANCE_WEIGHT = 1e-4
EPSILON = 1e-8
"""The released code's constants; the radius is in the frame of its patches, [-1, 1]."""

_WITHIN = RADIUS * (1 + 1e-12)
"""So that what is `RADIUS` away on a lattice is within, however the distance was rounded."""
_DECODED = "decoded cloud"
_QUERIES_AT_ONCE = 16_384
"""Bounds the memory: a hundred neighbours of a million points would take 1.6 GB."""


def density_metric(original: ArrayLike, decoded: ArrayLike) -> float:
    """Relative difference in local density, both directions summed; 0 is the same density.

    D-PCC's density metric (He et al., CVPR 2022, as the released code computes it). For each point,
    its `NEIGHBOURS` nearest within its own cloud (itself one of them), no further than `RADIUS`:
    ``num`` is how many, ``dist`` their mean distance. One direction, each a of A with its nearest b
    of B: the mean of ``|num_b + eps - num_a| / (num_b + eps)`` plus `DISTANCE_WEIGHT` times that of
    ``|dist_b + eps - dist_a| / (dist_b + eps)``. The metric is original to decoded plus decoded to
    original.

    No unit. Not symmetric in a and b: the density of the matched point divides. A matched point
    that is alone within the radius (or has only duplicates there) has ``dist = 0``, and its term is
    divided by eps: a few such points lift the metric from about 1 to the order of 100, so compare
    it between clouds of like sparsity only. Clouds of fewer than 100 points use all of them. No
    other tool that we know of has this metric.

    Args:
        original: (n, 3), in the frame of `study.metrics.to_unit_frame` (or of one patch).
        decoded: (m, 3), in the same frame.

    Raises:
        StudyError: a cloud is empty, of another shape or not finite.
    """
    o, d = Searchable(as_points(original, "original")), Searchable(as_points(decoded, _DECODED))
    of_o, of_d = _crowding(o), _crowding(d)
    return _one_way(of_o, of_d, d.nearest(o.points)[1]) + _one_way(
        of_d, of_o, o.nearest(d.points)[1]
    )


def _crowding(cloud: Searchable) -> NDArray[np.float64]:
    """Return (n, 2): how many neighbours each point has, and their mean distance.

    Searched among distinct points, each counted as often as it appears; in the order of the tree,
    so that a search finds in the cache what the one before it has read.
    """
    places, order = cloud.places, cloud.tree.indices
    ordered, counts = places.points[order], places.counts[order]
    found = crowding(
        *(ordered, counts),
        neighbours=NEIGHBOURS,
        radius=_WITHIN,
        threads=threads_for(len(ordered)),
    )
    of_places = np.empty((len(ordered), 2))
    of_places[order] = crowding_by_tree(cloud.tree, places.counts) if found is None else found
    return of_places[places.place]


def crowding_by_tree(tree: cKDTree, of_places: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the same for places (n, 3) in the order of the tree's leaves, without a kernel.

    Args:
        tree: of the places.
        of_places: (n,), how many points lie in each.
    """
    k = min(NEIGHBOURS, tree.n)
    counts = np.append(of_places, 0)  # what is missing has the index behind the last
    found = np.empty((tree.n, 2))
    for first in range(0, tree.n, _QUERIES_AT_ONCE):
        some = slice(first, first + _QUERIES_AT_ONCE)
        distance, index = tree.query(
            tree.data[tree.indices[some]],
            k=[*range(1, k + 1)],
            distance_upper_bound=_WITHIN,
            workers=threads_for(tree.n),
        )
        here = counts[index]
        before = np.cumsum(here, axis=1) - here
        taken = np.clip(NEIGHBOURS - before, 0, here)
        distance[taken == 0] = 0.0  # infinite where missing
        found[some, 0] = taken.sum(axis=1)
        found[some, 1] = (taken * distance).sum(axis=1) / found[some, 0]
    return found


def _one_way(a: NDArray[np.float64], b: NDArray[np.float64], matches: NDArray[np.intp]) -> float:
    matched = b[matches] + EPSILON
    count, distance = np.mean(np.abs(matched - a) / matched, axis=0)
    return float(count + DISTANCE_WEIGHT * distance)
