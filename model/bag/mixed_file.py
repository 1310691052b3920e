"""The file around a mixed cloud's two streams, version 3; see `docs/format.md`."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from model.bit_fields import BitReader, impossible, varint
from model.container import (
    CHECKSUM_BYTES,
    CODEC_ID_BYTES,
    MAGIC,
    MIXED_VERSION,
    POINTS_PER_BYTE,
    cut_or_changed,
    placement_bytes,
    read_placement,
    version_of,
)
from model.octree.frame import DEEPEST, padding_bytes
from model.partition import MOST_POINTS

if TYPE_CHECKING:
    from model.placement import Placement

MOST_CELLS = (1 << DEEPEST) - 1
"""Voxels' edges along the longest side, at most."""
_PADDED = 1 << 3


@dataclass(frozen=True)
class MixedHeader:
    """What a mixed file says of its cloud before the symbols.

    Attributes:
        codec_id: 4 bytes, the id of the codec with members that wrote it.
        points: number of points of the original cloud.
        by_octree: how many of these the octree codes.
        cells: edges of the octree's voxels along the longest side.
        placement: from the scaled to the original frame.
    """

    codec_id: bytes
    points: int
    by_octree: int
    cells: int
    placement: Placement

    def to_bytes(self, padding: int = 0) -> bytes:
        """Magic, version and header as in a file with so many bytes of padding."""
        kind = MIXED_VERSION | _PADDED * (padding > 0)
        numbers = [self.points, self.by_octree, self.cells, *([padding] if padding else [])]
        head = MAGIC + bytes([kind]) + self.codec_id + b"".join(map(varint, numbers))
        return head + placement_bytes(self.placement)


def write_file(header: MixedHeader, streams: bytes) -> bytes:
    """Put a file together.

    Args:
        header: what is said before the streams.
        streams: the learned member's, then the octree's.
    """
    head = header.to_bytes()
    padding = padding_bytes(header.points, len(head) + len(streams) + CHECKSUM_BYTES)
    content = header.to_bytes(padding) + streams + bytes(padding)
    return content + struct.pack("<I", zlib.crc32(content))


def read_file(data: bytes) -> tuple[MixedHeader, bytes]:
    """Take a file apart.

    Args:
        data: of version 3.

    Returns:
        The header, and both streams.

    Raises:
        DamagedFileError: cut, changed, or impossible.
    """
    assert version_of(data) == MIXED_VERSION, "whoever opens it has looked"
    content, checksum = data[:-CHECKSUM_BYTES], data[-CHECKSUM_BYTES:]
    if checksum != struct.pack("<I", zlib.crc32(content)):
        raise cut_or_changed(data)
    fields = BitReader(content, start=len(MAGIC))
    (kind,) = fields.take(1)
    if kind not in {MIXED_VERSION, MIXED_VERSION | _PADDED}:
        raise impossible(f"flags {kind:#04x}")
    codec_id = fields.take(CODEC_ID_BYTES)
    points, by_octree = fields.varint(MOST_POINTS), fields.varint(MOST_POINTS)
    cells = fields.varint(MOST_CELLS)
    padding = fields.varint(MOST_POINTS) if kind & _PADDED else 0
    header = MixedHeader(codec_id, points, by_octree, cells, read_placement(fields))
    if not (0 < by_octree < points and cells and points <= POINTS_PER_BYTE * len(data)):
        raise impossible(
            f"{by_octree:,} of {points:,} points in an octree of {cells:,} cells a side, and "
            f"{len(data):,} bytes"
        )
    end = len(content) - padding
    if end < fields.position or any(content[end:]):
        raise impossible(f"{padding:,} bytes of padding")
    streams = content[fields.position : end]
    if write_file(header, streams) != data:
        raise impossible(f"{padding:,} bytes of padding, which are not what it needs")
    return header, streams
