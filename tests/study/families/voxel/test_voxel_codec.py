"""Files of the voxel codec: what they decode to, whose they are, and what may be asked of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from model.codec_folder import save_codec
from model.errors import CodecError, UncodableError, WrongCodecError
from model.octree.codec import OctreeCodec, OctreeOptions
from model.octree.contents import CodedOctree
from model.octree.frame import Placing, read_file
from model.octree.general import general_tables
from model.octree.voxels import voxels_of
from study.codecs.opening import OctreeWish, open_any
from study.config.data import DataRecipe
from study.data.sources import EmbeddedObjects
from study.families.voxel.codec import VoxelCodec
from study.families.voxel.family import Voxel
from study.metrics.distances import mean_dist2
from study.zoo.catalog import NUMBERED, shipped_folder

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from study.families.voxel.module import VoxelModule


def module_of(seed: int, *, still: bool = False) -> VoxelModule:
    """A network as it begins; one that is `still` puts every point at its voxel's centre."""
    torch.manual_seed(seed)
    module = Voxel().module(Voxel.model(width=8, point_width=8, first_edge=1 / 8))
    if still:
        with torch.no_grad():
            for layer in (module.network.middle, module.network.offset):
                for parameter in layer.parameters():
                    parameter.zero_()
    return module


def codec_of(module: VoxelModule, options: OctreeOptions | None = None) -> VoxelCodec:
    identity = Voxel()._identity(module.model)
    return VoxelCodec(module, DataRecipe().partition(), identity, options)


@pytest.fixture(scope="module")
def cloud() -> NDArray[np.float64]:
    source = EmbeddedObjects()
    return source.read(next(iter(source.point_counts))).points


def learned(codec: OctreeCodec, points: NDArray[np.float64]) -> bytes:
    """A file whose points the network places, whoever would be nearer."""
    edge = codec._edge(points)
    return codec._write(len(points), edge, voxels_of(points, edge), Placing.LEARNED)


def test_points_are_where_the_network_puts_them(cloud: NDArray[np.float64], seed: int) -> None:
    """A still network's are the octree's own centres, as many as there are points."""
    codec = codec_of(module_of(seed, still=True))
    decoded = codec.decompress(learned(codec, cloud)).points
    assert len(decoded) == len(cloud)
    centres = OctreeCodec(replace(codec.options, placing="centres"))
    expected = centres.decompress(centres.compress(cloud)).points
    np.testing.assert_allclose(np.unique(decoded, axis=0), np.unique(expected, axis=0))


def test_a_voxel_is_seen_by_its_surroundings_alone(cloud: NDArray[np.float64], seed: int) -> None:
    """Moving a cloud by whole edges moves what is decoded, and changes nothing else."""
    codec = codec_of(module_of(seed))
    edge = codec._edge(cloud)
    moved = cloud + edge * np.array([3, -5, 7])
    one, other = (codec.decompress(learned(codec, points)).points for points in (cloud, moved))
    np.testing.assert_allclose(other - one, np.broadcast_to(edge * np.array([3, -5, 7]), one.shape))


def test_the_nearer_rule_is_taken(cloud: NDArray[np.float64], seed: int) -> None:
    """A network that has learned nothing is worse than the octree's rule, and so is not asked."""
    codec = codec_of(module_of(seed, still=True))
    octree = OctreeCodec(codec.options)
    coded = codec.read(codec.compress(cloud))
    assert isinstance(coded, CodedOctree)
    assert coded.frame.placing == Placing.BETWEEN
    assert codec.compress(cloud) == octree.compress(cloud)
    theirs = octree.decompress(octree.compress(cloud)).points
    np.testing.assert_array_equal(codec.decompress(octree.compress(cloud)).points, theirs)


def test_no_file_is_worse_than_the_octree_at_its_edge(seed: int) -> None:
    codec = codec_of(module_of(seed))
    source = EmbeddedObjects()
    for name in list(source.point_counts)[:3]:
        points = source.read(name).points
        ours, theirs = (
            max(mean_dist2(points, made), mean_dist2(made, points))
            for each in (codec, OctreeCodec(codec.options))
            for made in [each.decompress(each.compress(points)).points]
        )
        assert ours <= theirs * (1 + 1e-9)


