"""docs/format.md as a program, written from that page alone: slow, simple, and sharing no code."""

from __future__ import annotations

import math
import struct
import zlib
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Codec:
    """What of a codec the page refers to; `tables` has (cdf, offset) for each symbol."""

    cube_size: float
    min_points: int
    downsample_rate: Sequence[float]
    tables: Sequence[tuple[Sequence[int], int]]


@dataclass
class Contents:
    """Header and symbols; a leaf is (kind, level, x, y, z), its cell counted at its level."""

    codec_id: bytes = b""
    points: int = 0
    side: float = 0.0
    centre: tuple[int, ...] = ()
    leaves: list[tuple[str, int, int, int, int]] = field(default_factory=list)
    normals: list[int] = field(default_factory=list)
    symbols: list[list[list[int]]] = field(default_factory=list)
    coordinates: list[list[int]] = field(default_factory=list)


class Stream:
    def __init__(self, data: bytes) -> None:
        self.words: list[int] = list(struct.unpack(f"<{len(data) // 4}I", data))
        low, high = self.words.pop(0), self.words.pop(0)
        self.state: int = high << 32 | low
        self.seen: dict[object, list[int]] = defaultdict(lambda: [1, 1])

    @property
    def slot(self) -> int:
        return self.state & 65535

    def step(self, start: int, frequency: int) -> None:
        assert start <= self.slot < start + frequency
        self.state = frequency * (self.state >> 16) + self.slot - start
        if self.state < 2**31:
            self.state = self.state << 32 | self.words.pop(0)

    def one_of(self, count: int) -> int:
        if count == 1:
            return 0
        value = self.slot * count // 65536  # this one, or the next
        value += (value + 1) * 65536 // count <= self.slot
        start = value * 65536 // count
        self.step(start, (value + 1) * 65536 // count - start)
        return value

    def adaptive(self, model: object) -> int:
        zeros, ones = self.seen[model]
        f = max(1024, min(64512, 65536 * ones // (zeros + ones)))
        bit = int(self.slot >= 65536 - f)
        self.step(65536 - f if bit else 0, f if bit else 65536 - f)
        self.seen[model][bit] += 2
        return bit

    def table(self, cdf: Sequence[int], offset: int) -> int:
        i = max(i for i in range(len(cdf) - 1) if cdf[i] <= self.slot)
        self.step(cdf[i], cdf[i + 1] - cdf[i])
        if i < len(cdf) - 2:
            return offset + i
        b = self.golomb()
        return offset + i + b // 2 if b % 2 == 0 else offset - (b + 1) // 2

    def golomb(self, model: str = "") -> int:
        k = 0
        while self.adaptive((model, k)) if model else self.one_of(2):
            k += 1
        return int("1" + "".join(str(self.one_of(2)) for _ in range(k)), 2) - 1


def read(data: bytes, codec: Codec) -> Contents:
    assert zlib.crc32(data[:-4]) == int.from_bytes(data[-4:], "little")
    assert data[:4] == b"DPC\x01"
    flags, position = data[4], 9

    def varint() -> int:
        nonlocal position
        digits: list[int] = []
        while not digits or digits[-1] >= 128:
            digits.append(data[position])
            position += 1
        return sum((digit & 127) << 7 * place for place, digit in enumerate(digits))

    contents = Contents(codec_id=data[5:9], points=varint())
    (contents.side,) = struct.unpack_from("<f", data, position)
    position += 4
    codes = [varint() for _ in range(3)]
    contents.centre = tuple(-(c + 1) // 2 if c % 2 else c // 2 for c in codes)
    stream = Stream(data[position:-4])
    read_octree(stream, codec.cube_size, flags & 31, contents)
    patches = sum(kind == "patch" for kind, *_ in contents.leaves)
    if flags & 64:
        voxels = len(contents.leaves) - patches
        contents.normals = [stream.one_of(256) for _ in range(3 * voxels)]
    least = codec.min_points
    for rate in codec.downsample_rate:
        least = max(1, round(least * rate))
    for _ in range(patches):
        count = least + stream.golomb("count")
        contents.symbols.append(
            [[stream.table(*table) for table in codec.tables] for _ in range(count)]
        )
        if flags & 128:
            contents.coordinates.append([stream.one_of(65536) for _ in range(3 * count)])
    assert stream.state == 2**31
    assert not any(stream.words)
    return contents


def read_octree(stream: Stream, cube_size: float, voxel_depth: int, contents: Contents) -> None:
    grid = math.ceil(100 / cube_size)
    cubes = math.ceil(math.log2(grid))

    def visit(level: int, cell: tuple[int, int, int], *, sparse: bool) -> None:
        if level >= cubes and not sparse:
            if stream.adaptive("A"):
                contents.leaves.append(("patch", level, *cell))
                return
            sparse = level == 21 or stream.adaptive("B") == 1
        if sparse and level >= cubes + voxel_depth:
            contents.leaves.append(("voxel", level, *cell))
            return
        halves = [(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)]
        children = [tuple(2 * c + h for c, h in zip(cell, half, strict=True)) for half in halves]
        if level < cubes:
            inside = 2 ** (cubes - level - 1)
            children = [c for c in children if max(c) * inside < grid]
        bits = ""
        for child in children:
            if child == children[-1] and "1" not in bits:
                bits += "1"
            else:
                bits += str(stream.adaptive(bits + "." if sparse else "C"))
        for child, bit in zip(children, bits, strict=True):
            if bit == "1":
                visit(level + 1, child, sparse=sparse)  # type: ignore[arg-type]

    visit(0, (0, 0, 0), sparse=False)
