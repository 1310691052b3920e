from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from model.cloud_codec import CloudCodec
from model.codec_folder import save_codec
from model.config import ModelConfig
from model.container import MAGIC
from model.errors import CodecError, DamagedFileError, WrongCodecError
from model.hierarchy import build_hierarchy
from model.overhead import NORMAL_BITS, overhead_bits
from model.partition import PartitionConfig, partition
from model.patch_coder import PatchCoder, Tables
from model.placement import place
from tests.model.support import fresh_codec, surface
from tests.model.test_partition import FAR_CLOUDS, NAMES, far_cloud, shapes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Points = NDArray[np.float64]

ROOT = Path(__file__).parent.parent.parent
CUTTING = PartitionConfig(min_points=50, max_points=600, voxel_depth=4)
MODES = {
    "default": ModelConfig(hidden_dim=8),
    "float16": ModelConfig(hidden_dim=8, quantize_latent_xyzs=False),
    "edges": ModelConfig(
        hidden_dim=8, latent_xyzs_conv_mode="edge_conv", sub_point_conv_mode="edge_conv"
    ),
    "normals": ModelConfig(hidden_dim=8, compress_normal=True),
    "two stages": ModelConfig(hidden_dim=8, downsample_rate=(0.25, 0.5), max_upsample_num=(8, 4)),
}


def new_codec(mode: str = "default") -> CloudCodec:
    return CloudCodec(PatchCoder.freeze(fresh_codec(7, config=MODES[mode])), CUTTING)


codec_of = cache(new_codec)


def cloud(seed: int, mode: str = "default") -> tuple[Points, NDArray[np.float32] | None]:
    """A sheet with strays around it, and unit normals where the mode wants them."""
    draw = np.random.default_rng(seed)
    strays = draw.uniform(-1.0, 1.0, (30, 3))
    points = np.concatenate([surface(seed, 3000), strays]) * 40.0 + [500.0, -20.0, 3.0]
    normals = draw.normal(size=points.shape).astype(np.float32)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return points, normals if mode == "normals" else None


@pytest.mark.parametrize("mode", MODES)
def test_a_file_gives_back_what_the_network_makes(mode: str, seed: int) -> None:
    codec = codec_of(mode)
    points, normals = cloud(seed, mode)
    decoded = codec.decompress(codec.compress(points, normals))

    placement = place(points, "cloud")
    cut = partition(placement.to_scaled(points), CUTTING)
    config = codec.coder.config
    expected: list[Points] = []
    expected_normals = []
    for cube in cut.patches:
        of_cube = None if normals is None else normals[cube.members]
        hierarchy = build_hierarchy(cube.points, config.downsample_rate, config.k, of_cube)
        xyz, made_normals = codec.coder.decode(codec.coder.encode(hierarchy))
        inside = xyz.clip(-1.0, 1.0).astype(np.float64)
        expected.append(inside * cube.half_width + cube.centre)
        if made_normals is not None:
            expected_normals.append(made_normals)
    expected.append(cut.voxels)
    np.testing.assert_array_equal(decoded.points, placement.to_original(np.concatenate(expected)))
    assert decoded.original_points == len(points)
    if normals is None or decoded.normals is None:
        assert normals is None is decoded.normals
        return
    made = np.concatenate(expected_normals)
    np.testing.assert_array_equal(decoded.normals[: len(made)], made)
    starts = pairwise([*cut.voxel_starts, len(cut.voxel_members)])
    for (start, end), coded in zip(starts, decoded.normals[len(made) :], strict=True):
        mean = normals[cut.voxel_members[start:end]].mean(axis=0)
        np.testing.assert_allclose(coded, mean / np.linalg.norm(mean), atol=0.5 / 127 + 1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_every_point_is_represented(name: str, seed: int) -> None:
    codec = codec_of()
    points = shapes(seed)[name]
    decoded = codec.decompress(codec.compress(points))
    assert np.isfinite(decoded.points).all()
    placement = place(points, name)
    scaled = placement.to_scaled(decoded.points)
    last = CUTTING.cube_size * CUTTING.cubes_per_side
    # What float64 cannot tell apart where the cloud lies.
    rounding = 1e-9 + 1e-13 * np.abs(points).max() / placement.side
    assert scaled.min() >= -rounding
    assert scaled.max() <= last + rounding

    cut = partition(placement.to_scaled(points), CUTTING)
    voxels = decoded.points[len(decoded.points) - len(cut.voxels) :]
    counts = np.diff(cut.voxel_starts, append=len(cut.voxel_members))
    off = np.abs(points[cut.voxel_members] - np.repeat(voxels, counts, axis=0))
    edge = CUTTING.cube_size / 2**CUTTING.voxel_depth * placement.side / 100
    assert (off <= edge / 2 + rounding * placement.side).all()
    for cube in cut.patches:
        inside = np.abs(scaled - cube.centre).max(axis=1) <= cube.half_width + rounding
        assert inside.any()


@pytest.mark.parametrize(("seed", "exponent"), FAR_CLOUDS)
def test_a_far_cloud_is_read_back(seed: int, exponent: float) -> None:
    """Float16 latent points must lie in their patches, where float64 is coarse too."""
    codec = CloudCodec(codec_of("float16").coder, PartitionConfig(12.5, 20, 100, voxel_depth=4))
    points = far_cloud(seed, exponent)
    decoded = codec.decompress(codec.compress(points)).points
    assert np.abs(decoded - points.mean(axis=0)).max() <= np.ptp(points, axis=0).max()


def test_one_point_is_exact() -> None:
    point = np.array([[448_262.123456789, 5_411_932.7, -214.0]])
    codec = codec_of()
    data = codec.compress(point)
    decoded = codec.decompress(data).points
    np.testing.assert_allclose(decoded, point, rtol=0, atol=5_411_932.7 * 2**-40)
    assert len(data) < 60


@pytest.mark.parametrize("mode", ["default", "float16", "normals"])
def test_the_same_file_from_shuffled_points(mode: str, seed: int) -> None:
    codec = codec_of(mode)
    points, normals = cloud(seed, mode)
    points[100:200] = points[:100]  # equal points, with other normals
    order = np.random.default_rng(seed).permutation(len(points))
    shuffled = None if normals is None else normals[order]
    assert codec.compress(points[order], shuffled) == codec.compress(points, normals)


def test_normals_in_double_precision_are_the_same(seed: int) -> None:
    codec = codec_of("normals")
    points, normals = cloud(seed, "normals")
    assert normals is not None
    doubled = normals.astype(np.float64)
    assert codec.compress(points, doubled) == codec.compress(points, normals)  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["default", "edges"])