def test_its_files_are_its_own(cloud: NDArray[np.float64], seed: int) -> None:
    codec, other = codec_of(module_of(seed)), codec_of(module_of(seed + 1))
    data = learned(codec, cloud)
    octree = OctreeCodec(OctreeOptions(tables=general_tables()))
    for reader in (other, octree):
        with pytest.raises(WrongCodecError):
            reader.decompress(data)
    untrained = OctreeCodec(OctreeOptions())
    with pytest.raises(WrongCodecError):
        codec.decompress(untrained.compress(cloud))


def test_a_codec_of_the_package_tells_a_number_of_four_bits(cloud: NDArray[np.float64]) -> None:
    """Of all others files have the first 2 bytes of the id."""
    (name, *_) = NUMBERED
    shipped = open_any(shipped_folder(name))
    assert isinstance(shipped, VoxelCodec)
    assert shipped.number == 0
    data = learned(shipped, cloud)
    frame, _ = read_file(data)
    assert (frame.network, frame.codec_id) == (0, None)
    own = codec_of(module_of(1), shipped.options)
    assert len(learned(own, cloud)) - len(data) in (1, 2)
    for reader in (own, OctreeCodec(shipped.options)):
        with pytest.raises(WrongCodecError, match="number 0 that comes with the program"):
            reader.decompress(data)


def test_changed_files_are_refused(cloud: NDArray[np.float64], seed: int) -> None:
    codec = codec_of(module_of(seed))
    data = learned(codec, cloud)
    rng = np.random.default_rng(seed)
    for _ in range(200):
        changed = bytearray(data)
        changed[rng.integers(len(data))] ^= int(rng.integers(1, 256))
        try:
            codec.decompress(bytes(changed), most_points=1 << 20)
        except CodecError:
            continue
        pytest.fail("a changed byte was not noticed")


@pytest.mark.parametrize(
    "wish", [OctreeWish(depth=5), OctreeWish(edge=0.03), OctreeWish(counts="exact")]
)
def test_it_is_asked_for_other_rates(
    wish: OctreeWish, cloud: NDArray[np.float64], seed: int, tmp_path: Path
) -> None:
    """One folder, many rates: the network and its id stay."""
    codec = codec_of(module_of(seed))
    save_codec(codec, tmp_path / "codec", {})
    asked = open_any(tmp_path / "codec", wish)
    assert isinstance(asked, VoxelCodec)
    assert asked.codec_id == codec.codec_id
    own, other = learned(codec, cloud), learned(asked, cloud)
    assert len(own) != len(other)
    decoded = codec.decompress(other).points
    assert len(decoded) == len(cloud)
    coded = asked.read(other)
    if wish.counts:
        _, expected = np.unique(
            np.floor(cloud / coded.frame.edge + 0.5), axis=0, return_counts=True
        )
        assert sorted(coded.counts.tolist()) == sorted(expected.tolist())


def test_a_diverged_network_is_told(cloud: NDArray[np.float64], seed: int) -> None:
    module = module_of(seed)
    with torch.no_grad():
        module.network.fold.weight[0, 0] = torch.nan
    with pytest.raises(UncodableError, match="diverged"):
        codec_of(module).compress(cloud)


def test_one_point_and_points_of_a_grid_come_back(seed: int) -> None:
    codec = codec_of(module_of(seed), OctreeOptions(edge=0.25))
    np.testing.assert_array_equal(
        codec.decompress(codec.compress(np.zeros((1, 3)))).points, [[0.0] * 3]
    )
    rng = np.random.default_rng(seed)
    grid = np.unique(rng.integers(-9, 9, (200, 3)), axis=0) * 0.25
    decoded = codec.decompress(codec.compress(grid)).points
    np.testing.assert_array_equal(np.unique(decoded, axis=0), np.unique(grid, axis=0))
