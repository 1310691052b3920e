"""Version 2 of docs/format.md as a program, from that page alone: slow, and sharing no code."""

from __future__ import annotations

import binascii
import math
import struct
import zlib
from dataclasses import dataclass, field
from itertools import product

Voxel = tuple[int, ...]


@dataclass
class Octree:
    """What a file says; `points` are decoded."""

    codec_id: bytes = b""
    tables: str = "none"
    original_points: int = 0
    edge: float = 0.0
    corner: tuple[int, ...] = ()
    box: tuple[int, ...] = ()
    counts: str = "none"
    placing: str = "centres"
    depth: int = 0
    stream: bytes = b""
    voxels: list[Voxel] = field(default_factory=list)
    points: list[tuple[float, ...]] = field(default_factory=list)


def read_head(data: bytes) -> Octree:
    width = 4 if len(data) >= 4096 else 2
    content, told = data[:-width], int.from_bytes(data[-width:], "little")
    assert told == (zlib.crc32(content) if width == 4 else binascii.crc_hqx(content, 0xFFFF))
    assert data[:3] == b"DPC"
    kind = data[3]
    assert kind & 7 == 2
    position = 4
    found = Octree(counts=["none", "exact", "coarse"][kind >> 3 & 3])
    found.tables = ["none", "codec's", "general", "network"][kind >> 5 & 3]
    if found.tables == "codec's":
        found.codec_id = data[4:6]
        position = 6

    def varint() -> int:
        nonlocal position
        digits: list[int] = []
        while not digits or digits[-1] >= 128:
            digits.append(data[position])
            position += 1
        return sum((digit & 127) << 7 * place for place, digit in enumerate(digits))

    found.original_points = varint()
    padding = varint() if kind >> 7 else 0
    bits = "".join(f"{byte:08b}" for byte in content[position : position + 60])
    taken = 0

    def take(count: int) -> int:
        nonlocal taken
        taken += count
        return int("0" + bits[taken - count : taken], 2)

    def signed() -> int:
        k = 0
        while take(1):
            k += 1
        w = (1 << k) + take(k) - 1
        c = (1 << w - 1) + take(w - 1) if w else 0
        return c // 2 if c % 2 == 0 else -(c + 1) // 2

    exponent, mantissa = take(7), take(8)
    if exponent < 127:
        found.edge = math.ldexp(256 + mantissa, exponent - 72)
    else:
        (found.edge,) = struct.unpack(">d", take(64).to_bytes(8, "big"))
    found.placing = ["centres", "between"][take(2)]
    found.depth = take(5)
    found.box = tuple(take(found.depth) + 1 for _ in range(3))
    half = take(1)
    found.corner = tuple(signed() - half * (extent // 2) for extent in found.box)
    position += -(-taken // 8)
    found.stream = content[position : len(content) - padding]
    assert not any(content[len(content) - padding :])
    return found


def decoded_counts(found: Octree, numbers: list[int], length: int) -> list[int]:
    """How many points each voxel decodes to, from the numbers that the stream has."""
    v = len(found.voxels)
    if found.counts == "exact":
        return numbers
    if found.counts == "coarse":
        lows = [0, 1, *(low for j in range(1, 41) for low in (2**j, 3 * 2**j // 2))]
        return [(lows[level] + lows[level + 1] - 1) // 2 for level in numbers]
    if found.placing == "centres":
        return [1] * v
    m = min(found.original_points, 128 * v, 512 * length)
    return [(i + 1) * m // v - i * m // v for i in range(v)]


def place(found: Octree, counts: list[int]) -> list[tuple[float, ...]]:
    """The points, in the order of the voxels."""
    if found.placing == "centres":
        fine = [
            [4096 * c for c in v]
            for v, n in zip(found.voxels, counts, strict=True)
            for _ in range(n)
        ]
    else:
        fine = between(found, counts)
    return [
        tuple(
            float((c >> 12) + first) * found.edge + float(c & 4095) * (found.edge / 4096)
            for c, first in zip(point, found.corner, strict=True)
        )
        for point in fine
    ]


def between(found: Octree, counts: list[int]) -> list[list[int]]:
    steps = sorted(product((-1, 0, 1), repeat=3), key=lambda s: sum(map(abs, s)))[1:]
    voxels = set(found.voxels)
    ratio = found.original_points // len(voxels)
    to_face = [110, 150, 205, 290, 400, 500, 560, 600][min(int(math.log2(ratio)), 7)]

    def neighbours(voxel: Voxel) -> list[Voxel]:
        all_of_them = [tuple(a + b for a, b in zip(voxel, step, strict=True)) for step in steps]
        return [each for each in all_of_them if each in voxels]

    def middle(voxel: Voxel) -> list[int]:
        found = [4096 * c for c in voxel]
        for other in neighbours(voxel):
            step = [b - a for a, b in zip(voxel, other, strict=True)]
            push = [0, to_face, 82, 0][sum(map(abs, step))]
            found = [f + push * s for f, s in zip(found, step, strict=True)]
        return found

    made = []
    for i, (voxel, n) in enumerate(zip(found.voxels, counts, strict=True)):
        others = neighbours(voxel)
        a = middle(voxel)
        for k in range(n):
            if n == 1 or not others:
                made.append(a)
                continue
            o = len(others)
            b = middle(others[(k + 7 * i) % o])
            share, whole = 2 * (k // o) + 1, 4 * -(-n // o)
            made.append([p + (q - p) * share // whole for p, q in zip(a, b, strict=True)])
    return made
