"""The file around an octree, byte by byte and bit by bit."""

from __future__ import annotations

import binascii
import dataclasses
import struct
import zlib

import numpy as np
import pytest

from model.container import POINTS_PER_BYTE
from model.container import read_file as read_learned
from model.errors import CodecError, DamagedFileError, WrongCodecError
from model.octree.frame import (
    LONG_FILE,
    Counts,
    Frame,
    Placing,
    Tables,
    read_file,
    short_edge,
    write_file,
)

FRAME = Frame(points=8192, edge=64.0, corner=(0, -3, 70_000), box=(17, 9, 3))
STREAM = bytes(range(1, 30))


def sealed(content: bytes) -> bytes:
    """With the right checksum."""
    if len(content) + 2 < LONG_FILE:
        return content + struct.pack("<H", binascii.crc_hqx(content, 0xFFFF))
    return content + struct.pack("<I", zlib.crc32(content))


def test_every_bit() -> None:
    """The example of docs/format.md."""
    fields = [
        "1000110",  # exponent 70
        "00000000",  # mantissa 256: the edge is 256 * 2^(70 - 72)
        "00",  # points lie on centres
        "00101",  # 5 levels
        *("10000", "01000", "00010"),  # 17, 9 and 3 voxels
        "0",  # what follows is the corner
        "0",  # 0: no bits
        *("110", "00", "01"),  # -3: 5 in zigzag, of 3 bits
        *("11110", "0011", "00010001011100000"),  # 70,000: 140,000 in zigzag, of 18 bits
    ]
    assert FRAME.to_bytes()[:6] == b"DPC" + b"\x02" + b"\x80\x40"
    assert "".join(f"{byte:08b}" for byte in FRAME.to_bytes()[6:]) == "".join(fields)
    assert write_file(FRAME, STREAM, 300) == sealed(FRAME.to_bytes() + STREAM)


def test_the_usual_object_has_a_small_head() -> None:
    """14 bytes around an octree, 16 where the tables are a codec's."""
    frame = Frame(points=8192, edge=short_edge(130.3), corner=(0, 0, 0), box=(33, 20, 15))
    assert len(write_file(frame, b"", 1)) == 14
    assert len(write_file(dataclasses.replace(frame, codec_id=b"ab"), b"", 1)) == 16
    around = dataclasses.replace(frame, corner=(-16, -10, -7))
    assert len(write_file(around, b"", 1)) <= 14


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"codec_id": b"\0\0"},
        {"is_general": True},
        {"points": 1},
        {"points": 127},
        {"points": 128},
        {"points": 1 << 40},
        {"edge": 0.001},
        {"edge": 1 / 3},
        {"edge": 511.0},
        {"edge": 2.0**-64},
        {"edge": 2.0**-65},
        {"edge": 2.0**62},
        {"edge": 2.0**63},
        {"edge": 5e-324},
        {"box": (1, 1, 1)},
        {"box": (1 << 21, 1, 1 << 20)},
        {"box": (2, 1, 1)},
        {"corner": (-8, -4, -1)},
        {"corner": (1 << 51, -(1 << 51), 0)},
        {"counts": Counts.EXACT},
        {"counts": Counts.COARSE},
        {"placing": Placing.BETWEEN},
    ],
)
def test_every_field_comes_back(change: dict[str, object]) -> None:
    frame = dataclasses.replace(FRAME, **change)  # type: ignore[arg-type]
    for stream in (STREAM, b"", bytes(5000), b"\0"):
        assert read_file(write_file(frame, stream, 1)) == (frame, stream)


@pytest.mark.parametrize("length", [1, 30, 4070, 4090])
def test_padding_is_the_shortest(length: int) -> None:
    stream = b"\1" * length
    bare = len(write_file(FRAME, stream, 1))
    for over in (0, 1, 2, 3, 100, 127, 128, 129, 130, 20_000):
        decoded = POINTS_PER_BYTE * (bare + over)
        data = write_file(FRAME, stream, decoded)
        assert read_file(data) == (FRAME, stream)
        # One byte tells of up to 127, so padding has at least two.
        assert bare + over <= len(data) <= bare + max(over, 4 if over else 0) + 2
        assert len(data) * POINTS_PER_BYTE >= decoded
    assert len(write_file(FRAME, stream, POINTS_PER_BYTE * bare)) == bare


@pytest.mark.parametrize("length", [16, 4073, 4074, 4075, 4076, 4077, 4078, 4079, 4080])
def test_long_files_have_a_long_checksum(length: int) -> None:
    stream = b"\7" * length
    data = write_file(FRAME, stream, 1)
    width = len(data) - len(FRAME.to_bytes()) - length
    assert width == (2 if len(data) < LONG_FILE else 4)
    assert read_file(data) == (FRAME, stream)


def test_edges_are_rounded_by_a_five_hundredth_at_most(seed: int) -> None:
    drawn = 2.0 ** np.random.default_rng(seed).uniform(-60.0, 60.0, 1000)
    for edge in drawn.tolist():
        short = short_edge(edge)
        assert abs(short / edge - 1) <= 2.0**-9
        assert short_edge(short) == short
        assert len(dataclasses.replace(FRAME, edge=short).to_bytes()) == len(FRAME.to_bytes())
    for whole in range(1, 513):
        assert short_edge(float(whole)) == whole


