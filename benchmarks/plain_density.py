"""The density metric as it was: a k-d tree asked for a hundred neighbours, in the cloud's order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from study.metrics.distances import Distinct, distinct

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

NEIGHBOURS, RADIUS, DISTANCE_WEIGHT, EPSILON = 100, 0.15, 1e-4, 1e-8
_AT_ONCE = 16_384


def density_metric(original: Array, decoded: Array) -> float:
    """Take what `study.metrics.density_metric` takes, and return what it returns."""
    places = [distinct(cloud) for cloud in (original, decoded)]
    of_o, of_d = (crowding(each) for each in places)
    to_d, to_o = (
        there.first[cKDTree(there.points).query(cloud)[1]]
        for there, cloud in zip(reversed(places), (original, decoded), strict=True)
    )
    return _one_way(of_o, of_d, to_d) + _one_way(of_d, of_o, to_o)


def crowding(places: Distinct) -> Array:
    """Return (n, 2): how many neighbours each point has, and their mean distance."""
    tree = cKDTree(places.points)
    k = min(NEIGHBOURS, len(places.points))
    counts = np.append(places.counts, 0)
    found = np.empty((len(places.points), 2))
    for first in range(0, len(found), _AT_ONCE):
        some = slice(first, first + _AT_ONCE)
        distance, index = tree.query(
            places.points[some],
            k=[*range(1, k + 1)],
            distance_upper_bound=np.nextafter(RADIUS, np.inf),
        )
        here = counts[index]
        before = np.cumsum(here, axis=1) - here
        taken = np.clip(NEIGHBOURS - before, 0, here)
        distance[taken == 0] = 0.0
        found[some, 0] = taken.sum(axis=1)
        found[some, 1] = (taken * distance).sum(axis=1) / found[some, 0]
    return found[places.place]


def _one_way(a: Array, b: Array, matches: NDArray[np.intp]) -> float:
    matched = b[matches] + EPSILON
    count, distance = np.mean(np.abs(matched - a) / matched, axis=0)
    return float(count + DISTANCE_WEIGHT * distance)
