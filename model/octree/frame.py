"""The file around an octree: magic, header, padding, checksum; see `docs/format.md`, version 2.

A file of 60 bytes must not spend 28 of them on this. So what is small is written in few bits: the
header takes 11 bytes for an object in the file's own corner, 13 with a codec's id, and 2 follow.
"""

from __future__ import annotations

import binascii
import math
import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum

from model.bit_fields import BitReader, BitWriter, impossible, varint
from model.container import CODEC_ID_BYTES as LEARNED_ID_BYTES
from model.container import (
    MAGIC,
    MIXED_VERSION,
    OCTREE_VERSION,
    POINTS_PER_BYTE,
    cut_or_changed,
    of_members,
    version_of,
)
from model.errors import WrongCodecError
from model.partition import MOST_POINTS

CODEC_ID_BYTES = 2
"""Of a codec's id, in a file: the rest of it tells codecs apart in folders and registries."""
DEEPEST = 21
"""Most halvings: a Morton key of 63 bits can tell no more apart."""
LONG_FILE = 4096
"""A file of so many bytes has room for a checksum of 4; shorter ones have 2."""
FARTHEST_CORNER = 1 << 52
"""Of a voxel's number along an axis: float64 tells it from its neighbours."""
_NETWORK_BITS = 4
_MANTISSA_BITS, _EXPONENT_BITS, _LOWEST_EXPONENT = 8, 7, -72
_EXACT = (1 << _EXPONENT_BITS) - 1
"""The exponent of an edge that is sent as float64."""


class Counts(IntEnum):
    """What a file says of the number of points in each voxel."""

    NONE = 0
    EXACT = 1
    COARSE = 2


class Tables(IntEnum):
    """What the coder's tables were before the file."""

    UNTRAINED = 0
    OF_CODEC = 1
    GENERAL = 2
    GENERAL_AND_NETWORK = 3


class Placing(IntEnum):
    """Where a decoder puts the points of a voxel."""

    CENTRES = 0
    BETWEEN = 1
    LEARNED = 2


@dataclass(frozen=True)
class Frame:
    """What a file says of its cloud before the octree.

    Attributes:
        points: number of points of the original cloud.
        edge: of a voxel, original frame; what `short_edge` returns, or any other float64.
        corner: number of the first voxel along each axis; voxel i is centred on `i * edge`.
        box: voxels along each axis, at least 1.
        counts: whether they are coded.
        placing: of points in voxels.
        codec_id: its first 2 bytes where the tables are a codec's own, or a network of its places
            points; else None.
        is_general: whether they are those of the package (`model.octree.general`).
        network: number of the package's network that places points, where one does: then the
            tables are the package's too.
    """

    points: int
    edge: float
    corner: tuple[int, int, int]
    box: tuple[int, int, int]
    counts: Counts = Counts.NONE
    placing: Placing = Placing.CENTRES
    codec_id: bytes | None = None
    is_general: bool = False
    network: int | None = None

    @property
    def tables(self) -> Tables:
        """What the coder began with."""
        if self.network is not None:
            return Tables.GENERAL_AND_NETWORK
        if self.is_general:
            return Tables.GENERAL
        return Tables.UNTRAINED if self.codec_id is None else Tables.OF_CODEC

    @property
    def depth(self) -> int:
        """Halvings of the cube that covers the box."""
        return (max(self.box) - 1).bit_length()

    def to_bytes(self, padding: int = 0) -> bytes:
        """Magic, version and header as in a file with so many bytes of padding."""
        kind = OCTREE_VERSION | self.counts << 3 | self.tables << 5 | (padding > 0) << 7
        head = MAGIC + bytes([kind]) + (self.codec_id or b"") + varint(self.points)
        if padding:
            head += varint(padding)
        fields = BitWriter()
        if self.network is not None:
            fields.write(self.network, _NETWORK_BITS)
        _write_edge(fields, self.edge)
        fields.write(self.placing, 2)
        fields.write(self.depth, 5)
        for extent in self.box:
            fields.write(extent - 1, self.depth)
        by_centre = [
            first + extent // 2 for first, extent in zip(self.corner, self.box, strict=True)
        ]
        # A cloud begins at the origin, or lies around it, or anywhere.
        is_centred = _length(by_centre) < _length(self.corner)
        fields.write(is_centred, 1)
        for number in by_centre if is_centred else self.corner:
            fields.signed(number)
        return head + fields.finish()


def _length(numbers: list[int] | tuple[int, ...]) -> int:
    fields = BitWriter()
    for number in numbers:
        fields.signed(number)
    return fields.length


def short_edge(edge: float) -> float:
    """Return the edge nearest to one that a file holds in 15 bits: within 0.2 % of it.

    Powers of two and whole numbers up to 512 are returned as they are.
    """
    mantissa, exponent = math.frexp(edge)
    rounded = round(math.ldexp(mantissa, _MANTISSA_BITS + 1))
    return math.ldexp(rounded, exponent - _MANTISSA_BITS - 1)


def _write_edge(fields: BitWriter, edge: float) -> None:
    mantissa, exponent = math.frexp(edge)
    digits = math.ldexp(mantissa, _MANTISSA_BITS + 1)
    shifted = exponent - _MANTISSA_BITS - 1 - _LOWEST_EXPONENT
    if digits == int(digits) and 0 <= shifted < _EXACT:
        fields.write(shifted, _EXPONENT_BITS)
        fields.write(int(digits) - (1 << _MANTISSA_BITS), _MANTISSA_BITS)
        return
    fields.write(_EXACT, _EXPONENT_BITS)
    fields.write(0, _MANTISSA_BITS)
    (pattern,) = struct.unpack(">Q", struct.pack(">d", edge))
    fields.write(pattern, 64)


