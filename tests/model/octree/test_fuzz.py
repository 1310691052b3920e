"""Octree files that no encoder wrote: a typed error or a cloud, soon and in little memory."""

from __future__ import annotations

import binascii
import struct
import sys
import time
import tracemalloc
import zlib
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest

from model.container import POINTS_PER_BYTE
from model.errors import CodecError
from model.native.library import library
from model.octree import coding
from model.octree.codec import OctreeCodec, OctreeOptions
from model.octree.frame import LONG_FILE, Counts, Frame, Placing, read_file, write_file
from tests.model.octree.test_codec import trained
from tests.model.support import surface
from tests.model.test_fuzz import MUTATIONS, peak_mib

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Draw = np.random.Generator

LONGEST_S = 2.0
"""CPU time for one file of less than a kilobyte; valid ones take milliseconds."""
WITHOUT_KERNEL = 300
"""How much slower the plain twin may be, where there is no C++ compiler."""
MOST_MIB = 256
"""Growth of the process over all of them."""
CODECS = ("plain", "trained")


@cache
def codec_of(kind: str) -> OctreeCodec:
    return OctreeCodec(OctreeOptions(tables=trained() if kind == "trained" else None))


def valid_files(kind: str, draw: Draw) -> list[bytes]:
    """Of sheets, heaps, strays and blocks, in every mode."""
    tables = codec_of(kind).options.tables
    sheet = surface(int(draw.integers(1 << 30)), 400).astype(np.float64)
    clouds = [
        sheet,
        np.round(sheet * 9) + np.array([0.0, 1e6, -1e9]),
        np.repeat(sheet[:5], 200, axis=0),
        draw.normal(size=(60, 3)),
        np.stack(np.meshgrid(*[np.arange(6.0)] * 3), axis=-1).reshape(-1, 3),
        sheet[:1],
    ]
    files = []
    for number, cloud in enumerate(clouds):
        for counts in ("none", "exact", "coarse"):
            for placing in ("centres", "between"):
                share = 2.0 ** draw.uniform(-7.0, -1.0)
                options = OctreeOptions(
                    edge=1.0 if number in (1, 4) else None,
                    edge_of_longest_side=None if number in (1, 4) else share,
                    counts=counts,
                    placing=placing,
                    tables=tables,
                )
                files.append(OctreeCodec(options).compress(cloud))
    return files


def triple(numbers: NDArray[np.int64]) -> tuple[int, int, int]:
    x, y, z = numbers.tolist()
    return x, y, z


def sealed(content: bytes) -> bytes:
    """With the checksum put right."""
    if len(content) + 2 < LONG_FILE:
        return content + struct.pack("<H", binascii.crc_hqx(content, 0xFFFF))
    return content + struct.pack("<I", zlib.crc32(content))


def mutated(kind: str, files: list[bytes], draw: Draw) -> bytes:
    """Bytes changed, most often with the checksum put right again."""
    del kind
    data = bytearray(files[draw.integers(len(files))])
    for _ in range(draw.integers(1, 4)):
        if data:
            MUTATIONS[draw.integers(len(MUTATIONS))](data, draw, files[draw.integers(len(files))])
    return sealed(bytes(data[:-2])) if draw.random() < 0.9 else bytes(data)


def odd_frame(kind: str, files: list[bytes], draw: Draw) -> bytes:
    """A field of the head is another than that of the file."""
    del kind
    frame, stream = read_file(files[draw.integers(len(files))])
    axis = int(draw.integers(3))

    def boxed(extent: int) -> Frame:
        box = np.array(frame.box)
        box[axis] = min(max(extent, 1), 1 << 21)
        return replace(frame, box=triple(box))

    changes: list[Callable[[], Frame]] = [
        lambda: replace(frame, points=int(2.0 ** draw.uniform(0.0, 40.0))),
        lambda: replace(frame, points=max(1, frame.points + int(draw.integers(-3, 4)))),
        lambda: replace(frame, edge=float(2.0 ** draw.uniform(-1074.0, 1023.0))),
        lambda: replace(frame, corner=triple(draw.integers(-(1 << 52), 1 << 52, 3))),
        lambda: boxed(frame.box[axis] + int(draw.integers(-3, 4))),
        lambda: boxed(int(2.0 ** draw.uniform(0.0, 21.0))),
        lambda: replace(frame, counts=Counts(int(draw.integers(3)))),
        lambda: replace(frame, placing=Placing(int(draw.integers(2)))),
        lambda: replace(frame, codec_id=draw.bytes(2) if draw.random() < 0.5 else None),
    ]
    changed = changes[draw.integers(len(changes))]()
    return write_file(changed, stream, int(2.0 ** draw.uniform(0.0, 16.0)))


def odd_stream(kind: str, files: list[bytes], draw: Draw) -> bytes:
    """The octree's bytes are changed, and all around them is sound."""
    del kind
    frame, stream = read_file(files[draw.integers(len(files))])
    _, other = read_file(files[draw.integers(len(files))])
    data = bytearray(stream)
    for _ in range(draw.integers(1, 3)):
        if data:
            MUTATIONS[draw.integers(len(MUTATIONS))](data, draw, other or b"\0")
    return write_file(frame, bytes(data), int(2.0 ** draw.uniform(0.0, 12.0)))


