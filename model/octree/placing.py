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
from typing import TYPE_CHECKING, Protocol

import numpy as np

from model.container import POINTS_PER_BYTE
from model.morton import COORDINATE_BITS
from model.native.placing import add_neighbours

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


class Placer(Protocol):
    """Puts points into voxels by a rule of its own, such as one that was learned."""

    def place(
        self, voxels: NDArray[np.int64], counts: NDArray[np.int64], points: int, *, is_told: bool
    ) -> Iterator[NDArray[np.float64]]:
        """Yield points in edges, some at a time, voxel by voxel: (m, 3) in all; as `between`.

        Args:
            voxels: (v, 3) distinct, from 0.
            counts: (v,) points of each, at least 0.
            points: of the original cloud.
            is_told: each voxel has so many; else they are so many in all.
        """


def _neighbours() -> NDArray[np.int64]:
    """(26, 3) steps to the neighbours: at faces, at edges, at corners; each in order of x, y, z."""
    steps = [step for step in product((-1, 0, 1), repeat=3) if any(step)]
    return np.array(sorted(steps, key=lambda step: sum(map(abs, step))), dtype=np.int64)


NEIGHBOURS = _neighbours()
_SIDE = np.uint64((1 << COORDINATE_BITS) + 2)
"""Places along an axis, with one before the first voxel and one after the last."""


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
    places = _Places(voxels)
    mask, middles = _middles(voxels, places, points)
    ends = np.cumsum(counts)
    starts = ends - counts
    for begin in range(0, int(ends[-1]), AT_ONCE):
        number = np.arange(begin, min(begin + AT_ONCE, int(ends[-1])))
        base, last = np.searchsorted(ends, number[[0, -1]], side="right").tolist()
        here = slice(base, last + 1)
        until = np.minimum(ends[here], number[-1] + 1) - np.maximum(starts[here], begin)
        voxel = np.repeat(np.arange(base, last + 1), until)
        made = middles[voxel]
        bits = np.unpackbits(mask[here].astype("<u4").view(np.uint8), bitorder="little")
        is_there = bits.reshape(-1, 32)[:, : len(NEIGHBOURS)].view(np.bool_)
        neighbours = np.count_nonzero(is_there, axis=1)
        # The steps to the neighbours of these voxels, one voxel's after another's.
        steps = NEIGHBOURS[np.nonzero(is_there)[1]]
        first = np.cumsum(neighbours) - neighbours
        of_point = neighbours[voxel - base]
        moved = np.flatnonzero((counts[voxel] > 1) & (of_point > 0))
        voxel, of_point = voxel[moved], of_point[moved]
        k = number[moved] - starts[voxel]
        step = steps[first[voxel - base] + (k + 7 * voxel) % of_point]
        way = middles[places.index(voxels[voxel] + step)] - made[moved]
        way *= (2 * (k // of_point) + 1)[:, None]
        way //= (4 * -(-counts[voxel] // of_point))[:, None]
        made[moved] += way
        yield made


def _middles(
    voxels: NDArray[np.int64], places: _Places, points: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which neighbours of each voxel are occupied, as bits, and where its points begin."""
    mask = np.zeros(len(voxels), dtype=np.int64)
    middles = np.ascontiguousarray(voxels << FINE_BITS)
    steps = _steps(_FACE[min((points // len(voxels)).bit_length(), len(_FACE)) - 1])
    if add_neighbours(places.sorted, places.order, steps, mask, middles):
        return mask, middles
    for number, opposite, *towards, further in steps.tolist():
        for one, other in places.pairs(further):
            mask[one] |= 1 << number
            mask[other] |= 1 << opposite
            if any(towards):
                middles[one] += towards
                middles[other] -= towards
    return mask, middles


def _steps(face: int) -> NDArray[np.int64]:
    """(13, 6) steps to half of the neighbours, for of two each is the other's.

    Each with its number, that of the step back, how far points move along it, and its key.
    """
    found = []
    numbers = {tuple(step): number for number, step in enumerate(NEIGHBOURS.tolist())}
    for step, number in numbers.items():
        if step > (0, 0, 0):
            x, y, z = step
            towards = (0, face, _EDGE, 0)[abs(x) + abs(y) + abs(z)]
            further = (x * int(_SIDE) + y) * int(_SIDE) + z
            back = numbers[-x, -y, -z]
            found.append((number, back, towards * x, towards * y, towards * z, further))
    return np.array(found, dtype=np.int64)


class _Places:
    """Finds voxels by where they are: `sorted` keys, and the `order` of the voxels by them."""

    def __init__(self, voxels: NDArray[np.int64]) -> None:
        keys = self._keys(voxels)
        self.order = np.argsort(keys)
        self.sorted = keys[self.order]

    @staticmethod
    def _keys(voxels: NDArray[np.int64]) -> NDArray[np.uint64]:
        """One number for each; steps beyond the first or last voxel of an axis have one too."""
        x, y, z = (voxels + 1).astype(np.uint64).T
        keys: NDArray[np.uint64] = (x * _SIDE + y) * _SIDE + z
        return keys

    def index(self, voxels: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number of each voxel; all of them must be there."""
        found: NDArray[np.int64] = self.order[np.searchsorted(self.sorted, self._keys(voxels))]
        return found

    def pairs(self, further: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Yield numbers of voxels, and of those whose keys are so much larger, some at a time.

        In the order of the keys: what is looked for then is next to what was found before.
        """
        for begin in range(0, len(self.sorted), AT_ONCE):
            wanted = self.sorted[begin : begin + AT_ONCE] + np.uint64(further)
            place = np.searchsorted(self.sorted, wanted)
            place[place == len(self.sorted)] = 0
            found = np.flatnonzero(self.sorted[place] == wanted)
            yield self.order[begin + found], self.order[place[found]]
