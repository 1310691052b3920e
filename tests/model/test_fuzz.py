"""Files that no encoder wrote: a typed error or a cloud, soon and in little memory."""

from __future__ import annotations

import resource
import struct
import sys
import time
import tracemalloc
import zlib
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest

from model.cloud_codec import CloudCodec
from model.config import ModelConfig
from model.container import POINTS_PER_BYTE, Header, write_file
from model.errors import CodecError, DamagedFileError
from model.partition import PartitionConfig, partition
from model.patch_coder import PatchCoder
from model.placement import Placement
from model.rans import SymbolWriter
from model.structure import PatchSizes, write_leaves
from tests.model.drawn_files import CHANGES, drawn_file
from tests.model.support import fresh_codec, surface

if TYPE_CHECKING:
    from collections.abc import Callable

    Draw = np.random.Generator

LONGEST_S = 2.0
"""CPU time for one file of less than a kilobyte; valid ones take 10 ms."""
MOST_MIB = 256
"""Growth of the process over all of them."""
CUTTING = PartitionConfig(min_points=30, max_points=120, voxel_depth=4)
MODES = {
    "default": ModelConfig(hidden_dim=8, max_upsample_num=(4, 4, 4)),
    "float16": ModelConfig(hidden_dim=8, max_upsample_num=(4, 4, 4), quantize_latent_xyzs=False),
    "normals": ModelConfig(hidden_dim=8, max_upsample_num=(4, 4, 4), compress_normal=True),
    "edges": ModelConfig(
        hidden_dim=8,
        max_upsample_num=(4, 4, 4),
        latent_xyzs_conv_mode="edge_conv",
        sub_point_conv_mode="edge_conv",
    ),
}


@cache
def codec_of(mode: str) -> CloudCodec:
    return CloudCodec(PatchCoder.freeze(fresh_codec(1, config=MODES[mode])), CUTTING)


