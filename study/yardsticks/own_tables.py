"""Tables for the octree that stands beside a front: of the study's own training clouds.

What the study's codecs have learned from, the octree may too. No cloud that they are measured on is
among them: tables are made of the patches that the trials train on, and of nothing else.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from model.native.library import library
from study.codecs.tables import trained_on

if TYPE_CHECKING:
    from model.octree.coding import OctreeTables
    from study.data import DataSet

MOST_POINTS = 1_000_000
"""Of training clouds: as many as are coded at all of `DEPTHS` within 5 s on one core."""
DEPTHS = tuple(range(2, 9))
"""Of the tables' edges: the longest side, halved so often, as of most edges of the yardstick."""
SEED = 0


@lru_cache(maxsize=1)
def own_tables(data: DataSet) -> tuple[OctreeTables | None, int]:
    """Return tables of a data set's training clouds, and of how many.

    Clouds are taken in a seeded order, as long as they have no more than `MOST_POINTS` points
    together; of each, what its patches hold. None, of 0 clouds, where the first has more, or where
    the coder has no kernel: its twin would take minutes. The last data set's are remembered.
    """
    patches = data.split("train")
    if library() is None:
        return None, 0
    points_of = np.bincount(
        patches.cloud_of, weights=patches.point_counts, minlength=len(patches.clouds)
    )
    order = np.random.default_rng(SEED).permutation(len(patches.clouds))
    chosen = order[np.cumsum(points_of[order]) <= MOST_POINTS]
    clouds = []
    for cloud in chosen:
        stored = [patches[int(row)] for row in np.flatnonzero(patches.cloud_of == cloud)]
        placed = [each.points * each.half_width + each.centre for each in stored]
        clouds.append(np.concatenate(placed, dtype=np.float64))
    return (trained_on(clouds, DEPTHS, SEED), len(clouds)) if clouds else (None, 0)
