"""A codec with two members: who codes what, and that nothing is worse for it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from model.bag.choosing import LADDER
from model.bag.codec import BagCodec
from model.cloud_codec import CloudCodec
from model.errors import CodecError, WrongCodecError
from model.file_head import head_of
from model.octree.codec import OctreeCodec, OctreeOptions
from model.octree.general import general_tables
from model.patch_coder import PatchCoder
from model.placement import place
from study.metrics import d1_psnr_db
from tests.model.bag.support import figure, halves, mixed_file, read
from tests.model.support import ARCHITECTURES, fresh_codec, surface
from tests.model.test_partition import NAMES, shapes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from model.patch_coder import PatchLatents
    from study.metrics.measurement import Coder

SLOPE = 1.6
"""At which both halves of the clouds here are worth being told apart."""


def bag(slope: float = SLOPE) -> BagCodec:
    return BagCodec(figure().codec, slope)


def cost(points: NDArray[np.float64], data: bytes, decoded: NDArray[np.float64]) -> float:
    """The rule of docs/codecs.md, from whole files and the study's own D1."""
    peak = place(points, "a cloud").side
    return 8 * len(data) - SLOPE * len(points) * d1_psnr_db(points, decoded, peak)


def test_each_half_of_a_cloud_is_coded_by_the_member_that_it_suits(seed: int) -> None:
    points = halves(seed, side=4)
    codec = bag()
    data = codec.compress(points)
    coded = read(codec, data)
    assert head_of(data).kind == "mixed"
    # A sheet's cube may be so poor in points that the figure is as good; no figure is a sheet.
    patches = len(figure().codec.encode(points).cut.patches)
    learned = coded.learned.leaves.centres(figure().codec.partition)[:, 0]
    assert (learned < 50).sum() >= 14
    assert (learned > 50).sum() <= 1
    assert coded.octree_share == pytest.approx(1 - len(learned) / patches)
    decoded = codec.decompress(data)
    assert decoded.octree_share == coded.octree_share
    # It costs less than either member alone, at any edge.
    ours = cost(points, data, decoded.points)
    members: list[Coder] = [codec.learned]
    members += [OctreeCodec(OctreeOptions(edge_of_longest_side=1 / c)) for c in LADDER]
    for member in members:
        alone = member.compress(points, None)
        assert ours < cost(points, alone, member.decompress(alone).points)