def valid_files(codec: CloudCodec, draw: Draw) -> list[bytes]:
    files = []
    for count in (1, 20, 60, 200, 400):
        points = surface(int(draw.integers(1 << 30)), count).astype(np.float64)
        points[: count // 5] = draw.uniform(-1.0, 1.0, (count // 5, 3))
        normals = np.ones((count, 3), np.float32) if codec.coder.config.compress_normal else None
        files.append(codec.compress(points, normals))
    return files


def flip_bits(data: bytearray, draw: Draw, _: bytes) -> None:
    for _bit in range(draw.integers(1, 4)):
        data[draw.integers(len(data))] ^= 1 << int(draw.integers(8))


def set_bytes(data: bytearray, draw: Draw, _: bytes) -> None:
    start, length = draw.integers(len(data)), draw.integers(1, 9)
    value = int(draw.choice([0, 0x7F, 0x80, 0xFF, draw.integers(256)]))
    data[start : start + length] = bytes([value]) * len(data[start : start + length])


def cut(data: bytearray, draw: Draw, _: bytes) -> None:
    start = draw.integers(len(data))
    del data[start : start + draw.integers(1, len(data) + 1)]


def insert(data: bytearray, draw: Draw, _: bytes) -> None:
    start = draw.integers(len(data) + 1)
    data[start:start] = draw.bytes(int(draw.integers(1, 20)))


def splice(data: bytearray, draw: Draw, other: bytes) -> None:
    data[draw.integers(len(data)) :] = other[draw.integers(len(other)) :]


def repeat(data: bytearray, draw: Draw, _: bytes) -> None:
    start = draw.integers(len(data))
    data[start:start] = data[start : start + draw.integers(1, 40)] * int(draw.integers(1, 8))


MUTATIONS: list[Callable[[bytearray, Draw, bytes], None]] = [
    flip_bits,
    set_bytes,
    cut,
    insert,
    splice,
    repeat,
]


def mutate(files: list[bytes], draw: Draw) -> bytes:
    """A valid file after one to three mutations, most often with the checksum put right again."""
    data = bytearray(files[draw.integers(len(files))])
    for _ in range(draw.integers(1, 4)):
        if data:
            MUTATIONS[draw.integers(len(MUTATIONS))](data, draw, files[draw.integers(len(files))])
    if draw.random() < 0.9:
        data[-4:] = struct.pack("<I", zlib.crc32(data[:-4]))
    return bytes(data)


def make_up(codec: CloudCodec, draw: Draw) -> bytes:
    """A well-formed file whose symbols no encoder chose, some of them far outside their tables."""
    tables, config = codec.coder.tables, codec.coder.config
    cloud = draw.uniform(0.0, 100.0, (int(draw.integers(1, 300)), 3))
    leaves = partition(cloud, CUTTING).leaves
    writer = SymbolWriter()
    write_leaves(writer, leaves, CUTTING)
    voxels = int((~leaves.is_patch).sum())
    if config.compress_normal:
        writer.uniform(draw.integers(0, 256, 3 * voxels, np.uint8))
    patch_sizes = PatchSizes(CUTTING, config.downsample_rate)
    sizes = patch_sizes.writer(writer)
    for _ in range(len(leaves.key) - voxels):
        count = patch_sizes.latent_count(int(draw.integers(30, 121)))
        sizes.write(count)
        shape = (count, config.symbol_channels)
        reach = 2.0 ** draw.uniform(0.0, 23.0, shape)
        writer.table((draw.normal(size=shape) * reach / 4).astype(np.int32), tables)
        if not config.quantize_latent_xyzs:
            writer.uniform(draw.integers(0, 0x3C01, 3 * count, np.uint16))
    header = Header(
        codec_id=codec.codec_id,
        points=int(draw.integers(len(cloud), 200_000)),
        placement=Placement(2.0 ** int(draw.integers(-126, 127)), (0, -(1 << 57), 1 << 57)),
        voxel_depth=4,
        normals=config.compress_normal,
        float16_coordinates=not config.quantize_latent_xyzs,
    )
    return write_file(header, writer.finish())


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def fuzz(mode: str, seed: int, mutations: int) -> None:
    draw = np.random.default_rng(seed)
    codec = codec_of(mode)
    files = valid_files(codec, draw)
    for data in files:
        codec.decompress(data)
    before = peak_mib()
    clouds = 0
    for number in range(mutations):
        data = make_up(codec, draw) if number % 20 == 0 else mutate(files, draw)
        start = time.process_time()
        try:
            decoded = codec.decompress(data)
        except CodecError:
            pass
        else:
            clouds += 1
            assert np.isfinite(decoded.points).all(), f"mutation {number}"
            assert len(decoded.points) <= 64 * decoded.original_points, f"mutation {number}"
        assert time.process_time() - start < LONGEST_S, f"mutation {number}: {data.hex()}"
    assert clouds >= mutations // 100, "the fuzz must reach the network too"
    assert peak_mib() - before < MOST_MIB


@pytest.mark.parametrize("mode", MODES)
def test_mutated_files(mode: str, seed: int) -> None:
    fuzz(mode, seed, 2000 if mode == "default" else 500)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("mode", MODES)
def test_a_hundred_thousand_mutated_files(mode: str, seed: int) -> None:
    fuzz(mode, seed, 100_000 if mode == "default" else 20_000)


def check(codec: CloudCodec, data: bytes, where: str) -> bool:
    """Decode a file: a typed error or a sound cloud, soon; say which."""
    start = time.process_time()
    decoded = None
    with suppress(CodecError):
        decoded = codec.decompress(data)
    spent = time.process_time() - start
    assert spent < LONGEST_S + 1e-3 * len(data), f"{where}: {spent:.1f} s for {data.hex()}"
    if decoded is None:
        return False
    assert np.isfinite(decoded.points).all(), where
    assert len(decoded.points) <= 64 * decoded.original_points, where
    if codec.coder.config.compress_normal:
        assert decoded.normals is not None
        assert decoded.normals.shape == decoded.points.shape, where
    return True


def fuzz_drawn(mode: str, seed: int, files: int) -> None:
    """Files whose own reader has asked for all that is in them, as they are and changed."""
    codec = codec_of(mode)
    check(codec, drawn_file(codec, np.random.default_rng(0)).data, "the first")
    before, began = peak_mib(), time.process_time()
    found = dict.fromkeys(("whole", *CHANGES), 0)
    for number in range(files):
        where = f"{mode}, seed {seed}, file {number}"
        draw = np.random.default_rng([seed, number])
        kind = ("whole", *CHANGES)[number % (1 + len(CHANGES))]
        if kind == "whole":
            drawn = drawn_file(codec, draw)
            if drawn.is_whole:  # What was asked for, and nothing else, is in it.
                codec.read(drawn.data)
            data = drawn.data
        else:
            data = CHANGES[kind](codec, draw)
            if number % 3 == 0:
                data = mutate([data], draw)
        found[kind] += check(codec, data, where)
    grown = peak_mib() - before
    sys.stdout.write(f"{mode}, seed {seed}: {files:,} files, of these clouds {found}, ")
    sys.stdout.write(f"{time.process_time() - began:.0f} s, +{grown:.0f} MiB\n")
    assert found["whole"] >= files // 100, "the fuzz must reach the network too"
    assert grown < MOST_MIB


@pytest.mark.parametrize("mode", MODES)
def test_files_that_their_reader_asked_for(mode: str, seed: int) -> None:
    fuzz_drawn(mode, seed, 200)


@pytest.mark.slow
@pytest.mark.timeout(36000)
@pytest.mark.parametrize("mode", MODES)
def test_fifty_thousand_files_that_their_reader_asked_for(
    mode: str, seed: int, pytestconfig: pytest.Config
) -> None:
    fuzz_drawn(mode, seed, pytestconfig.getoption("--files") // len(MODES))


@pytest.mark.parametrize("word", [0x00000000, 0x80000000, 0xFFFFFFFF, 0x7FFFFFFF, 0x0000FFFF])
@pytest.mark.parametrize("kib", [1, 4])
def test_work_and_memory_stay_in_proportion_to_the_file(word: int, kib: int) -> None:
    """Files that claim as many points as their length allows, and say one thing all along."""
    codec = codec_of("default")
    stream = np.full(256 * kib, word, dtype="<u4").tobytes()
    header = Header(
        codec_id=codec.codec_id,
        points=POINTS_PER_BYTE * len(stream),
        placement=Placement(1.0, (0, 0, 0)),
        voxel_depth=20,
        normals=False,
        float16_coordinates=False,
    )
    data = write_file(header, stream)
    tracemalloc.start()
    start = time.process_time()
    with pytest.raises(DamagedFileError):
        codec.read(data)
    elapsed_s = time.process_time() - start
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # A symbol costs 1/44 bit or more: 352 a byte, each of which may name a voxel.
    assert peak < (1 << 20) + 20_000 * len(data)
    assert elapsed_s < 1.0 + 0.02 * len(data)