def made_up(kind: str, files: list[bytes], draw: Draw) -> bytes:
    """A head of any kind before the stream of any octree, or before noise."""
    del files
    depth = int(draw.integers(0, 22 if draw.random() < 0.2 else 6))
    box = np.minimum(draw.integers(1, (1 << depth) + 1, 3), 1 << depth)
    box[draw.integers(3)] = 1 << depth
    extents = triple(box)
    cells = np.unique(draw.integers(0, box, (int(draw.integers(1, 200)), 3)), axis=0)
    counts = None
    told = Counts(int(draw.integers(3)))
    if told != Counts.NONE:
        most = draw.uniform(0.0, 20.0 if draw.random() < 0.2 else 4.0)
        counts = (2.0 ** draw.uniform(0.0, most, len(cells))).astype(np.int64)
    codec = codec_of(kind)
    in_order = cells[coding.morton_order(cells)]
    stream = coding.encode(in_order, counts, depth, extents, codec.options.tables)
    if draw.random() < 0.3:
        stream = draw.bytes(len(stream))
    frame = Frame(
        points=int(counts.sum() if counts is not None else 2.0 ** draw.uniform(8.0, 30.0)),
        edge=float(2.0 ** draw.integers(-60, 60)),
        corner=triple(draw.integers(-1000, 1000, 3)),
        box=extents,
        counts=told,
        placing=Placing(int(draw.integers(2))),
        codec_id=None if codec.options.tables is None else codec.codec_id[:2],
    )
    decoded = frame.points if told == Counts.EXACT else len(cells)
    return write_file(frame, stream, min(decoded, 1 << 22))


WAYS = {"bytes": mutated, "frame": odd_frame, "stream": odd_stream, "made up": made_up}


def fuzz(kind: str, seed: int, mutations: int) -> None:
    draw = np.random.default_rng(seed)
    codec = codec_of(kind)
    files = valid_files(kind, draw)
    for data in files:
        codec.decompress(data)
    before, began = peak_mib(), time.process_time()
    clouds = dict.fromkeys(WAYS, 0)
    for number in range(mutations):
        way = [*WAYS][number % len(WAYS)]
        data = WAYS[way](kind, files, draw)
        where = f"{kind}, seed {seed}, {way} {number}"
        start = time.process_time()
        try:
            decoded = codec.decompress(data)
        except CodecError:
            pass
        else:
            clouds[way] += 1
            assert np.isfinite(decoded.points).all(), where
            assert 1 <= len(decoded.points) <= POINTS_PER_BYTE * len(data), where
        spent = time.process_time() - start
        most_s = (LONGEST_S + 1e-3 * len(data)) * (WITHOUT_KERNEL if library() is None else 1)
        assert spent < most_s, f"{where}: {spent:.1f} s for {data.hex()}"
    grown = peak_mib() - before
    sys.stdout.write(f"{kind}, seed {seed}: {mutations:,} files, of these clouds {clouds}, ")
    sys.stdout.write(f"{time.process_time() - began:.0f} s, +{grown:.0f} MiB\n")
    assert sum(clouds.values()) >= mutations // 50, "the fuzz must reach the points too"
    assert grown < MOST_MIB


@pytest.mark.parametrize("kind", CODECS)
def test_mutated_files(kind: str, seed: int) -> None:
    fuzz(kind, seed, 1000 if library() else 100)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("kind", CODECS)
def test_fifty_thousand_mutated_files_each(kind: str, seed: int) -> None:
    fuzz(kind, seed, 50_000)


@pytest.mark.skipif(library() is None, reason="the plain twin takes minutes for so many voxels")
@pytest.mark.parametrize("byte", [0x00, 0xFF, 0x55, 0x80])
@pytest.mark.parametrize("kib", [1, 8])
@pytest.mark.parametrize("counts", [Counts.NONE, Counts.EXACT])
def test_work_and_memory_stay_in_proportion_to_the_file(
    byte: int, kib: int, counts: Counts
) -> None:
    """Files that claim as many points as there may be, and say one thing all along."""
    stream = bytes([byte]) * (1024 * kib)
    frame = Frame(1 << 40, 1.0, (0, 0, 0), (1 << 21,) * 3, counts, Placing.BETWEEN)
    data = write_file(frame, stream, 1)
    tracemalloc.start()
    start = time.process_time()
    try:
        decoded = len(codec_of("plain").decompress(data).points)
    except CodecError:
        decoded = 0
    elapsed_s = time.process_time() - start
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert decoded <= POINTS_PER_BYTE * len(data)
    # Each of 512 points a byte may take a few hundred bytes while it is made.
    assert peak < (64 << 20) + 512 * 300 * len(data)
    assert elapsed_s < 2.0 + 0.02 * len(data)
