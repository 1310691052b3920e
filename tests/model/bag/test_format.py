"""The program against version 3 of the page that describes its files."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from model.bag.codec import BagCodec
from model.cloud_codec import CloudCodec
from model.morton import separate
from model.partition import PartitionConfig
from model.patch_coder import PatchCoder
from tests.model.bag import plain_reader
from tests.model.bag.support import mixed_file, read
from tests.model.octree.test_codec import trained
from tests.model.octree.test_format import arrays_of
from tests.model.support import SMALL, fresh_codec, surface
from tests.model.test_format import plain

CUTTING = PartitionConfig(cube_size=100.0, min_points=20, max_points=60, voxel_depth=4)


@cache
def bag_of(*, float16: bool, tables: bool) -> BagCodec:
    config = replace(SMALL, quantize_latent_xyzs=not float16)
    learned = CloudCodec(PatchCoder.freeze(fresh_codec(1, config=config)), CUTTING)
    return BagCodec(learned, 0.1, trained() if tables else None)


@pytest.mark.parametrize("tables", [False, True], ids=["no tables", "tables"])
@pytest.mark.parametrize("float16", [False, True], ids=["learned", "float16"])
@pytest.mark.parametrize("cells", [1, 21])
def test_a_mixed_file_says_what_the_page_says(
    cells: int,
    float16: bool,  # noqa: FBT001
    tables: bool,  # noqa: FBT001
    seed: int,
) -> None:
    bag = bag_of(float16=float16, tables=tables)
    points = surface(seed, 300).astype(np.float64) * 7.0 + [1e3, 0.0, -5.0]
    patches = len(bag.learned.encode(points).cut.patches)
    by_octree = np.random.default_rng(seed).random(patches) < 0.5
    by_octree[:2] = [True, False]
    data = mixed_file(bag, points, by_octree, cells)
    theirs = plain_reader.read(
        data, plain(bag.learned), float16=float16, tables=arrays_of(bag.octree)
    )
    ours = read(bag, data)
    header = ours.header
    assert (theirs.codec_id, theirs.points) == (bag.codec_id, len(points))
    assert (theirs.octree_points, theirs.cells) == (header.by_octree, cells)
    assert (theirs.side, theirs.centre) == (header.placement.side, header.placement.centre)
    assert theirs.coded_by_octree == by_octree.tolist()
    leaves = ours.learned.leaves
    cells_of = np.stack([leaves.level, *separate(leaves.key)], axis=1).tolist()
    learned = [
        tuple(cell)
        for (_, *cell), bit in zip(theirs.leaves, theirs.coded_by_octree, strict=True)
        if not bit
    ]
    assert learned == list(map(tuple, cells_of))
    assert theirs.symbols == [each.symbols.tolist() for each in ours.learned.latents]
    if float16:
        sent = [each.coordinates for each in ours.learned.latents]
        words = [each.view(np.uint16).ravel().tolist() for each in sent if each is not None]
        assert theirs.coordinates == words
    assert theirs.voxels == list(map(tuple, ours.voxels.tolist()))
    decoded = bag.decompress(data).points
    of_network = bag.learned.parts(ours.learned)
    expected = np.concatenate([*(part.points for part in of_network), theirs.by_octree])
    np.testing.assert_array_equal(decoded, expected)
