"""Mixed files that no encoder wrote: a typed error or a cloud, soon and in little memory."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest

from model.bag.codec import BagCodec
from model.bag.mixed_file import MOST_CELLS, MixedHeader, read_file, write_file
from model.container import POINTS_PER_BYTE
from model.errors import CodecError
from model.native.library import library
from model.partition import partition
from model.placement import Placement
from model.rans import AdaptiveBit, SymbolWriter
from model.structure import PatchSizes, write_leaves
from tests.model.bag.support import mixed_file
from tests.model.octree.test_codec import trained
from tests.model.octree.test_fuzz import WITHOUT_KERNEL
from tests.model.support import surface
from tests.model.test_fuzz import CUTTING, codec_of, mutate, peak_mib

if TYPE_CHECKING:
    from collections.abc import Callable

    Draw = np.random.Generator

LONGEST_S = 2.0
"""CPU time for one file of less than a kilobyte; valid ones take 20 ms."""
MOST_MIB = 256
"""Growth of the process over all of them."""
MODES = ("default", "float16", "edges")


@cache
def bag_of(mode: str) -> BagCodec:
    return BagCodec(codec_of(mode), 0.1, trained() if mode == "float16" else None)


def valid_files(bag: BagCodec, draw: Draw) -> list[bytes]:
    files: list[bytes] = []
    while len(files) < 4:
        count = int(draw.choice([120, 200, 400]))
        points = surface(int(draw.integers(1 << 30)), count).astype(np.float64)
        points[: count // 5] = draw.uniform(-1.0, 1.0, (count // 5, 3))
        by_octree = draw.random(len(bag.learned.encode(points).cut.patches)) < 0.5
        if by_octree.all() or not by_octree.any():
            continue
        files.append(mixed_file(bag, points, by_octree, int(draw.integers(1, 100))))
    return files


def odd_header(bag: BagCodec, files: list[bytes], draw: Draw) -> bytes:
    """A field of the header is another than that of the file."""
    del bag
    header, streams = read_file(files[draw.integers(len(files))])
    changes: list[Callable[[], MixedHeader]] = [
        lambda: replace(header, points=header.by_octree + int(2.0 ** draw.uniform(0.0, 18.0))),
        lambda: replace(header, points=header.points + int(draw.integers(1, 4))),
        lambda: replace(header, by_octree=int(draw.integers(1, header.points))),
        lambda: replace(header, cells=int(2.0 ** draw.uniform(0.0, 20.9))),
        lambda: replace(header, cells=MOST_CELLS),
        lambda: replace(header, codec_id=draw.bytes(4)),
        lambda: replace(header, placement=Placement(3e38, (1 << 58, -(1 << 58), 0))),
    ]
    return write_file(changes[draw.integers(len(changes))](), streams)


def made_up(bag: BagCodec, files: list[bytes], draw: Draw) -> bytes:
    """Well-formed up to its octree, with symbols that no encoder chose."""
    learned = bag.learned
    config = learned.coder.config
    points = int(draw.integers(100, 400))
    cut = partition(draw.uniform(0.0, 100.0, (points, 3)) * [1, 1, 0.1], CUTTING)
    leaves = cut.leaves.where(cut.leaves.is_patch | (draw.random() < 0.1))
    if not len(leaves.key):
        return files[0]
    writer = SymbolWriter()
    write_leaves(writer, leaves, CUTTING)
    model, ones = AdaptiveBit(), draw.uniform()
    bits = draw.random(len(leaves.key)) < ones
    for bit in bits.tolist():
        writer.bit(bit, model)
    patch_sizes = PatchSizes(CUTTING, config.downsample_rate)
    sizes = patch_sizes.writer(writer)
    for _ in range(int((~bits).sum())):
        count = patch_sizes.latent_count(int(draw.integers(30, 121)))
        sizes.write(count)
        shape = (count, config.symbol_channels)
        reach = 2.0 ** draw.uniform(0.0, 23.0, shape)
        symbols = (draw.normal(size=shape) * reach / 4).astype(np.int32)
        writer.table(symbols, learned.coder.tables)
        if not config.quantize_latent_xyzs:
            writer.uniform(draw.integers(0, 0x3C01, 3 * count, np.uint16))
    octree = bytes(draw.integers(0, 256, int(2.0 ** draw.uniform(0.0, 9.0)), np.uint8))
    if draw.random() < 0.5:  # One that ends where it must.
        header, streams = read_file(files[draw.integers(len(files))])
        octree = streams[-int(draw.integers(1, 40)) :]
    total = int(draw.integers(2, 200_000))
    header = MixedHeader(
        bag.codec_id,
        total,
        int(draw.integers(1, total)),
        int(2.0 ** draw.uniform(0.0, 20.9)),
        Placement(2.0 ** int(draw.integers(-126, 127)), (0, -(1 << 57), 1 << 57)),
    )
    return write_file(header, writer.finish() + octree)


def mutated(bag: BagCodec, files: list[bytes], draw: Draw) -> bytes:
    del bag
    return mutate(files, draw)


KINDS: tuple[Callable[[BagCodec, list[bytes], Draw], bytes], ...] = (
    mutated,
    mutated,
    odd_header,
    made_up,
)


def fuzz(mode: str, seed: int, count: int) -> None:
    bag = bag_of(mode)
    files = valid_files(bag, np.random.default_rng(seed))
    for data in files:
        bag.decompress(data)
    before, began, clouds = peak_mib(), time.process_time(), 0
    longest = LONGEST_S * (1 if library() else WITHOUT_KERNEL)
    for number in range(count):
        where = f"{mode}, seed {seed}, file {number}"
        draw = np.random.default_rng([seed, number])
        data = KINDS[number % len(KINDS)](bag, files, draw)
        start = time.process_time()
        try:
            decoded = bag.decompress(data)
        except CodecError:
            pass
        else:
            clouds += 1
            assert np.isfinite(decoded.points).all(), where
            learned = 16 * decoded.original_points + 8192
            assert len(decoded.points) <= learned + POINTS_PER_BYTE * len(data), where
        spent = time.process_time() - start
        assert spent < longest + 1e-3 * len(data), f"{where}: {spent:.1f} s for {data.hex()}"
    grown = peak_mib() - before
    sys.stdout.write(f"{mode}, seed {seed}: {count:,} files, of these clouds {clouds}, ")
    sys.stdout.write(f"{time.process_time() - began:.0f} s, +{grown:.0f} MiB\n")
    assert clouds >= count // 100, "the fuzz must reach the network too"
    assert grown < MOST_MIB


@pytest.mark.parametrize("mode", MODES)
def test_mutated_files(mode: str, seed: int) -> None:
    fuzz(mode, seed, 150)


@pytest.mark.slow
@pytest.mark.timeout(36000)
@pytest.mark.parametrize("mode", MODES)
def test_a_hundred_thousand_mutated_files(mode: str, seed: int) -> None:
    fuzz(mode, seed, 100_000 if mode == "default" else 20_000)
