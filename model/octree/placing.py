"""Where a decoder puts the points of voxels: at their centres, or between neighbours.

Occupied voxels that touch are most often cut by one surface, so the cloud goes on between them.
Without a bit in the file, points on the way to each neighbour take an octree of 8,192 points from
28.9 to 35.0 dB D1 PSNR at depth 3, 35.2 to 39.9 at depth 4, 41.0 to 43.3 at 5 and 46.9 to 47.4 at 6
(means of 10 embedded objects), and its density metric from 900 to 0.3 at depth 3.

Everything is counted in whole 4,096ths of an edge, so every machine gets the same points.

Legend: v voxels, m decoded points.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from model.container import POINTS_PER_BYTE
from model.morton import COORDINATE_BITS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

FINE_BITS = 12
"""A voxel's edge has so many halvings here."""
AT_ONCE = 1 << 16
"""Points that are made at once."""
MOST_OF_VOXEL = 128
"""Points of a voxel, on average, where their number is not told: more add nothing to see."""
_FACE = (110, 150, 205, 290, 400, 500, 560, 600)
"""How far a voxel's points move towards a neighbour at a face, in 4,096ths of an edge, where there
are 1, 2, 4, ... 128 points and more for each voxel. The means of points in voxels move so: least
squares on 60 embedded objects gave 0.027, 0.036, 0.072, 0.148 and 0.192 edges at 1.2, 2.1, 6.6, 23
and 109 points for each voxel; of the last ones less is better, for outlines shrink."""
_EDGE = 82
"""The same along each of its two axes for a neighbour at an edge; 0.02 to 0.03 in that fit."""


def _neighbours() -> NDArray[np.int64]:
    """(26, 3) steps to the neighbours: at faces, at edges, at corners; each in order of x, y, z."""
    steps = [step for step in product((-1, 0, 1), repeat=3) if any(step)]
    return np.array(sorted(steps, key=lambda step: sum(map(abs, step))), dtype=np.int64)


NEIGHBOURS = _neighbours()


def equal_counts(points: int, voxels: int, length: int) -> NDArray[np.int64]:
    """Return (v,) points of each voxel where their number is not told: all about the same.

    Args:
        points: of the original cloud.
        voxels: v.
        length: bytes of the file, which bound the points it decodes to.
    """
    made = min(points, MOST_OF_VOXEL * voxels, POINTS_PER_BYTE * length)
    # The same as floor((i + 1) m / v) - floor(i m / v), which may be beyond 64 bits.
    each, rest = divmod(made, voxels)
    before = np.arange(voxels + 1, dtype=np.int64) * rest // voxels
    counts: NDArray[np.int64] = np.diff(before) + each
    return counts


def between(
    voxels: NDArray[np.int64], counts: NDArray[np.int64], points: int
) -> Iterator[NDArray[np.int64]]:
    """Yield points in 4,096ths of an edge, some at a time, voxel by voxel: (m, 3) in all.

    Args:
        voxels: (v, 3) distinct, from 0.
        counts: (v,) points of each, at least 0.
        points: of the original cloud.
    """
    keys = _Keys(voxels)
    mask, middles = _middles(voxels, keys, points)
    ends = np.cumsum(counts)
    for begin in range(0, int(ends[-1]), AT_ONCE):
        number = np.arange(begin, min(begin + AT_ONCE, int(ends[-1])))
        voxel = np.searchsorted(ends, number, side="right")
        count = counts[voxel]
        k = number - (ends[voxel] - count)
        is_there = (mask[voxel, None] >> np.arange(len(NEIGHBOURS))) & 1
        occupied = np.maximum(is_there.sum(axis=1), 1)
        wanted = (k + 7 * voxel) % occupied
        step = NEIGHBOURS[(np.cumsum(is_there, axis=1) > wanted[:, None]).argmax(axis=1)]
        is_moved = (count > 1) & (mask[voxel] != 0)
        other = np.where(is_moved, keys.index(voxels[voxel] + step), voxel)
        way = (middles[other] - middles[voxel]) * (2 * (k // occupied) + 1)[:, None]
        yield middles[voxel] + way // (4 * -(-count // occupied))[:, None]


def _middles(
    voxels: NDArray[np.int64], keys: _Keys, points: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which neighbours of each voxel are occupied, as bits, and where its points begin."""
    face = _FACE[min((points // len(voxels)).bit_length(), len(_FACE)) - 1]
    mask = np.zeros(len(voxels), dtype=np.int64)
    middles = voxels << FINE_BITS
    for number, step in enumerate(NEIGHBOURS):
        towards = (0, face, _EDGE, 0)[int(np.abs(step).sum())]
        for begin in range(0, len(voxels), AT_ONCE):
            some = slice(begin, begin + AT_ONCE)
            is_there = keys.index(voxels[some] + step) >= 0
            mask[some] |= is_there.astype(np.int64) << number
            if towards:
                middles[some] += is_there[:, None] * (towards * step)
    return mask, middles


class _Keys:
    """Finds voxels by where they are."""

    def __init__(self, voxels: NDArray[np.int64]) -> None:
        keys = self._keys(voxels)
        self._order = np.argsort(keys)
        self._sorted = keys[self._order]

    @staticmethod
    def _keys(voxels: NDArray[np.int64]) -> NDArray[np.uint64]:
        """One number for each; steps beyond the first or last voxel of an axis have one too."""
        x, y, z = (voxels + 1).astype(np.uint64).T
        side = np.uint64((1 << COORDINATE_BITS) + 2)
        keys: NDArray[np.uint64] = (x * side + y) * side + z
        return keys

    def index(self, voxels: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number of each voxel, or -1 where there is none."""
        keys = self._keys(voxels)
        place = np.minimum(np.searchsorted(self._sorted, keys), len(self._sorted) - 1)
        found: NDArray[np.int64] = np.where(self._sorted[place] == keys, self._order[place], -1)
        return found