def test_a_naive_twin_chooses_the_same_patches(seed: int) -> None:
    """Patch by patch, what its points cost with either member; see docs/codecs.md."""
    points = halves(seed, side=4)
    points = points[np.lexsort(points.T)]
    codec = bag()
    coded = read(codec, codec.compress(points))
    cells = coded.header.cells
    edge = min(LADDER, key=lambda each: abs(each - cells))
    encoded = codec.learned.encode(points)
    octree = OctreeCodec(OctreeOptions(edge_of_longest_side=1 / edge))
    of_octree = octree.compress(points)
    there = octree.decompress(of_octree).points
    parts = [
        p.points for p in codec.learned.parts(codec.learned.read(codec.learned.write(encoded)))
    ]
    mine = np.concatenate(parts)

    def nearest(some: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.array([np.argmin(((others - each) ** 2).sum(axis=1)) for each in some])

    def squares(some: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
        scale = 100 / encoded.placement.side
        away = some - others[nearest(some, others)]
        return np.asarray(((away * scale) ** 2).sum(axis=1))

    owner = np.full(len(points), -1)
    for number, cube in enumerate(encoded.cut.patches):
        owner[cube.members] = number
    scaled = encoded.placement.to_scaled(points)
    voxel = [tuple(each) for each in np.floor(scaled * cells / 100 + 0.5).astype(int).tolist()]
    made_by = [*np.repeat(np.arange(len(parts) - 1), [len(p) for p in parts[:-1]])]
    made_by += [-1] * len(parts[-1])
    errors: dict[str, list[float]] = {"learned": [], "octree": []}
    for name, decoded, whose in (
        ("learned", mine, np.array(made_by)),
        ("octree", there, owner[nearest(there, points)]),
    ):
        to, back = squares(points, decoded), squares(decoded, points)
        for number in range(-1, len(encoded.cut.patches)):
            inwards = to[owner == number]
            outwards = back[whose == number]
            mean = outwards.mean() if len(outwards) else 0.0
            errors[name].append(max(inwards.sum(), len(inwards) * mean))
    bits_of_voxel = 8 * len(of_octree) / len(set(voxel))
    total = max(squares(points, mine).mean(), squares(mine, points).mean())
    chosen: list[bool] = []
    for _ in range(4):
        weight = SLOPE * 10 / math.log(10) / total
        chosen, left = [], errors["octree"][0]
        for number, cube in enumerate(encoded.cut.patches):
            theirs = bits_of_voxel * len({voxel[each] for each in cube.members})
            theirs += weight * errors["octree"][number + 1]
            ours = _bits(codec, encoded.latents[number]) + weight * errors["learned"][number + 1]
            chosen.append(theirs < ours)
            left += errors["octree" if theirs < ours else "learned"][number + 1]
        total = left / len(points)
    kept = figure().codec.encode(points).cut.leaves
    patches = kept.where(kept.is_patch).key[~np.array(chosen)]
    assert patches.tolist() == coded.learned.leaves.key.tolist()


def _bits(codec: BagCodec, latents: PatchLatents) -> float:
    """Minus the logarithms of the chances of all symbols, and the code of how many there are."""
    tables = codec.learned.coder.tables
    bits = 2.0 * math.floor(math.log2(len(latents.symbols))) + 1
    for row in latents.symbols.tolist():
        for channel, symbol in enumerate(row):
            slot = symbol - int(tables.offset[channel])
            assert 0 <= slot < tables.cdf_length[channel] - 2, "none of these escapes"
            cdf = tables.cdf[channel]
            bits -= math.log2(float(cdf[slot + 1] - cdf[slot]) / 65536)
    return bits


def test_where_one_member_suits_all_it_codes_the_whole_file(seed: int) -> None:
    points = halves(seed, side=4)
    sheet = points[points[:, 0] > 50]
    data = bag(0.1).compress(sheet)
    assert head_of(data).kind == "octree"
    decoded = bag().decompress(data)
    assert decoded.octree_share == 1.0
    members = [
        OctreeCodec(OctreeOptions(edge_of_longest_side=1 / cells, tables=general_tables()))
        for cells in LADDER
    ]
    assert data in [member.compress(sheet) for member in members]
    figures = points[(points[:, 0] < 50) | (points[:, 0] == 100)]
    # All but the one patch in which a corner of the cloud's box is.
    assert bag().decompress(bag().compress(figures)).octree_share <= 1 / 16


def test_the_slope_is_what_a_decibel_is_worth(seed: int) -> None:
    points = halves(seed, side=4)
    files = [bag(slope).compress(points) for slope in (0.01, 1.6)]
    assert sorted(map(len, files)) == [len(file) for file in files]
    assert len(set(files)) == 2
    for slope in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(CodecError, match="bits per point above 0, not"):
            bag(slope)


@pytest.mark.parametrize("name", NAMES[::4])
def test_clouds_of_all_shapes_come_back(name: str, seed: int) -> None:
    learned = CloudCodec(PatchCoder.freeze(fresh_codec(1)), figure().codec.partition)
    points = shapes(seed)[name]
    codec = BagCodec(learned, 0.3)
    data = codec.compress(points)
    decoded = codec.decompress(data)
    assert decoded.original_points == len(points)
    assert np.isfinite(decoded.points).all()
    # Neither member alone is shorter and as near.
    assert len(data) <= len(learned.compress(points))


def test_a_file_depends_on_the_points_alone(seed: int) -> None:
    points = halves(seed, side=2)
    codec = bag()
    data = codec.compress(points)
    order = np.random.default_rng(seed).permutation(len(points))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert codec.compress(points[order]) == data
    finally:
        torch.set_num_threads(before)
    assert codec.compress(halves(seed + 1, side=2)) != data
    assert codec.compress(points) == data


@pytest.mark.parametrize("cells", [4, 64])
def test_the_octree_decodes_to_about_as_many_points_as_it_codes(cells: int, seed: int) -> None:
    points = halves(seed, side=2)
    codec = bag()
    patches = len(codec.learned.encode(points).cut.patches)
    by_octree = np.arange(patches) % 2 == 0
    data = mixed_file(codec, points, by_octree, cells)
    coded = read(codec, data)
    made = len(coded.octree_points())
    assert made == min(coded.header.by_octree, 128 * len(coded.voxels), 512 * len(data))
    decoded = codec.decompress(data)
    assert decoded.octree_share == by_octree.mean()
    parts = [part.points for part in codec.learned.parts(coded.learned)]
    assert len(decoded.points) == made + sum(map(len, parts))
    low, high = points.min(axis=0), points.max(axis=0)
    edge = 100 / cells
    assert (decoded.points >= low - edge).all()
    assert (decoded.points <= high + edge).all()


def test_the_user_may_allow_fewer_points(seed: int) -> None:
    points = halves(seed, side=4)
    codec = bag()
    data = codec.compress(points)
    made = len(codec.decompress(data).points)
    assert len(codec.decompress(data, most_points=made).points) == made
    for most in (1, made // 2, made - 1):
        with pytest.raises(CodecError, match=f"at most the {most:,} points .* cloud of 1,282"):
            codec.decompress(data, most_points=most)


def test_progress_counts_the_patches_of_the_network(seed: int) -> None:
    points = halves(seed, side=2)
    seen: list[tuple[int, int]] = []
    codec = bag()
    patches = len(codec.learned.encode(points).cut.patches)
    codec.compress(points, progress=lambda done, of: seen.append((done, of)))
    assert seen == [(done, patches) for done in range(1, patches + 1)]
    data = mixed_file(codec, points, np.arange(patches) > 2, 16)
    seen.clear()
    codec.decompress(data, lambda done, of: seen.append((done, of)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_files_of_others_are_named(seed: int) -> None:
    points = halves(seed, side=4)
    data = bag().compress(points)
    other = CloudCodec(PatchCoder.freeze(fresh_codec(2)), figure().codec.partition)
    with pytest.raises(WrongCodecError, match=f"has the id {bag().codec_id.hex()}, and this one"):
        BagCodec(other, SLOPE).decompress(data)
    for member in (figure().codec, OctreeCodec()):
        with pytest.raises(WrongCodecError, match="with the members learned and octree"):
            member.decompress(data)
        # What a member wrote alone both of them read.
        alone = member.compress(points)
        np.testing.assert_array_equal(
            bag().decompress(alone).points, member.decompress(alone).points
        )


def test_normals_are_refused(seed: int) -> None:
    learned = CloudCodec(
        PatchCoder.freeze(fresh_codec(1, config=ARCHITECTURES["normals"])),
        figure().codec.partition,
    )
    with pytest.raises(CodecError, match=r"an octree codes no normals, .* leave that member out"):
        BagCodec(learned, SLOPE)
    points = surface(seed, 50).astype(np.float64)
    with pytest.raises(CodecError, match="does not code normals; leave them out"):
        bag().compress(points, np.ones((50, 3), np.float32))
    with pytest.raises(CodecError, match="has none; leave it out"):
        bag().compress(points[:0])
