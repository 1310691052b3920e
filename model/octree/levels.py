"""Numbers of points in coarse steps: two for each doubling.

1, 2 and 3 are themselves; then 4-5, 6-7, 8-11, 12-15, 16-23, 24-31 and so on are one level each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

HIGHEST = 80
"""Of a level: from 3 * 2^39 points on, which no cloud has in one voxel."""


def _firsts() -> NDArray[np.int64]:
    doublings = np.int64(1) << np.arange(1, (HIGHEST + 2) // 2, dtype=np.int64)
    return np.concatenate(([0, 1], np.stack([doublings, doublings * 3 // 2], axis=1).ravel()))


FIRST = _firsts()
"""(HIGHEST + 1,) the least count of each level; level 0 is empty."""


def levels_of(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the level of each count, from 1."""
    levels: NDArray[np.int64] = np.searchsorted(FIRST, counts, side="right").astype(np.int64)
    levels -= 1
    return levels


def counts_of(levels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return what levels are decoded to: the middle of the counts of each, rounded down."""
    middles: NDArray[np.int64] = (FIRST[levels] + FIRST[levels + 1] - 1) // 2
    return middles
