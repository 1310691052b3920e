"""What the benchmarks run on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from model.partition import partition
from model.placement import place
from study.data.recipe import DataRecipe
from study.data.sources import open_source

if TYPE_CHECKING:
    from numpy.typing import NDArray


def patch_of_an_object(count: int) -> NDArray[np.float32]:
    """(count, 3) points in [-1, 1] of the first cube of an embedded object that has enough.

    Cubes have the default size; a seeded choice of the cube's points is kept.
    """
    recipe = DataRecipe()
    source = open_source(recipe)
    for cloud in source.point_counts:
        points = source.read(cloud).points
        cut = partition(place(points, cloud).to_scaled(points), recipe.partition())
        for cube in cut.patches:
            if len(cube.points) >= count:
                keep = np.random.default_rng(0).permutation(len(cube.points))[:count]
                return cube.points[np.sort(keep)]
    raise ValueError(f"no embedded object has a cube of {count:,} points; ask for fewer")