@pytest.mark.parametrize("length", range(len(write_file(FRAME, STREAM, 1))))
def test_cut_anywhere(length: int) -> None:
    with pytest.raises(DamagedFileError):
        read_file(write_file(FRAME, STREAM, 1)[:length])


def test_any_flipped_bit_is_noticed() -> None:
    for stream in (STREAM, bytes(LONG_FILE)):
        data = write_file(FRAME, stream, 1)
        for position in range(8 * min(len(data), 60)):
            changed = bytearray(data)
            changed[position // 8] ^= 1 << position % 8
            with pytest.raises(CodecError):
                read_file(bytes(changed))


def test_readers_of_one_kind_name_the_other() -> None:
    with pytest.raises(WrongCodecError, match=r"of an octree codec, not of a learned one; name"):
        read_learned(write_file(FRAME, STREAM, 1))
    with pytest.raises(WrongCodecError, match="of a learned codec, with the id 61626364, not"):
        read_file(b"DPC\x01\x05abcd" + bytes(40))


@pytest.mark.parametrize("flags", range(256))
def test_every_byte_after_the_magic(flags: int) -> None:
    """No reader takes a file for one of another version."""
    data = sealed(b"DPC" + bytes([flags]) + FRAME.to_bytes()[4:] + STREAM)
    if flags == 2:
        assert read_file(data) == (FRAME, STREAM)
    elif flags in (10, 18):  # exact and coarse numbers of points
        assert read_file(data)[0].counts == flags >> 3
    elif flags in (66, 74, 82):  # likewise, with the tables that come along
        assert read_file(data)[0].tables == Tables.GENERAL
    elif flags < 2:
        with pytest.raises(WrongCodecError, match="of a learned codec"):
            read_file(data)
    elif flags & 7 == 2:
        with pytest.raises(DamagedFileError):
            read_file(data)
    elif flags & 7 == 3:
        with pytest.raises(WrongCodecError, match="with the members learned and octree"):
            read_file(data)
    else:
        with pytest.raises(CodecError, match=r"up to version 3, and this one has version [4-7]"):
            read_file(data)


def bits(text: str) -> bytes:
    """A file of untrained tables and 5 points with these bits in its head."""
    text += "0" * (-len(text) % 8)
    return sealed(b"DPC\x02\x05" + int(text, 2).to_bytes(len(text) // 8, "big") + STREAM)


EDGE = "1001000" + "00000000"
SMALL = "00" + "00001" + "1" * 3 + "0" + "000"


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (bits(EDGE + SMALL + "1"), "bits after its header"),
        (sealed(b"DPC\x02\x85\x00"), "a number that is too large or too long"),
        (sealed(b"DPC\x02\x00" + bytes(20)), "0 points"),
        (sealed(b"DPC\x82\x05\x00" + bytes(20)), "0 bytes of padding"),
        (sealed(b"DPC\x82\x05\x7f" + FRAME.to_bytes()[6:] + bytes(20)), "127 bytes of padding"),
        (sealed(b"DPC\x82\x05\x03" + FRAME.to_bytes()[6:] + b"\7" * 20), "3 bytes of padding"),
        (bits("1111111" + "00000001" + "0" * 64 + SMALL), "a voxel's edge"),
        (bits("1111111" + "00000000" + "0" * 64 + SMALL), "a voxel's edge of 0"),
        (bits("1111111" + "00000000" + "1" * 64 + SMALL), "a voxel's edge of nan"),
        (bits("1111111" + "00000000" + "1" + "0" * 63 + SMALL), "a voxel's edge of -0"),
        (bits("1111111" + "00000000" + "0111111111110" + "0" * 51 + SMALL), "edge of inf"),
        (bits("1111111" + "00000000" + "0" + "01111111111" + "0" * 52 + SMALL), "longer than it"),
        (bits(EDGE + "11" + SMALL[2:]), "points placed by rule 3"),
        (bits(EDGE + "00" + "10110" + "0" * 80), "22 levels deep"),
        (bits(EDGE + "00" + "00010" + "01" * 3 + "0" + "000"), "longer than it must be"),
        (bits(EDGE + "00" + "00000" + "1" + "000"), "longer than it must be"),
        (bits(EDGE + SMALL[:-3] + "1" * 7 + "0" * 80), "a number that is too large"),
        (bits(EDGE + SMALL[:-3] + "111110" + "11111" + "0" * 80), "a number that is too large"),
        (bits(EDGE + SMALL[:-3] + "111110" + "10111" + "0" * 80), "edges of 256 from the origin"),
        (sealed(b"DPC\x02\x05" + bytes(2)), "its end within the header"),
        (sealed(b"DPC\x22\x05"), "its end within the header"),
    ],
)
def test_what_no_encoder_writes(data: bytes, what: str) -> None:
    with pytest.raises(DamagedFileError, match=what):
        read_file(data)


def test_there_are_no_other_flags() -> None:
    """Values that mean nothing yet are refused: a later version may use them."""
    assert len(Counts) == 3
    assert len(Placing) <= 4
