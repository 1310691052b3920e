"""The frame of mixed files: every field comes back, and nothing else is read."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace

import pytest

from model.bag.mixed_file import MOST_CELLS, MixedHeader, read_file, write_file
from model.container import MIXED_VERSION, POINTS_PER_BYTE, version_of
from model.container import read_file as read_learned
from model.errors import CodecError, DamagedFileError, WrongCodecError
from model.file_head import head_of
from model.octree.frame import read_file as read_octree
from model.placement import Placement

HEADER = MixedHeader(b"abcd", 5000, 3000, 64, Placement(2.0, (3, -70_000, 0)))
STREAMS = bytes(range(1, 41))


def sealed(content: bytes) -> bytes:
    return content + struct.pack("<I", zlib.crc32(content))


def test_the_head_byte_by_byte() -> None:
    """The example of docs/format.md."""
    expected = "445043036162636488 27b8 1740 00000040 06dfc508 00".replace(" ", "")
    assert HEADER.to_bytes().hex() == expected


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"codec_id": b"\0\0\0\0"},
        {"points": 2, "by_octree": 1},
        {"points": 1 << 22},
        {"cells": 1},
        {"cells": MOST_CELLS},
        {"placement": Placement(2.0**-126, (1 << 57, -(1 << 57), -1))},
    ],
)
def test_every_field_comes_back(change: dict[str, object]) -> None:
    header = replace(HEADER, **change)  # type: ignore[arg-type]
    for streams in (STREAMS, b"", b"\1" * 5000):
        data = write_file(header, streams)
        assert read_file(data) == (header, streams)
        assert version_of(data) == MIXED_VERSION
        assert len(data) * POINTS_PER_BYTE >= header.points
        head = head_of(data)
        assert (head.kind, head.codec_id, head.points) == (
            "mixed",
            header.codec_id,
            header.points,
        )


def test_readers_of_one_kind_name_the_other() -> None:
    data = write_file(HEADER, STREAMS)
    for reader in (read_learned, read_octree):
        with pytest.raises(WrongCodecError, match=r"members learned and octree, .* id 61626364"):
            reader(data)


def test_any_flipped_bit_and_any_cut_is_noticed() -> None:
    data = write_file(HEADER, STREAMS)
    for position in range(8 * len(data)):
        changed = bytearray(data)
        changed[position // 8] ^= 1 << position % 8
        with pytest.raises(CodecError):
            head_of(bytes(changed))
    for length in range(len(data)):
        with pytest.raises(DamagedFileError):
            head_of(data[:length])


def head(
    kind: int = 3,
    points: bytes = b"\x88\x27",
    by_octree: bytes = b"\xb8\x17",
    cells: bytes = b"\x40",
    side: float = 2.0,
) -> bytes:
    place = struct.pack("<f", side) + b"\0\0\0"
    return b"DPC" + bytes([kind]) + b"abcd" + points + by_octree + cells + place + STREAMS


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (head(kind=0x13), "flags 0x13"),
        (head(kind=0x83), "flags 0x83"),
        (head(by_octree=b"\0"), "0 of 5,000 points"),
        (head(by_octree=b"\x88\x27"), "5,000 of 5,000 points"),
        (head(cells=b"\0"), "octree of 0 cells"),
        (head(cells=b"\x80\x80\x80\x01"), "a number that is too large"),
        (head(points=b"\xff\xff\x7f"), "3,000 of 2,097,151 points"),
        (head(points=b"\x88\x80\0"), "too large or too long"),
        (head(side=float("nan")), "longest side of nan"),
        (head(kind=11, cells=b"\x40\x00"), "0 bytes of padding"),
        (head(kind=11, cells=b"\x40\x01"), "1 bytes of padding"),
        (head(kind=11, cells=b"\x40\x7f"), "127 bytes of padding"),
        (head()[:15], "its end within the header"),
    ],
)
def test_what_no_encoder_writes(content: bytes, what: str) -> None:
    with pytest.raises(DamagedFileError, match=what):
        read_file(sealed(content))
