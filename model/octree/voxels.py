"""From a cloud to its occupied voxels and back.

Voxel i along an axis covers `[i - 1/2, i + 1/2)` edges, so its centre is `i * edge`: points of a
grid of that edge come back as they were.

Legend: n points of a cloud, v voxels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from model.errors import CodecError
from model.morton import interleave, separate
from model.octree.frame import DEEPEST, FARTHEST_CORNER, short_edge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Triple = tuple[int, int, int]

AT_ONCE = 1 << 17
"""Points that are worked on at once: what they take in between stays small beside a cloud."""
_LEAST_EDGE = 2.0**-50
"""Of the farthest coordinate: float64 has next to nothing left to tell voxels apart."""


@dataclass(frozen=True)
class Voxels:
    """The occupied voxels of a cloud.

    Attributes:
        corner: number of the first voxel along each axis.
        box: voxels along each axis.
        cells: (v, 3) int64 from 0, counted from the corner, along the Morton curve.
        counts: (v,) int64, points in each.
    """

    corner: Triple
    box: Triple
    cells: NDArray[np.int64]
    counts: NDArray[np.int64]


def require_points(points: NDArray[np.float64]) -> None:
    """Refuse what is no cloud.

    Raises:
        CodecError: another shape than (n, 3), no points, or one that is not finite.
    """
    if points.ndim != 2 or points.shape[1] != 3:
        raise CodecError(f"points must be an array of shape (n, 3), not {points.shape}; reshape it")
    if not len(points):
        raise CodecError("a cloud must have points, and this one has none; leave it out")
    bad = sum(int((~np.isfinite(some).all(axis=1)).sum()) for some in _pieces(points))
    if bad:
        raise CodecError(
            f"coordinates must be finite, and {bad:,} of the {len(points):,} points have NaN or "
            "infinity; remove those points"
        )


def _pieces(points: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    for first in range(0, len(points), AT_ONCE):
        yield points[first : first + AT_ONCE]


def _numbers(points: NDArray[np.float64], edge: float) -> NDArray[np.float64]:
    """Whole numbers of the voxels in which points lie."""
    numbers: NDArray[np.float64] = np.floor(points / edge + 0.5)
    return numbers


def lies_on_grid(points: NDArray[np.float64], edge: float) -> bool:
    """Tell whether every coordinate is exactly a whole number times the edge."""
    with np.errstate(over="ignore", invalid="ignore"):
        return all(bool((_numbers(some, edge) * edge == some).all()) for some in _pieces(points))


def edge_of(points: NDArray[np.float64], edge: float) -> float:
    """Return the edge that a file holds for one that was asked for.

    Points on its grid keep it to the last bit, for they come back exactly. Otherwise it is the
    nearest that takes 15 bits.
    """
    short = short_edge(edge)
    return edge if edge != short and lies_on_grid(points, edge) else short


def edge_of_share(points: NDArray[np.float64], share: float) -> float:
    """Return the edge that is a share of a cloud's longest side.

    Of points that all but coincide, as if the side were what float64 can tell apart there.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    farthest = float(np.maximum(np.abs(low), np.abs(high)).max())
    half = float((high / 2 - low / 2).max())  # the whole may overflow
    edge = 2 * (half * share)
    return short_edge(max(edge, farthest * _LEAST_EDGE, float(np.finfo(np.float64).tiny)))


def voxels_of(points: NDArray[np.float64], edge: float, asked: float | None = None) -> Voxels:
    """Find the occupied voxels of a cloud; the order of its points decides nothing.

    Args:
        points: (n, 3) finite, n >= 1.
        edge: of a voxel, above 0.
        asked: the edge before it was rounded, which is the one that whoever asked knows; None: it
            was not.

    Raises:
        CodecError: the edge is too small or too large for the cloud.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    with np.errstate(over="ignore"):
        first, last = _numbers(low, edge), _numbers(high, edge)
    _require_edge(low, high, (first, last), edge, f"{asked or edge:.12g}")
    corner = first.astype(np.int64)
    box = (last - first).astype(np.int64) + 1
    keys = np.empty(len(points), dtype=np.int64)
    for begin, some in zip(range(0, len(points), AT_ONCE), _pieces(points), strict=True):
        cells = _numbers(some, edge).astype(np.int64) - corner
        keys[begin : begin + len(some)] = interleave(cells[:, 0], cells[:, 1], cells[:, 2])
    keys.sort()
    starts = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    counts = np.diff(starts, append=len(keys))
    keys = keys[starts]
    cells = np.empty((len(keys), 3), dtype=np.int64)
    for axis, numbers in enumerate(separate(keys)):
        cells[:, axis] = numbers
    return Voxels(_triple(corner), _triple(box), cells, counts)


def _triple(numbers: NDArray[np.int64]) -> Triple:
    x, y, z = numbers.tolist()
    return x, y, z


def _require_edge(
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    numbers: tuple[NDArray[np.float64], NDArray[np.float64]],
    edge: float,
    told: str,
) -> None:
    (first, last), most = numbers, 1 << DEEPEST
    half = float((high / 2 - low / 2).max())  # the whole may overflow
    farthest = float(np.maximum(np.abs(low), np.abs(high)).max())
    number = float(np.maximum(np.abs(first), np.abs(last)).max())
    is_far = number > FARTHEST_CORNER - most
    if half / edge > most / 2 or (not is_far and float((last - first).max()) >= most):
        raise CodecError(
            f"a cloud must be at most {most:,} voxels long, and with voxels of {told} this one, "
            f"{2 * half:g} long, is longer; take an edge of {4 * (half / most):.2g} or more"
        )
    if is_far:
        raise CodecError(
            f"voxels must be told apart where the cloud lies, {farthest:g} from the origin, and "
            f"with an edge of {told} they cannot be; take a larger one, or move the cloud"
        )
    if math.isinf((number + most) * edge):
        raise CodecError(
            f"the centres of voxels must be finite, and with an edge of {told} some are not "
            f"where the cloud lies, {farthest:g} from the origin; take a smaller one"
        )
