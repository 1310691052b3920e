"""The program against version 2 of the page that describes its files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from model.octree.codec import OctreeCodec, OctreeOptions
from model.octree.general import general_tables
from model.octree.tables import constants
from tests.model.octree import plain_reader, plain_stream
from tests.model.octree.test_codec import sheet, trained
from tests.model.test_partition import NAMES, shapes

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from model.octree.tables import OctreeTables


def arrays_of(codec: OctreeCodec) -> dict[str, dict[str, NDArray[Any]]] | None:
    tables = codec.options.tables
    if tables is None:
        return None
    split: dict[str, dict[str, NDArray[Any]]] = {"occupancy": {}, "count": {}}
    for name, array in tables.arrays().items():
        kind, _, part = name.partition("_")
        split[kind][part] = array
    return split


def assert_read_alike(codec: OctreeCodec, points: NDArray[np.float64]) -> None:
    data = codec.compress(points)
    ours, theirs = codec.read(data), plain_reader.read_head(data)
    assert theirs.codec_id == (codec.codec_id[:2] if theirs.tables == "codec's" else b"")
    assert theirs.original_points == ours.frame.points == len(points)
    assert (theirs.edge, theirs.corner, theirs.box) == (
        ours.frame.edge,
        ours.frame.corner,
        ours.frame.box,
    )
    counted = theirs.counts != "none"
    found = plain_stream.read(
        theirs.stream, theirs.depth, ours.frame.box, counted=counted, tables=arrays_of(codec)
    )
    theirs.voxels = list(found.voxels)
    assert np.array(theirs.voxels).tolist() == ours.voxels.tolist()
    counts = plain_reader.decoded_counts(theirs, found.numbers, len(data))
    assert counts == ours.counts.tolist()
    decoded = codec.decompress(data).points
    np.testing.assert_array_equal(np.array(plain_reader.place(theirs, counts)), decoded)


TABLES: dict[str, Callable[[], OctreeTables | None]] = {
    "none": lambda: None,
    "codec's": trained,
    "general": general_tables,
}


@pytest.mark.parametrize("tables", TABLES)
@pytest.mark.parametrize("placing", ["centres", "between"])
@pytest.mark.parametrize("counts", ["none", "coarse", "exact"])
def test_a_file_says_what_the_page_says(
    counts: str,
    placing: str,
    tables: str,
    seed: int,
) -> None:
    options = OctreeOptions(
        edge=5.1,
        counts=counts,  # type: ignore[arg-type]
        placing=placing,  # type: ignore[arg-type]
        tables=TABLES[tables](),
    )
    codec = OctreeCodec(options)
    assert plain_reader.read_head(codec.compress(sheet(seed, 9))).tables == tables
    assert_read_alike(codec, sheet(seed, 200))


OLD_FILES = {
    "445043023c82008dce92000000b2759a6b971129dd34b1c98b53e968a8b07a0ba8": (
        [21.34326171875, 93.00537109375, 258.5732421875]
    ),
    "4450430a3c82008dce92000000b2759a6b971129dd34b1c98b53e968a8b09c320400c2ee7c205cdf": (
        [5.13525390625, 99.21728515625, 253.85498046875]
    ),
}
"""The first files of version 2, and the sums of their points: all later versions read them so."""


@pytest.mark.parametrize("data", OLD_FILES)
def test_old_files_are_read_as_ever(data: str) -> None:
    """60 points made without chance, at edge 2, without and with the numbers of points."""
    number = np.arange(60.0)
    points = np.stack([number * number % 11, number * 7 % 13, number // 3], axis=1) * 0.75 - 3.0
    decoded = OctreeCodec().decompress(bytes.fromhex(data)).points
    assert len(decoded) == len(points)
    assert decoded.sum(axis=0).tolist() == OLD_FILES[data]
    # Points move half an edge to their voxel's centre, and from there on towards a neighbour.
    nearest = np.linalg.norm(points[:, None] - decoded[None], axis=2).min(axis=1)
    assert nearest.max() < 2.0 * np.sqrt(3.0)


@pytest.mark.parametrize("name", NAMES)
def test_all_shapes_of_clouds(name: str, seed: int) -> None:
    options = OctreeOptions(edge_of_longest_side=1 / 9, counts="exact")
    assert_read_alike(OctreeCodec(options), shapes(seed)[name][:120])


def test_several_blocks(seed: int) -> None:
    """Cells beyond the face of a block of 256 are no neighbours."""
    draw = np.random.default_rng(seed)
    points = np.round(draw.normal(size=(150, 3)) * 2.0) + np.array([256.0, 512.0, 255.0])
    points[0] = 0.0
    assert_read_alike(OctreeCodec(OctreeOptions(edge=1.0, counts="exact")), points)


def test_a_solid_block_and_its_padding() -> None:
    points = np.repeat(np.argwhere(np.ones((6, 5, 4))).astype(np.float64), 200, axis=0)
    assert_read_alike(OctreeCodec(OctreeOptions(edge=1.0, counts="exact")), points)


def test_functions_of_the_page_are_rounded_as_the_program_has_them() -> None:
    found = constants()
    assert found.logit.tolist() == [plain_stream.logit(i) for i in range(4096)]
    assert found.probability.tolist() == [plain_stream.chance(t) for t in range(-3071, 3072)]
    assert found.rate.tolist() == [655360 // (10 * s + 16) for s in range(len(found.rate))]
