from __future__ import annotations

import dataclasses
import struct
import zlib

import pytest

from model.container import (
    MAGIC,
    MIXED_VERSION,
    POINTS_PER_BYTE,
    Header,
    padding_words,
    read_file,
    write_file,
)
from model.errors import CodecError, DamagedFileError
from model.placement import Placement

HEADER = Header(
    codec_id=b"\x01\x02\xfe\xff",
    points=8192,
    placement=Placement(1.5, (0, -70_000, 300)),
    voxel_depth=5,
    normals=False,
    float16_coordinates=False,
)
STREAM = bytes(range(16))


def sealed(content: bytes) -> bytes:
    """With the right checksum."""
    return content + struct.pack("<I", zlib.crc32(content))


def head(points: bytes = b"\x01", side: float = 1.0, centre: bytes = b"\0\0\0") -> bytes:
    return MAGIC + b"\x01\x05abcd" + points + struct.pack("<f", side) + centre


def test_every_byte() -> None:
    """The example of docs/format.md."""
    expected = (
        b"DPC\x01"  # magic and version
        b"\x05"  # voxel depth 5, no flags
        b"\x01\x02\xfe\xff"  # codec id
        b"\x80\x40"  # 8192 points
        b"\x00\x00\xc0\x3f"  # longest side 1.5
        b"\x00\xdf\xc5\x08\xd8\x04"  # centre 0, -70000, 300
    )
    assert HEADER.to_bytes() == expected
    assert write_file(HEADER, STREAM) == sealed(expected + STREAM)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"codec_id": b"\0\0\0\0"},
        {"points": 1},
        {"points": 127},
        {"points": 128},
        {"points": 5_000_000_000},
        {"placement": Placement(2.0**-126, (0, 0, 0))},
        {"placement": Placement(2.0**126, (1 << 57, -(1 << 57), -1))},
        {"placement": Placement(100.0, (-64, 63, -65))},
        {"voxel_depth": 0},
        {"voxel_depth": 21},
        {"normals": True},
        {"float16_coordinates": True},
    ],
)
def test_every_field_comes_back(change: dict[str, object]) -> None:
    header = dataclasses.replace(HEADER, **change)  # type: ignore[arg-type]
    points = header.points
    found, stream = read_file(write_file(header, STREAM))
    assert found == header
    assert stream[:16] == STREAM
    assert not any(stream[16:])
    assert bool(stream[16:]) == (points > 1_000_000)


@pytest.mark.parametrize("length", [28, 29, 30, 31])
@pytest.mark.parametrize("over", [-1, 0, 1, 4, 5, 1000])
def test_padding_is_the_shortest(length: int, over: int) -> None:
    points = POINTS_PER_BYTE * (length + over)
    words = padding_words(points, length)
    assert points <= POINTS_PER_BYTE * (length + 4 * words)
    assert words == 0 or points > POINTS_PER_BYTE * (length + 4 * (words - 1))


@pytest.mark.parametrize("length", range(len(write_file(HEADER, STREAM))))
def test_cut_anywhere(length: int) -> None:
    with pytest.raises(DamagedFileError, match="cut or changed on the way"):
        read_file(write_file(HEADER, STREAM)[:length])


def test_any_flipped_bit_is_noticed() -> None:
    data = write_file(HEADER, STREAM)
    for position in range(8 * len(data)):
        changed = bytearray(data)
        changed[position // 8] ^= 1 << position % 8
        with pytest.raises(CodecError):
            read_file(bytes(changed))


@pytest.mark.parametrize("data", [b"ply\nformat", b"P", b"\0" * 60])
def test_other_files(data: bytes) -> None:
    with pytest.raises(CodecError, match=r"starts with b'DPC', .* name a file that `study") as info:
        read_file(data)
    assert not isinstance(info.value, DamagedFileError)


def test_a_newer_version() -> None:
    data = bytearray(write_file(HEADER, STREAM))
    data[3] = MIXED_VERSION + 1
    with pytest.raises(CodecError, match="up to version 3, and this one has version 4") as info:
        read_file(bytes(data))
    assert not isinstance(info.value, DamagedFileError)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"DPC\0" + head()[4:], "version 0"),
        (b"DPC\x01\x25" + head()[5:], "flags 0x25"),
        (head(points=b"\0"), "0 points"),
        (head(side=0.0), "a longest side of 0"),
        (head(side=-1.0), "a longest side of -1"),
        (head(side=float("nan")), "a longest side of nan"),
        (head(side=float("inf")), "a longest side of inf"),
        (head(points=b"\x81\x00"), "a number that is too large or too long"),
        (head(points=b"\xff" * 5 + b"\x7f"), "a number that is too large or too long"),
        (head(points=b"\x80" * 100_000 + b"\x01"), "a number that is too large or too long"),
        (head(centre=b"\xff" * 9 + b"\0"), "a number that is too large or too long"),
        (head(centre=b"\0\0"), "its end within the header"),
        (head()[:7], "its end within the header"),
        (head(points=b"\xff\xff\x7f"), "2,097,151 points in 23 bytes"),
    ],
)
def test_what_no_encoder_writes(content: bytes, what: str) -> None:
    with pytest.raises(DamagedFileError, match=what):
        read_file(sealed(content))
