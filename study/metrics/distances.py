"""Distances between an original and a decoded cloud, and the frame in which they compare.

Nearest points are found exactly, by a k-d tree in double precision. Where several are equally near
(duplicates, lattices) the tree takes one of them, always the same one for the same arrays; of equal
references the first. Trees hold distinct points: what lies in one place cannot be split, so each
search would look at all of it (Draco at 3 bits leaves 64,000 points of a sweep in some 100 places).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from model.morton import interleave
from study.base.errors import StudyError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_CELLS = 1024
"""Along the longest side: queries of a cell follow each other."""
_MANY = 65_536
"""Queries: from so many on, threads cost less than they save."""


def as_points(points: ArrayLike, what: str) -> NDArray[np.float64]:
    """Return points as (n, 3) doubles; the input is not changed.

    Args:
        points: (n, 3), any real type.
        what: what they are, for the sentence of an error.

    Raises:
        StudyError: not of this shape, empty, or not finite.
    """
    array = np.asarray(points, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != 3 or not len(array):
        raise StudyError(
            f"the {what} must be an array (n, 3) with n of 1 or more, but its shape is "
            f"{array.shape}; give one row for each point"
        )
    if not np.isfinite(array).all():
        bad = int((~np.isfinite(array).all(axis=1)).sum())
        raise StudyError(
            f"the {what} must be finite, but {bad} of its {len(array)} rows hold NaN or an "
            "infinity; remove them"
        )
    return array


@dataclass(frozen=True)
class Distinct:
    """The distinct points of a cloud of n, in the order in which they first appear.

    Attributes:
        points: (u, 3).
        first: (u,), the index of each one's first appearance in the cloud.
        place: (n,), which of them each point of the cloud is.
        counts: (u,), how often each appears.
    """

    points: NDArray[np.float64]
    first: NDArray[np.intp]
    place: NDArray[np.intp]
    counts: NDArray[np.intp]


def distinct(points: NDArray[np.float64]) -> Distinct:
    """Return the distinct ones of points (n, 3); 0 and -0 are the same coordinate. O(n log n)."""
    order = np.lexsort(points.T)  # stable: of equal points the first comes first
    ordered = points[order]
    is_new = np.ones(len(points), dtype=bool)
    is_new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    first = np.sort(order[is_new])
    place = np.empty(len(points), dtype=np.intp)
    place[order] = np.searchsorted(first, order[is_new])[np.cumsum(is_new) - 1]
    return Distinct(points[first], first, place, np.bincount(place))


class Searchable:
    """A cloud to look for nearest points in, time and again.

    Attributes:
        points: (n, 3).
        places: the distinct ones.
        tree: of those.
    """

    def __init__(self, points: NDArray[np.float64]) -> None:
        """Build the tree: O(n log n)."""
        self.points = points
        # A tree of many equal points is searched in quadratic time.
        self.places = distinct(points)
        self.tree = cKDTree(self.places.points)

    def nearest(self, queries: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        """Return each query's Euclidean distance to its nearest point, (n,), and whose it is."""
        order = _walk(queries)
        distance, index = np.empty(len(queries)), np.empty(len(queries), dtype=np.intp)
        distance[order], index[order] = self.tree.query(
            queries[order], workers=threads_for(len(queries))
        )
        return distance, self.places.first[index]


def _walk(points: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return an order in which neighbours follow each other: they find the tree in the cache."""
    low, side = points.min(axis=0), float(np.ptp(points, axis=0).max())
    if not 0.0 < side < np.inf:
        return np.arange(len(points))
    cells = ((points - low) / side * (_CELLS - 1)).astype(np.int64)
    return np.argsort(interleave(*cells.T), kind="stable")


def threads_for(queries: int) -> int:
    """Return how many threads search for so many points: as many as ``OMP_NUM_THREADS`` allows.

    Workers are told by it how many cores are theirs.
    """
    if queries < _MANY:
        return 1
    told = os.environ.get("OMP_NUM_THREADS", "")
    return int(told) if told.isdecimal() and int(told) else os.cpu_count() or 1


def nearest(
    queries: NDArray[np.float64], references: NDArray[np.float64] | Searchable
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return each query's Euclidean distance to its nearest reference, (n,), and whose it is."""
    cloud = references if isinstance(references, Searchable) else Searchable(references)
    return cloud.nearest(queries)


def chamfer(original: ArrayLike, decoded: ArrayLike) -> float:
    """Chamfer distance: mean squared nearest distance, both directions summed.

    ``mean_o min_d |o - d|^2 + mean_d min_o |d - o|^2``, in squared units of the input. As in D-PCC
    (He et al., CVPR 2022, released code) and PyTorch3D. Elsewhere the two are averaged (half as
    much), or the distances are not squared.

    It has a floor: two independent uniform samples of n points of the square [-1, 1]^2 are
    ``8 / (pi n)`` apart. Near it D1, D2 and density tell codecs apart, chamfer does not.

    Raises:
        StudyError: a cloud is empty, of another shape or not finite.
    """
    o, d = as_points(original, "original"), as_points(decoded, "decoded cloud")
    return mean_dist2(o, d) + mean_dist2(d, o)


def hausdorff(original: ArrayLike, decoded: ArrayLike) -> float:
    """Hausdorff distance: the largest nearest distance in either direction, in units of the input.

    ``max(max_o min_d |o - d|, max_d min_o |d - o|)``: one stray point decides. MPEG's pc_error
    prints the square of it.

    Raises:
        StudyError: a cloud is empty, of another shape or not finite.
    """
    o, d = as_points(original, "original"), as_points(decoded, "decoded cloud")
    return float(max(nearest(o, d)[0].max(), nearest(d, o)[0].max()))


def mean_dist2(queries: NDArray[np.float64], references: NDArray[np.float64] | Searchable) -> float:
    """Return the mean squared distance of the queries to their nearest references."""
    return float(np.mean(np.square(nearest(queries, references)[0])))


def longest_side(points: ArrayLike) -> float:
    """Return the longest side of the cloud's axis-aligned box, in units of the input.

    Infinity where float64 cannot hold it.
    """
    with np.errstate(over="ignore"):
        return float(np.ptp(as_points(points, "cloud"), axis=0).max())


def to_unit_frame(points: ArrayLike, original: ArrayLike) -> NDArray[np.float64]:
    """Move and scale points so that the original's box is centred and its longest side is 2.

    Lengths without a scale of their own (chamfer, Hausdorff, the radii of the density metric and of
    F1) can be compared between clouds and codecs in this frame only. It is the frame of D-PCC's
    patches, [-1, 1], with the whole cloud for a patch.

    Args:
        points: (n, 3), the original or what was decoded from it.
        original: (m, 3).

    Raises:
        StudyError: the original has no extent.
    """
    o = as_points(original, "original")
    low, high = o.min(axis=0), o.max(axis=0)
    side = float((high - low).max())
    if side == 0.0:
        raise StudyError(
            f"the original must have an extent, but its {len(o)} points are all the same; "
            "leave the cloud out"
        )
    centred: NDArray[np.float64] = as_points(points, "cloud") - (low + high) / 2
    return centred * (2 / side)
