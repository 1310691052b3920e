"""Version 3 of docs/format.md as a program, from that page alone: slow, and sharing no code."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.model import plain_reader as version_1
from tests.model.octree import plain_reader as version_2
from tests.model.octree import plain_stream

if TYPE_CHECKING:
    Point = tuple[float, ...]


@dataclass
class Mixed:
    """What a file says; `by_octree` are decoded points, `learned` the leaves of that codec."""

    codec_id: bytes = b""
    points: int = 0
    octree_points: int = 0
    cells: int = 0
    side: float = 0.0
    centre: tuple[int, ...] = ()
    leaves: list[tuple[str, int, int, int, int]] = field(default_factory=list)
    coded_by_octree: list[int] = field(default_factory=list)
    symbols: list[list[list[int]]] = field(default_factory=list)
    coordinates: list[list[int]] = field(default_factory=list)
    voxels: list[tuple[int, ...]] = field(default_factory=list)
    by_octree: list[Point] = field(default_factory=list)


def read(
    data: bytes,
    codec: version_1.Codec,
    *,
    float16: bool = False,
    tables: dict[str, dict[str, Any]] | None = None,
) -> Mixed:
    content = data[:-4]
    assert zlib.crc32(content) == int.from_bytes(data[-4:], "little")
    assert data[:3] == b"DPC"
    assert data[3] in (3, 11)
    position = 8

    def varint() -> int:
        nonlocal position
        digits: list[int] = []
        while not digits or digits[-1] >= 128:
            digits.append(data[position])
            position += 1
        return sum((digit & 127) << 7 * place for place, digit in enumerate(digits))

    found = Mixed(data[4:8], varint(), varint(), varint())
    padding = varint() if data[3] & 8 else 0
    (found.side,) = struct.unpack_from("<f", data, position)
    position += 4
    codes = [varint() for _ in range(3)]
    found.centre = tuple(-(c + 1) // 2 if c % 2 else c // 2 for c in codes)
    assert not any(content[len(content) - padding :])
    octree = read_learned(content[position : len(content) - padding], codec, found, float16)
    depth = found.cells.bit_length()
    side = found.cells + 1
    held = plain_stream.read(octree, depth, (side, side, side), counted=False, tables=tables)
    found.voxels = list(held.voxels)
    found.by_octree = decoded(found, len(data))
    return found


def read_learned(streams: bytes, codec: version_1.Codec, found: Mixed, float16: bool) -> bytes:  # noqa: FBT001
    """The learned codec's symbols; the rest is the octree's."""
    stream = version_1.Stream(streams[: len(streams) // 4 * 4])
    whole = len(stream.words)
    contents = version_1.Contents()
    version_1.read_octree(stream, codec.cube_size, 0, contents)
    found.leaves = contents.leaves
    assert all(kind == "patch" for kind, *_ in found.leaves)
    found.coded_by_octree = [stream.adaptive("member") for _ in found.leaves]
    least = codec.min_points
    for rate in codec.downsample_rate:
        least = max(1, round(least * rate))
    for _ in range(found.coded_by_octree.count(0)):
        count = least + stream.golomb("count")
        found.symbols.append(
            [[stream.table(*table) for table in codec.tables] for _ in range(count)]
        )
        if float16:
            found.coordinates.append([stream.one_of(65536) for _ in range(3 * count)])
    assert stream.state == 2**31
    return streams[8 + 4 * (whole - len(stream.words)) :]


def decoded(found: Mixed, length: int) -> list[Point]:
    """The octree's points, in the original frame."""
    v = len(found.voxels)
    m = min(found.octree_points, 128 * v, 512 * length)
    counts = [(i + 1) * m // v - i * m // v for i in range(v)]
    octree = version_2.Octree(original_points=found.octree_points, voxels=found.voxels)
    edge = 100 / (4096 * found.cells)
    return [
        tuple(
            (f * edge - 50) * (found.side / 100) + c * (found.side / 65536)
            for f, c in zip(point, found.centre, strict=True)
        )
        for point in version_2.between(octree, counts)
    ]
