"""The file around the symbols: magic, version, header, checksum; see `docs/format.md`."""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass

from model.errors import CodecError, DamagedFileError
from model.partition import MOST_POINTS
from model.placement import Placement

MAGIC = b"DPC"
VERSION = 1
"""Raise it when a reader of today would misread new files."""
POINTS_PER_BYTE = 512
"""A file has at least one byte for so many points, so its length bounds the cost of reading it."""
CODEC_ID_BYTES = 4
CHECKSUM_BYTES = 4
_WORD_BYTES = 4
_DEPTH_MASK = 0x1F
_RESERVED, _NORMALS, _FLOAT16 = 0x20, 0x40, 0x80
_FARTHEST_CENTRE = 1 << 58


@dataclass(frozen=True)
class Header:
    """What a file says about its cloud before the symbols.

    Attributes:
        codec_id: 4 bytes, the id of the codec that wrote it.
        points: number of points of the original cloud.
        placement: from the scaled to the original frame.
        voxel_depth: see :class:`~model.partition.PartitionConfig`.
        normals: whether they are coded.
        float16_coordinates: whether the latent points' coordinates are float16.
    """

    codec_id: bytes
    points: int
    placement: Placement
    voxel_depth: int
    normals: bool
    float16_coordinates: bool

    def to_bytes(self) -> bytes:
        """Magic, version and header as in a file."""
        flags = self.voxel_depth | self.normals * _NORMALS | self.float16_coordinates * _FLOAT16
        fixed = struct.pack("<3sBB4s", MAGIC, VERSION, flags, self.codec_id)
        centre = b"".join(_varint(2 * abs(c) - (c < 0)) for c in self.placement.centre)
        return fixed + _varint(self.points) + struct.pack("<f", self.placement.side) + centre


def write_file(header: Header, stream: bytes) -> bytes:
    """Put a file together, padded if its cloud is very large for its length."""
    head = header.to_bytes()
    length = len(head) + len(stream) + CHECKSUM_BYTES
    content = head + stream + bytes(_WORD_BYTES * padding_words(header.points, length))
    return content + struct.pack("<I", zlib.crc32(content))


def padding_words(points: int, length: int) -> int:
    """Words of zeros that a file of so many bytes needs after its stream."""
    return max(0, math.ceil((math.ceil(points / POINTS_PER_BYTE) - length) / _WORD_BYTES))


def read_file(data: bytes) -> tuple[Header, bytes]:
    """Take a file apart.

    Returns:
        The header and the stream, with its padding.

    Raises:
        CodecError: not a file of this program, or one of a newer version.
        DamagedFileError: cut, changed, or impossible.
    """
    if not data.startswith(MAGIC[: len(data)]):
        raise CodecError(
            f"a compressed cloud starts with {MAGIC!r}, and this file with "
            f"{bytes(data[: len(MAGIC)])!r}; name a file that `study compress` wrote"
        )
    if len(data) > len(MAGIC) and data[len(MAGIC)] > VERSION:
        raise CodecError(
            f"this program reads files up to version {VERSION}, and this one has version "
            f"{data[len(MAGIC)]}; decompress it with a newer program"
        )
    content, checksum = data[:-CHECKSUM_BYTES], data[-CHECKSUM_BYTES:]
    if checksum != struct.pack("<I", zlib.crc32(content)):
        raise DamagedFileError(
            f"a file must end with the checksum of what is before, and this one of {len(data):,} "
            "bytes does not; it was cut or changed on the way, get it anew"
        )
    fields = _Fields(content)
    header = _read_header(fields)
    if header.points > POINTS_PER_BYTE * len(data):
        raise _impossible(f"{header.points:,} points in {len(data):,} bytes")
    return header, fields.rest


def _read_header(fields: _Fields) -> Header:
    _, version, flags, codec_id = struct.unpack("<3sBB4s", fields.take(9))
    if version < 1 or flags & _RESERVED:
        raise _impossible(f"version {version} and flags {flags:#04x}")
    points = fields.varint(MOST_POINTS)
    (side,) = struct.unpack("<f", fields.take(4))
    if points < 1 or not (math.isfinite(side) and side > 0.0):
        raise _impossible(f"{points:,} points and a longest side of {side:g}")
    x, y, z = (fields.varint(2 * _FARTHEST_CENTRE) for _ in range(3))
    return Header(
        codec_id=codec_id,
        points=points,
        placement=Placement(side, (_signed(x), _signed(y), _signed(z))),
        voxel_depth=flags & _DEPTH_MASK,
        normals=bool(flags & _NORMALS),
        float16_coordinates=bool(flags & _FLOAT16),
    )


class _Fields:
    """Takes bytes off the front of a file's content."""

    def __init__(self, content: bytes) -> None:
        self.rest = content

    def take(self, count: int) -> bytes:
        if len(self.rest) < count:
            raise _impossible("its end within the header")
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def varint(self, most: int) -> int:
        """An unsigned number, 7 bits a byte, lowest first, in the fewest bytes."""
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            # The shift is bounded too: zeros that announce further digits could go on for ever.
            if value > most or most >> shift == 0 or (byte == 0 and shift):
                raise _impossible("a number that is too large or too long")
            if byte < 0x80:
                return value
            shift += 7


def _varint(value: int) -> bytes:
    coded = bytearray()
    while value >= 0x80:
        coded.append(value & 0x7F | 0x80)
        value >>= 7
    coded.append(value)
    return bytes(coded)


def _signed(value: int) -> int:
    """0, -1, 1, -2 ... from 0, 1, 2, 3 ..."""
    return -(value + 1 >> 1) if value & 1 else value >> 1


def _impossible(what: str) -> DamagedFileError:
    return DamagedFileError(
        f"no encoder writes such a file: it has {what}; it was made up or changed, get it anew"
    )
