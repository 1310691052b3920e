"""The file around a learned codec's symbols, version 1; see `docs/format.md`.

What files of all versions have in common is here too.
"""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass

from model.bit_fields import BitReader, from_zigzag, impossible, varint, zigzag
from model.errors import CodecError, DamagedFileError, WrongCodecError
from model.partition import MOST_POINTS
from model.placement import Placement

MAGIC = b"DPC"
VERSION = 1
"""Of the files of learned codecs."""
OCTREE_VERSION = 2
"""Of the files of octree codecs."""
MIXED_VERSION = 3
"""Of files that a learned codec and an octree write together (`model.bag`). The next change that a
reader of today would misread is 4."""
VERSION_MASK = 7
"""What of the byte after the magic is the version, from version 2 on."""
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
        return fixed + varint(self.points) + placement_bytes(self.placement)


def placement_bytes(placement: Placement) -> bytes:
    """Return where a cloud lies, as in a file."""
    centre = b"".join(varint(zigzag(c)) for c in placement.centre)
    return struct.pack("<f", placement.side) + centre


def read_placement(fields: BitReader) -> Placement:
    """Read what `placement_bytes` returned.

    Raises:
        DamagedFileError: no encoder writes such a side or centre.
    """
    (side,) = struct.unpack("<f", fields.take(4))
    if not (math.isfinite(side) and side > 0.0):
        raise impossible(f"a longest side of {side:g}")
    x, y, z = (from_zigzag(fields.varint(2 * _FARTHEST_CENTRE)) for _ in range(3))
    return Placement(side, (x, y, z))


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
        WrongCodecError: of another kind of codec.
        DamagedFileError: cut, changed, or impossible.
    """
    version = version_of(data)
    if version == OCTREE_VERSION:
        raise WrongCodecError(
            "a file is decompressed with the codec that wrote it, and this one is of an octree "
            "codec, not of a learned one; name that codec: `octree`, or its folder"
        )
    if version == MIXED_VERSION:
        raise of_members(data)
    content, checksum = data[:-CHECKSUM_BYTES], data[-CHECKSUM_BYTES:]
    if checksum != struct.pack("<I", zlib.crc32(content)):
        raise cut_or_changed(data)
    fields = BitReader(content)
    header = _read_header(fields)
    if header.points > POINTS_PER_BYTE * len(data):
        raise impossible(f"{header.points:,} points in {len(data):,} bytes")
    return header, content[fields.position :]


def version_of(data: bytes) -> int:
    """Return the version of a file: 1, 2 for an octree's (`model.octree.frame`), 3 for a mixed one.

    Raises:
        CodecError: not a file of this program, or one of a newer version.
        DamagedFileError: too short to have a version.
    """
    if not data.startswith(MAGIC[: len(data)]):
        raise CodecError(
            f"a compressed cloud starts with {MAGIC!r}, and this file with "
            f"{bytes(data[: len(MAGIC)])!r}; name a file that `study compress` wrote"
        )
    if len(data) <= len(MAGIC):
        raise cut_or_changed(data)
    told = data[len(MAGIC)]
    if told <= VERSION:
        return VERSION
    version = told & VERSION_MASK  # The other bits are flags.
    if version not in {OCTREE_VERSION, MIXED_VERSION}:
        raise CodecError(
            f"this program reads files up to version {MIXED_VERSION}, and this one has version "
            f"{max(version, MIXED_VERSION + 1)}; decompress it with a newer program"
        )
    return version


def of_members(data: bytes) -> WrongCodecError:
    """Return the error about a file that only a codec with members reads."""
    return WrongCodecError(
        "a file is decompressed with the codec that wrote it, and this one is of a codec with the "
        "members learned and octree, with the id "
        f"{data[len(MAGIC) + 1 :][:CODEC_ID_BYTES].hex()}; name that codec"
    )


def cut_or_changed(data: bytes) -> DamagedFileError:
    """Return the error about a file whose checksum is not that of its content."""
    return DamagedFileError(
        f"a file must end with the checksum of what is before, and this one of {len(data):,} "
        "bytes does not; it was cut or changed on the way, get it anew"
    )


def _read_header(fields: BitReader) -> Header:
    _, version, flags, codec_id = struct.unpack("<3sBB4s", fields.take(9))
    if version < 1 or flags & _RESERVED:
        raise impossible(f"version {version} and flags {flags:#04x}")
    points = fields.varint(MOST_POINTS)
    if points < 1:
        raise impossible(f"{points:,} points")
    return Header(
        codec_id=codec_id,
        points=points,
        placement=read_placement(fields),
        voxel_depth=flags & _DEPTH_MASK,
        normals=bool(flags & _NORMALS),
        float16_coordinates=bool(flags & _FLOAT16),
    )