def test_the_same_file_and_cloud_in_another_process(mode: str, tmp_path: Path, seed: int) -> None:
    codec = codec_of(mode)
    points, _ = cloud(seed, mode)
    data = codec.compress(points)
    save_codec(codec, tmp_path / "codec", {})
    np.save(tmp_path / "points.npy", points)
    script = (
        "import sys, numpy, torch; from pathlib import Path\n"
        "from model.codec_folder import load_codec\n"
        "folder = Path(sys.argv[1]); torch.set_num_threads(2)\n"
        "codec = load_codec(folder / 'codec').codec\n"
        "data = codec.compress(numpy.load(folder / 'points.npy'))\n"
        "(folder / 'file').write_bytes(data)\n"
        "numpy.save(folder / 'decoded.npy', codec.decompress(data).points)\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", script, str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, env=os.environ | {"OMP_NUM_THREADS": "2"})
    assert (tmp_path / "file").read_bytes() == data
    decoded = codec.decompress(data).points
    np.testing.assert_array_equal(np.load(tmp_path / "decoded.npy"), decoded)


def test_threads_are_left_as_they_were(seed: int) -> None:
    codec = codec_of()
    points, _ = cloud(seed)
    data = codec.compress(points)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert codec.compress(points) == data
        codec.decompress(data)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("mode", ["default", "float16", "normals"])
def test_cut_anywhere(mode: str, seed: int) -> None:
    codec = codec_of(mode)
    points, normals = cloud(seed, mode)
    some = slice(0, 400)
    data = codec.compress(points[some], None if normals is None else normals[some])
    for length in range(len(data)):
        with pytest.raises(DamagedFileError):
            codec.decompress(data[:length])


def test_patches_are_told_as_they_are_done(seed: int) -> None:
    codec = codec_of()
    points, _ = cloud(seed)
    told: list[tuple[int, int]] = []
    data = codec.compress(points, progress=lambda done, of: told.append((done, of)))
    assert told == [(number, len(told)) for number in range(1, len(told) + 1)]
    back: list[tuple[int, int]] = []
    codec.decompress(data, progress=lambda done, of: back.append((done, of)))
    assert back == told


