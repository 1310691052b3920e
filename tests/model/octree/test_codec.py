"""Clouds through the octree codec: every point within half an edge, grids exactly."""

from __future__ import annotations

import dataclasses
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from model.cloud_codec import CloudCodec
from model.config import ModelConfig
from model.container import POINTS_PER_BYTE
from model.errors import CodecError, DamagedFileError, WrongCodecError
from model.file_head import head_of
from model.octree import coding
from model.octree.codec import OctreeCodec, OctreeOptions
from model.octree.frame import read_file, short_edge, write_file
from model.octree.levels import FIRST, HIGHEST, counts_of, levels_of
from model.partition import PartitionConfig
from model.patch_coder import PatchCoder
from tests.model.support import fresh_codec, surface
from tests.model.test_partition import FAR_CLOUDS, NAMES, far_cloud, shapes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Points = NDArray[np.float64]


def sheet(seed: int, count: int = 2000) -> Points:
    return surface(seed, count).astype(np.float64) * 40.0 + [500.0, -20.0, 3.0]


def codec(**options: object) -> OctreeCodec:
    return OctreeCodec(OctreeOptions(**options))  # type: ignore[arg-type]


def trained(seed: int = 0) -> coding.OctreeTables:
    cloud = codec(edge=4.0)
    read = cloud.read(cloud.compress(sheet(seed)))
    return coding.learned(None, read.voxels, None, read.frame.depth, read.frame.box)


def as_rows(points: Points) -> list[tuple[float, ...]]:
    return sorted(map(tuple, points.tolist()))


@pytest.mark.parametrize("counts", ["none", "coarse", "exact"])
@pytest.mark.parametrize("name", NAMES)
def test_every_point_is_within_half_an_edge(name: str, counts: str, seed: int) -> None:
    points = shapes(seed)[name]
    coder = codec(edge_of_longest_side=1 / 20, counts=counts, placing="centres")
    data = coder.compress(points)
    decoded, frame = coder.decompress(data), coder.read(data).frame
    assert decoded.normals is None
    assert decoded.original_points == len(points)
    expected = np.unique(np.floor(points / frame.edge + 0.5), axis=0, return_counts=True)
    found = np.unique(decoded.points, axis=0, return_counts=True)
    np.testing.assert_array_equal(found[0], expected[0] * frame.edge)
    wanted = {
        "none": np.ones_like(expected[1]),
        "coarse": counts_of(levels_of(expected[1])),
        "exact": expected[1],
    }
    np.testing.assert_array_equal(found[1], wanted[counts])
    sides = np.ptp(points, axis=0).max()
    if sides > 1e-9 * np.abs(points).max():
        assert abs(frame.edge / (sides / 20) - 1) <= 2.0**-9


