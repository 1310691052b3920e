"""What a decoder sees of a voxel's surroundings, in whole numbers.

Legend: v voxels, m points, K voxels of a cube around one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Whole = NDArray[np.int64]

MOST_PLACES = 1 << 24
"""Of a box whose places are looked up in a table; in larger ones voxels are searched by key."""
AT_ONCE = 1 << 14
"""Voxels that are looked up at once."""
_PLASTIC = (0.7548776662466927, 0.5698402909980532)
"""Powers of the inverse of the plastic number: multiples of them, modulo 1, fill a square evenly
(Roberts 2018, "The unreasonable effectiveness of quasirandom sequences")."""


@cache
def cube(reach: int) -> Whole:
    """(K, 3) steps to all voxels of a cube, so many to each side, in order of x, y, z."""
    return np.array(list(product(range(-reach, reach + 1), repeat=3)), dtype=np.int64)


class Occupied:
    """Finds voxels by where they are."""

    def __init__(self, voxels: Whole, reach: int) -> None:
        """Note them.

        Args:
            voxels: (v, 3) distinct, from 0.
            reach: steps beyond the first and last voxel along an axis that may be asked for.
        """
        self._voxels, self._reach = voxels, reach
        self._sides = voxels.max(axis=0) + 1 + 2 * reach
        keys = self._keys(voxels + reach)
        self._order = np.argsort(keys)
        self._sorted = keys[self._order]
        self._table: NDArray[np.int32] | None = None
        if np.prod(self._sides.astype(np.float64)) <= MOST_PLACES:
            self._table = np.full(int(np.prod(self._sides)), len(voxels), np.int32)
            self._table[keys] = np.arange(len(voxels))

    def at(self, steps: Whole, begin: int, end: int) -> Whole:
        """Return which voxel is where some voxels come to by steps; v: none.

        Args:
            steps: (K, 3).
            begin: the first voxel.
            end: the one after the last.

        Returns:
            (end - begin, K).
        """
        start = self._keys(self._voxels[begin:end] + self._reach)
        keys = start[:, None] + self._keys(steps)
        if self._table is not None:
            looked_up: Whole = self._table[keys].astype(np.int64)
            return looked_up
        place = np.searchsorted(self._sorted, keys)
        place[place == len(self._sorted)] = 0
        found: Whole = np.where(self._sorted[place] == keys, self._order[place], len(self._voxels))
        return found

    def _keys(self, places: Whole) -> Whole:
        """One number for each; 21 bits an axis, and a step or two more, are below 2^63."""
        x, y, z = np.moveaxis(places, -1, 0)
        keys: Whole = (x * self._sides[1] + y) * self._sides[2] + z
        return keys


@dataclass(frozen=True)
class Neighbourhoods:
    """The surroundings of the voxels of a cloud.

    Attributes:
        occupied: (v, K) bool, which voxels of the cube around each are occupied.
        touching: (v, 27) int64, the voxels that touch each, and itself; v where there is none.
        density: the cloud's points for each voxel, rounded down.
    """

    occupied: NDArray[np.bool_]
    touching: Whole
    density: int

    def __len__(self) -> int:
        return len(self.touching)

    @staticmethod
    def of(voxels: Whole, points: int, reach: int) -> Neighbourhoods:
        """Look around.

        Args:
            voxels: (v, 3) distinct, from 0.
            points: of the cloud.
            reach: of the cube whose occupancy is seen.
        """
        places = Occupied(voxels, max(reach, 1))
        wide, near = cube(reach), cube(1)
        occupied = np.empty((len(voxels), len(wide)), dtype=np.bool_)
        touching = np.empty((len(voxels), len(near)), dtype=np.int64)
        for begin in range(0, len(voxels), AT_ONCE):
            end = min(begin + AT_ONCE, len(voxels))
            occupied[begin:end] = places.at(wide, begin, end) < len(voxels)
            touching[begin:end] = places.at(near, begin, end)
        return Neighbourhoods(occupied, touching, points // len(voxels))

    def part(self, kept: Whole) -> Neighbourhoods:
        """Return those of some voxels, which touch each other only."""
        renumbered = np.full(len(self) + 1, len(kept))
        renumbered[kept] = np.arange(len(kept))
        return Neighbourhoods(self.occupied[kept], renumbered[self.touching[kept]], self.density)


def seeds(
    voxels: Whole, counts: Whole, salt: int = 0
) -> Iterator[tuple[Whole, NDArray[np.float32]]]:
    """Yield what tells the points of a voxel from each other, some voxels at a time.

    Args:
        voxels: (v, 3).
        counts: (v,) points of each, at least 0.
        salt: from 0 to less than 2^32: another one gives others.

    Yields:
        (m,) each point's voxel, and (m, 4): a place in the square [-1, 1) that voxel's points fill
        evenly, how far it is through them, from -1 to 1, and how many they are, on a log scale.
    """
    ends = np.cumsum(counts)
    starts = _starts(voxels, salt)
    begin = 0
    while begin < len(voxels):
        before = int(ends[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, before + AT_ONCE, side="right")))
        some = counts[begin:end]
        voxel = np.repeat(np.arange(begin, end), some)
        number = np.arange(len(voxel)) - np.repeat(np.cumsum(some) - some, some)
        square = (starts[voxel] + (number[:, None] + 1) * np.array(_PLASTIC)) % 1.0
        of_voxel = np.repeat(some, some)
        through = (number + 0.5) / np.maximum(of_voxel, 1)
        scale = np.log2(np.maximum(of_voxel, 1)) / 3
        found = np.column_stack([2 * square - 1, 2 * through - 1, scale])
        yield voxel, found.astype(np.float32)
        begin = end


def _starts(voxels: Whole, salt: int) -> NDArray[np.float64]:
    """(v, 2) places in [0, 1) squared that look random, the same on every machine."""
    x, y, z = voxels.astype(np.uint64).T
    mixed = x * np.uint64(73856093) ^ y * np.uint64(19349663) ^ z * np.uint64(83492791)
    mixed ^= np.uint64(salt)
    low = np.uint64((1 << 32) - 1)
    parts = [(mixed * np.uint64(odd) >> np.uint64(7)) & low for odd in (2654435761, 2246822519)]
    return np.column_stack(parts) / 2.0**32