def test_the_id_stands_for_all_that_decoding_depends_on() -> None:
    codec = codec_of()
    assert codec.codec_id == new_codec().codec_id
    assert len(codec.codec_id) == 4
    finer = dataclasses.replace(CUTTING, voxel_depth=6)
    assert CloudCodec(codec.coder, finer).codec_id == codec.codec_id
    other_cut = dataclasses.replace(CUTTING, min_points=51)
    tables = codec.coder.tables
    shifted = Tables(tables.cdf, tables.cdf_length, tables.offset + 1)
    changed = new_codec()
    with torch.no_grad():
        next(changed.coder.codec.parameters())[0] += 1e-3
    others = [
        CloudCodec(codec.coder, other_cut),
        CloudCodec(PatchCoder(codec.coder.codec, shifted), CUTTING),
        changed,
        codec_of("edges"),
    ]
    assert len({codec.codec_id, *(other.codec_id for other in others)}) == 5


def test_another_codecs_file_is_refused(seed: int) -> None:
    ours, other = codec_of(), codec_of("float16")
    data = ours.compress(cloud(seed)[0])
    with pytest.raises(WrongCodecError) as info:
        other.decompress(data)
    assert ours.codec_id.hex() in str(info.value)
    assert other.codec_id.hex() in str(info.value)


def test_a_file_carries_its_voxel_depth(seed: int) -> None:
    codec = codec_of()
    finer = CloudCodec(codec.coder, dataclasses.replace(CUTTING, voxel_depth=8))
    data = finer.compress(cloud(seed)[0])
    np.testing.assert_array_equal(codec.decompress(data).points, finer.decompress(data).points)


@pytest.mark.parametrize("mode", ["default", "normals"])
def test_overhead_and_latents_are_the_whole_file(mode: str, seed: int) -> None:
    codec = codec_of(mode)
    excess = []
    for count in range(200, 1200, 40):
        points, normals = cloud(seed, mode)
        points, normals = points[-count:], None if normals is None else normals[-count:]
        data = codec.compress(points, normals)
        placement = place(points, "cloud")
        cut = partition(placement.to_scaled(points), CUTTING)
        config = codec.coder.config
        of_latents = 0.0
        for latents in codec.read(data).latents:
            of_latents += table_bits(latents.symbols, codec.coder.tables)
        overhead = overhead_bits(cut, placement, CUTTING, config.downsample_rate)
        overhead += NORMAL_BITS * len(cut.voxels) if config.compress_normal else 0
        excess.append(8 * len(data) - overhead - of_latents)
    assert np.abs(excess).max() <= 18.0
    assert abs(np.mean(excess)) <= 8.0


def table_bits(symbols: NDArray[np.int32], tables: Tables) -> float:
    slot = symbols - tables.offset
    assert ((slot >= 0) & (slot < tables.cdf_length - 2)).all(), "no escapes here"
    column = np.broadcast_to(np.arange(symbols.shape[1]), symbols.shape)
    share = (tables.cdf[column, slot + 1] - tables.cdf[column, slot]) / 65536
    return float(-np.log2(share).sum())


@pytest.mark.parametrize(
    ("mode", "points", "normals", "sentence"),
    [
        ("default", np.zeros((0, 3)), None, "the cloud has none"),
        ("default", np.full((9, 3), np.nan), None, "9 of the 9 points of the cloud have NaN"),
        ("default", np.zeros((9, 2)), None, r"must be \(n, 3\), not \(9, 2\)"),
        ("default", np.zeros((9, 3)), np.ones((9, 3)), "does not code normals; leave them out"),
        ("normals", np.zeros((9, 3)), None, "codes normals, and the cloud has none"),
        ("normals", np.zeros((9, 3)), np.ones((8, 3)), r"\(9, 3\), and are \(8, 3\)"),
        ("normals", np.zeros((9, 3)), np.full((9, 3), np.inf), "normals must be finite"),
        ("normals", np.zeros((9, 3)), np.full((9, 3), 1e300), "normals must be finite"),
    ],
)
def test_what_cannot_be_coded_is_refused(
    mode: str, points: Points, normals: NDArray[np.float32] | None, sentence: str
) -> None:
    with pytest.raises(CodecError, match=sentence):
        codec_of(mode).compress(points, normals)


def test_a_codec_that_makes_no_points_is_told(seed: int) -> None:
    codec = new_codec()
    data = codec.compress(cloud(seed)[0])
    assert data.startswith(MAGIC)
    coded = codec.read(data)
    with torch.no_grad():
        for parameter in codec.coder.codec.decoder.parameters():
            parameter.fill_(float("nan"))
    with pytest.raises(DamagedFileError, match="points must be finite"):
        list(codec.parts(coded))