@pytest.mark.parametrize(
    ("edge", "shift"),
    [
        (1.0, 0),
        (1.0, -(10**9)),
        (0.001, 0),
        (0.001, 4_700_000),
        (0.25, 7),
        (1 / 3, -5),
        (5e-324, 1),
    ],
)
def test_points_of_a_grid_come_back_exactly(edge: float, shift: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    points = (draw.integers(0, 50, (3000, 3)) + shift) * edge
    coder = codec(edge=edge, counts="exact")
    assert as_rows(coder.decompress(coder.compress(points)).points) == as_rows(points)
    merged = codec(edge=edge).decompress(codec(edge=edge).compress(points)).points
    assert as_rows(merged) == sorted(set(as_rows(points)))
    assert coder.read(coder.compress(points)).frame.edge == edge


def test_an_edge_off_the_grid_is_rounded(seed: int) -> None:
    points = sheet(seed)
    coder = codec(edge=0.12345)
    assert coder.read(coder.compress(points)).frame.edge == short_edge(0.12345)


def test_the_order_of_points_decides_nothing(seed: int) -> None:
    points = sheet(seed)
    coder = codec(counts="exact")
    draw = np.random.default_rng(seed)
    assert coder.compress(points) == coder.compress(draw.permutation(points))


def test_a_moved_cloud_is_the_same_cloud_moved(seed: int) -> None:
    """By whole edges: the grid lies where the edge says, not where the cloud does."""
    points = np.round(sheet(seed) * 64) / 64
    shift = np.array([8.0, -64.5, 1024.0])
    coder = codec(edge=0.5)
    moved = coder.decompress(coder.compress(points + shift)).points
    still = coder.decompress(coder.compress(points)).points
    np.testing.assert_array_equal(moved, still + shift)
    doubled = codec(edge=1.0)
    twice = doubled.decompress(doubled.compress(points * 2)).points
    np.testing.assert_array_equal(twice, still * 2)


def test_parts_are_the_whole(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    points = np.repeat(sheet(seed, 300), 7, axis=0)
    for counts, placing in product(("none", "exact"), ("centres", "between")):
        coder = codec(counts=counts, placing=placing)
        data = coder.compress(points)
        whole = coder.decompress(data).points
        with monkeypatch.context() as patch:
            patch.setattr("model.octree.contents.AT_ONCE", 11)
            patch.setattr("model.octree.placing.AT_ONCE", 11)
            patch.setattr("model.octree.voxels.AT_ONCE", 11)
            assert coder.compress(points) == data
            parts = list(coder.read(data).parts())
        assert max(map(len, parts)) <= 11
        np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_coarse_numbers_are_within_a_third(seed: int) -> None:
    draw = np.random.default_rng(seed)
    counts = np.concatenate([np.arange(1, 2000), 2.0 ** draw.uniform(0, 40, 2000)]).astype(np.int64)
    levels = levels_of(counts)
    assert levels.min() == 1
    assert (FIRST[levels] <= counts).all()
    assert (counts < FIRST[levels + 1]).all()
    ratio = counts_of(levels) / counts
    assert (np.abs(np.log(ratio)) <= np.log(1.5)).all()
    np.testing.assert_array_equal(levels_of(counts_of(levels)), levels)
    np.testing.assert_array_equal(counts_of(levels_of(np.arange(1, 5))), np.arange(1, 5))
    assert levels_of(np.array([1 << 40])).tolist() == [HIGHEST]


@pytest.mark.parametrize(("drawn", "exponent"), FAR_CLOUDS)
def test_clouds_far_from_the_origin(drawn: int, exponent: float) -> None:
    points = far_cloud(drawn, exponent)
    coder = codec(edge_of_longest_side=1 / 8, placing="centres")
    decoded = coder.decompress(coder.compress(points)).points
    assert np.isfinite(decoded).all()
    edge = coder.read(coder.compress(points)).frame.edge
    rounding = 4 * np.spacing(np.abs(points).max())
    assert np.abs(decoded.min(axis=0) - points.min(axis=0)).max() <= edge / 2 + rounding
    assert np.abs(decoded.max(axis=0) - points.max(axis=0)).max() <= edge / 2 + rounding


def test_a_solid_block_is_padded() -> None:
    """Where voxels cost next to nothing the file is still long enough for what it decodes to."""
    points = np.stack(np.meshgrid(*[np.arange(32.0)] * 3), axis=-1).reshape(-1, 3)
    heap = np.zeros((100_000, 3))
    for cloud in (points, heap):
        coder = codec(edge=1.0, counts="exact")
        data = coder.compress(cloud)
        assert POINTS_PER_BYTE * len(data) >= len(cloud)
        assert as_rows(coder.decompress(data).points) == as_rows(cloud)
    frame, stream = read_file(data)
    for changed in (1, 2 * len(heap)):
        with pytest.raises(DamagedFileError):
            coder.decompress(write_file(frame, stream, changed))
    merged = codec(edge=1.0)
    assert len(merged.compress(heap)) < 30  # A heap merged into one point costs nothing.
    lying = codec(edge=1.0, placing="between")
    assert len(lying.decompress(lying.compress(heap)).points) == 128


def test_the_tables_are_the_codec(seed: int) -> None:
    tables = trained()
    plain, ours = codec(counts="exact"), codec(tables=tables)
    other = codec(tables=trained(1))
    assert len({each.codec_id for each in (plain, ours, other)}) == 3
    assert codec(edge=1.0, tables=tables).codec_id == ours.codec_id
    points = sheet(seed)
    data = ours.compress(points)
    assert read_file(data)[0].codec_id == ours.codec_id[:2]
    again = codec(edge=3.0, counts="coarse", tables=tables).decompress(data)
    np.testing.assert_array_equal(again.points, ours.decompress(data).points)
    assert head_of(data).codec_id == ours.codec_id[:2]
    assert (head_of(data).kind, head_of(data).points) == ("octree", len(points))
    begins = f"an octree codec whose id begins with {ours.codec_id[:2].hex()}"
    with pytest.raises(WrongCodecError, match=f"{begins}, and this one is `octree`; name"):
        plain.decompress(data)
    with pytest.raises(WrongCodecError, match=f"and this one has the id {other.codec_id.hex()}"):
        other.decompress(data)
    with pytest.raises(WrongCodecError, match="that comes with the program, `octree`, and"):
        ours.decompress(plain.compress(points))


def test_kinds_of_codecs_do_not_read_each_others_files(seed: int) -> None:
    learned = CloudCodec(
        PatchCoder.freeze(fresh_codec(1, config=ModelConfig(hidden_dim=8))), PartitionConfig()
    )
    points = sheet(seed, 300)
    data = learned.compress(points)
    assert (head_of(data).kind, head_of(data).codec_id) == ("learned", learned.codec_id)
    with pytest.raises(WrongCodecError, match=f"with the id {learned.codec_id.hex()}, not of an"):
        codec().decompress(data)
    with pytest.raises(WrongCodecError, match="octree codec, not of a learned one"):
        learned.decompress(codec().compress(points))


def test_more_points_than_asked_for(seed: int) -> None:
    coder = codec(counts="exact")
    data = coder.compress(sheet(seed, 500))
    assert len(coder.decompress(data, most_points=500).points) == 500
    with pytest.raises(CodecError, match=r"at most the 499 points that were asked for") as info:
        coder.decompress(data, most_points=499)
    assert not isinstance(info.value, DamagedFileError)


@pytest.mark.parametrize("counts", ["none", "coarse", "exact"])
def test_no_more_is_read_than_asked_for(counts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small file of a full block: its length alone would pay for every voxel."""
    data = codec(counts=counts, edge=1.0).compress(np.argwhere(np.ones((40, 40, 40))).astype(float))
    allowed: list[int] = []
    decode = coding.decode

    def noted(*arguments: Any, **limits: Any) -> coding.Occupied:  # noqa: ANN401
        allowed.append(limits["most_voxels"])
        return decode(*arguments, **limits)

    monkeypatch.setattr(coding, "decode", noted)
    with pytest.raises(CodecError, match=r"at most the 900 points .* 64,000, makes more") as info:
        codec().decompress(data, most_points=900)
    assert not isinstance(info.value, DamagedFileError)
    assert allowed in ([], [900])


@pytest.mark.parametrize("counts", ["exact", "coarse"])
def test_another_number_of_points_than_the_head_says(counts: str, seed: int) -> None:
    coder = codec(counts=counts)
    frame, stream = read_file(coder.compress(sheet(seed, 500)))
    for points in (1, 250, 1001):
        changed = dataclasses.replace(frame, points=points)
        with pytest.raises(DamagedFileError):
            coder.decompress(write_file(changed, stream, 500))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"edge": 1.0, "edge_of_longest_side": 0.1}, "is given once, .* leave one out"),
        ({"edge": 0.0}, "edge must be a finite number above 0, not 0.0"),
        ({"edge": float("inf")}, "edge must be a finite number above 0, not inf"),
        ({"edge_of_longest_side": float("nan")}, "edge_of_longest_side must be .* not nan"),
        ({"counts": "some"}, "counts must be one of none, exact, coarse, not 'some'"),
        ({"placing": 1}, "placing must be one of auto, centres, between, not 1"),
    ],
)
def test_options_that_cannot_be(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(CodecError, match=sentence):
        codec(**options)


@pytest.mark.parametrize(
    ("points", "edge", "sentence"),
    [
        (np.zeros((0, 3)), 1.0, "a cloud must have points"),
        (np.zeros((3, 2)), 1.0, r"shape \(n, 3\), not \(3, 2\)"),
        (np.array([[0.0, np.nan, 1.0]]), 1.0, "must be finite, and 1 of the 1 points"),
        (np.array([[0.0] * 3, [1.0] * 3]), 1e-9, "at most 2,097,152 voxels long.* 9.5e-07 or"),
        (np.array([[0.0] * 3, [1.0] * 3]), 1.2345e-9, "with voxels of 1.2345e-09 this one"),
        (np.full((2, 3), 1e20), 1.0, "told apart where the cloud lies, 1e.20 from the origin"),
        (np.array([[-1e308] * 3, [1e308] * 3]), 1.0, "at most 2,097,152 voxels long"),
        (np.full((1, 3), 1.7e308), 1.2e308, "the centres of voxels must be finite"),
        (np.full((1, 3), 1e308), 1e-10, "told apart"),
    ],
)
def test_clouds_that_cannot_be_coded(points: Points, edge: float, sentence: str) -> None:
    with pytest.raises(CodecError, match=sentence):
        codec(edge=edge).compress(points)


def test_normals_are_refused() -> None:
    with pytest.raises(CodecError, match="codes no normals"):
        codec().compress(np.zeros((1, 3)), np.ones((1, 3), np.float32))


@pytest.mark.parametrize(
    "points", [np.zeros((1, 3)), np.full((5, 3), -7e5), np.full((1, 3), 1e300)]
)
def test_a_heap_without_extent(points: Points) -> None:
    decoded = codec().decompress(codec().compress(points)).points
    np.testing.assert_allclose(decoded, np.broadcast_to(points[:1], decoded.shape), rtol=1e-12)


def test_inputs_are_left_alone(seed: int) -> None:
    points = sheet(seed)
    before = points.copy()
    points.flags.writeable = False
    codec().compress(points)
    np.testing.assert_array_equal(points, before)
