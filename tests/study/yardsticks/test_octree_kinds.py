"""The octree as a yardstick: what a user would take, with counts or without."""

from __future__ import annotations

import numpy as np
import pytest

from model.octree.codec import OctreeCodec, OctreeOptions
from model.octree.general import general_tables
from study.codecs.opening import BUILT_IN, OctreeWish, open_any
from study.yardsticks.octree import octree
from tests.model.support import surface


def test_its_files_are_those_of_study_compress_octree() -> None:
    from pathlib import Path

    points = surface(3, 2000).astype(np.float64)
    ours = open_any(Path(BUILT_IN), OctreeWish(depth=4))
    assert isinstance(ours, OctreeCodec)
    coder = dict(octree().coders)["16 voxels"]
    assert coder.compress(points, None) == ours.compress(points)


@pytest.mark.parametrize("counts", ["none", "coarse"])
def test_counts_are_told_and_coded(counts: str) -> None:
    asked = octree(counts=counts)  # type: ignore[arg-type]
    assert asked.name == {"none": "octree", "coarse": "octree+counts"}[counts]
    assert ("coarse numbers of points" in asked.description) == (counts == "coarse")
    points = surface(4, 1000).astype(np.float64)
    options = OctreeOptions(
        edge_of_longest_side=1 / 16,
        counts=counts,  # type: ignore[arg-type]
        tables=general_tables(),
    )
    coder = dict(asked.coders)["16 voxels"]
    assert coder.compress(points, None) == OctreeCodec(options).compress(points)