def _read_edge(fields: BitReader) -> float:
    exponent, mantissa = fields.read(_EXPONENT_BITS), fields.read(_MANTISSA_BITS)
    if exponent < _EXACT:
        return math.ldexp((1 << _MANTISSA_BITS) + mantissa, exponent + _LOWEST_EXPONENT)
    (edge,) = struct.unpack(">d", struct.pack(">Q", fields.read(64)))
    if mantissa or not (math.isfinite(edge) and edge > 0.0):
        raise impossible(f"a voxel's edge of {edge:g}")
    return float(edge)


def write_file(frame: Frame, stream: bytes, decoded: int) -> bytes:
    """Put a file together.

    Args:
        frame: what is said before the stream.
        stream: the octree's.
        decoded: points that the file decodes to: their number bounds its length from below.
    """
    for checksum_bytes in (2, 4):
        head = frame.to_bytes()
        padding = padding_bytes(decoded, len(head) + len(stream) + checksum_bytes)
        if padding:
            head = frame.to_bytes(padding)
        content = head + stream + bytes(padding)
        if len(content) + checksum_bytes < LONG_FILE:
            break
    return content + _checksum(content, checksum_bytes)


def padding_bytes(points: int, length: int) -> int:
    """Return the bytes of padding of a file, which tells their number, too, where there are any.

    Args:
        points: that the file has to pay for.
        length: of the file without padding and its number.
    """
    missing = -(-points // POINTS_PER_BYTE) - length
    if missing <= 0:
        return 0
    likely = range(max(missing - 6, 1), missing + 1)
    return next(each for each in likely if each + len(varint(each)) >= missing)


def _checksum(content: bytes, width: int) -> bytes:
    if width == 2:
        return struct.pack("<H", binascii.crc_hqx(content, 0xFFFF))
    return struct.pack("<I", zlib.crc32(content))


def read_file(data: bytes) -> tuple[Frame, bytes]:
    """Take a file apart.

    Returns:
        What it says of its cloud, and the octree's stream.

    Raises:
        CodecError: not a file of this program, or one of a newer version.
        WrongCodecError: one of another version: of a learned codec, or of one with members.
        DamagedFileError: cut, changed, or impossible.
    """
    version = version_of(data)
    if version == MIXED_VERSION:
        raise of_members(data)
    if version != OCTREE_VERSION:
        raise WrongCodecError(
            "a file is decompressed with the codec that wrote it, and this one is of a learned "
            f"codec, with the id {data[5 : 5 + LEARNED_ID_BYTES].hex()}, not of an octree codec; "
            "name that codec"
        )
    width = 2 if len(data) < LONG_FILE else 4
    content = data[:-width]
    if data[-width:] != _checksum(content, width):
        raise cut_or_changed(data)
    frame, padding, start = _read_head(content)
    end = len(content) - padding
    if end < start or any(content[end:]):
        raise impossible(f"{padding:,} bytes of padding")
    return frame, content[start:end]


def _read_head(content: bytes) -> tuple[Frame, int, int]:
    """Return the frame, the bytes of padding, and where the stream starts."""
    fields = BitReader(content, start=len(MAGIC))
    kind = fields.read(8)
    tables, counts = kind >> 5 & 3, kind >> 3 & 3
    if tables not in set(Tables) or counts not in set(Counts):
        raise impossible(f"flags {kind:#04x}")
    codec_id = fields.take(CODEC_ID_BYTES) if tables == Tables.OF_CODEC else None
    points = fields.varint(MOST_POINTS)
    padding = fields.varint(MOST_POINTS) if kind >> 7 else 0
    if points < 1 or (kind >> 7 and not padding):
        raise impossible(f"{points:,} points and {padding:,} bytes of padding")
    network = fields.read(_NETWORK_BITS) if tables == Tables.GENERAL_AND_NETWORK else None
    edge = _read_edge(fields)
    placing, depth = fields.read(2), fields.read(5)
    if placing not in set(Placing) or depth > DEEPEST:
        raise impossible(f"points placed by rule {placing} in voxels {depth} levels deep")
    if placing == Placing.LEARNED and codec_id is None and network is None:
        raise impossible("points placed by a network that it does not name")
    if network is not None and placing != Placing.LEARNED:
        raise impossible("a network that places no points")
    x, y, z = (fields.read(depth) + 1 for _ in range(3))
    box = (x, y, z)
    is_centred = fields.read(1)
    first = [fields.signed() - is_centred * (extent // 2) for extent in box]
    corner = (first[0], first[1], first[2])
    if fields.finish():
        raise impossible("bits after its header")
    told = Counts(counts), Placing(placing), codec_id, tables == Tables.GENERAL
    frame = Frame(points, edge, corner, box, *told, network)
    if frame.depth != depth or frame.to_bytes(padding) != content[: fields.position]:
        raise impossible("a header that is longer than it must be")
    _check_place(frame)
    return frame, padding, fields.position


def _check_place(frame: Frame) -> None:
    """Refuse coordinates that float64 cannot tell apart, or that it cannot hold."""
    farthest = max(map(abs, (*frame.corner,))) + max(frame.box)
    if farthest > FARTHEST_CORNER or not math.isfinite(farthest * frame.edge):
        raise impossible(f"voxels {farthest:,} edges of {frame.edge:g} from the origin")
