"""What the benchmarks run on."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from model.config import ModelConfig
from model.partition import partition
from model.placement import LONGEST_SIDE, place
from study.config import DataRecipe
from study.data import DataSet, open_data_set, prepare
from study.data.sources import open_source
from study.families.dpcc.architecture import DpccArchitecture

if TYPE_CHECKING:
    from numpy.typing import NDArray

POINTS = 1024
"""Of a patch that a training step is measured on."""
OBJECTS = 12
"""That such patches are made of; some are held out."""


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


@cache
def whole_objects() -> DataSet:
    """Prepared as for a study: each patch is an embedded object, thinned to `POINTS` points."""
    return prepared(
        DataRecipe(max_objects=OBJECTS, points_per_object=POINTS, cube_size=LONGEST_SIDE)
    )


def prepared(recipe: DataRecipe) -> DataSet:
    """The data set of a recipe, for the default model, until this process ends."""
    form = DpccArchitecture(ModelConfig()).form
    return open_data_set(prepare(recipe, form=form, root=scratch() / "data"), form)


def scratch() -> Path:
    """A folder that goes when this process ends."""
    return Path(_scratch().name)


@cache
def _scratch() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="dpcc-benchmarks-")
