"""The program against the page that describes its files."""

from __future__ import annotations

import numpy as np
import pytest

from model.cloud_codec import CloudCodec
from model.errors import DamagedFileError
from model.morton import separate
from model.partition import PartitionConfig
from tests.model import plain_reader
from tests.model.test_cloud_codec import MODES, cloud, codec_of
from tests.model.test_fuzz import codec_of as fuzzed_codec
from tests.model.test_fuzz import make_up
from tests.model.test_partition import NAMES, shapes


def plain(codec: CloudCodec) -> plain_reader.Codec:
    tables = codec.coder.tables
    return plain_reader.Codec(
        cube_size=codec.partition.cube_size,
        min_points=codec.partition.min_points,
        downsample_rate=codec.coder.config.downsample_rate,
        tables=[
            (cdf[:length].tolist(), int(offset))
            for cdf, length, offset in zip(
                tables.cdf, tables.cdf_length, tables.offset, strict=True
            )
        ],
    )


def assert_read_alike(codec: CloudCodec, data: bytes) -> None:
    ours, theirs = codec.read(data), plain_reader.read(data, plain(codec))
    header, leaves = ours.header, ours.leaves
    assert (theirs.codec_id, theirs.points) == (header.codec_id, header.points)
    assert (theirs.side, theirs.centre) == (header.placement.side, header.placement.centre)
    cells = np.stack([leaves.level, *separate(leaves.key)], axis=1).tolist()
    kinds = ["patch" if is_patch else "voxel" for is_patch in leaves.is_patch]
    assert theirs.leaves == [(kind, *cell) for kind, cell in zip(kinds, cells, strict=True)]
    assert theirs.symbols == [latents.symbols.tolist() for latents in ours.latents]
    sent = [latents.coordinates for latents in ours.latents]
    words = [xyz.view(np.uint16).ravel().tolist() for xyz in sent if xyz is not None]
    assert theirs.coordinates == words
    if ours.voxel_normals is not None:
        steps = np.array(theirs.normals).reshape(-1, 3)
        np.testing.assert_allclose(ours.voxel_normals, (steps - 127) / 127, atol=1e-7)


@pytest.mark.parametrize("mode", MODES)
def test_a_file_says_what_the_page_says(mode: str, seed: int) -> None:
    codec = codec_of(mode)
    points, normals = cloud(seed, mode)
    some = slice(2300, None)
    assert_read_alike(
        codec, codec.compress(points[some], None if normals is None else normals[some])
    )


@pytest.mark.parametrize("cube_size", [100.0, 22.0])
@pytest.mark.parametrize("name", NAMES)
def test_all_shapes_of_octrees(name: str, cube_size: float, seed: int) -> None:
    cutting = PartitionConfig(cube_size, min_points=40, max_points=300, voxel_depth=3)
    codec = CloudCodec(codec_of().coder, cutting)
    assert_read_alike(codec, codec.compress(shapes(seed)[name][:800]))


@pytest.mark.parametrize("mode", ["default", "float16", "normals"])
def test_symbols_far_outside_their_tables(mode: str, seed: int) -> None:
    codec = fuzzed_codec(mode)
    draw = np.random.default_rng(seed)
    read = 0
    for data in (make_up(codec, draw) for _ in range(6)):
        try:
            codec.read(data)
        except DamagedFileError:  # more points in patches than it claims
            continue
        assert_read_alike(codec, data)
        read += 1
    assert read > 0
