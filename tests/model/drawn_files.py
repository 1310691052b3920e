"""Compressed files made by asking: whatever a reader asks for is drawn, and written as it is drawn.

So every file is well-formed up to where its reader refuses it, however its octree, its patches and
its symbols came out. Then some of it is changed: an answer, the header, or bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from unittest import mock

import numpy as np

import model.cloud_codec
from model.container import Header, read_file, write_file
from model.errors import CodecError
from model.placement import Placement
from model.rans import SymbolWriter

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from model.cloud_codec import CloudCodec
    from model.rans import AdaptiveBit, SymbolTables

    Draw = np.random.Generator

LARGEST = 1 << 22
"""Of a symbol's distance from its table."""


class _AllIsReadError(Exception):
    """The reader has asked for all that it wants."""


class DrawnSymbols:
    """Answers as `model.rans.SymbolReader` does, with what it draws, and writes that down.

    Attributes:
        writer: holds all answers.
        asked: how many there were.
    """

    def __init__(self, draw: Draw, changed: int | None) -> None:
        """Begin a file.

        Args:
            draw: of the answers.
            changed: which answer is an odd one; None: all are usual.
        """
        self.writer = SymbolWriter()
        self.asked = 0
        self._draw = draw
        self._changed = changed
        self._ones = draw.uniform(0.0, 0.4)
        self._reach = 2.0 ** draw.uniform(-2.0, 6.0)

    def _is_odd(self) -> bool:
        self.asked += 1
        return self.asked - 1 == self._changed

    def bit(self, bit_model: AdaptiveBit) -> int:
        drawn = int(self._draw.random() < self._ones)
        drawn ^= self._is_odd()
        self.writer.bit(drawn, bit_model)
        return drawn

    def choice(self, count: int) -> int:
        if count == 1:
            return 0
        drawn = count - 1 if self._is_odd() else int(self._draw.integers(count))
        self.writer.choice(drawn, count)
        return drawn

    def uniform_bytes(self, count: int) -> NDArray[np.uint8]:
        drawn = self._draw.integers(0, 256, count, np.uint8)
        if self._is_odd():
            drawn[:] = 255
        self.writer.uniform(drawn)
        return drawn

    def uniform_words(self, count: int) -> NDArray[np.uint16]:
        # Of float16, up to 1.0; an odd answer has an infinity.
        drawn = self._draw.integers(0, 0x3C01, count, np.uint16)
        drawn |= self._draw.integers(0, 2, count, np.uint16) << np.uint16(15)
        if self._is_odd() and count:
            drawn[self._draw.integers(count)] = 0x7C00
        self.writer.uniform(drawn)
        return drawn

    def table(self, rows: int, tables: SymbolTables) -> NDArray[np.int32]:
        shape = (rows, len(tables.cdf))
        middle = tables.offset + tables.cdf_length // 2
        reach = LARGEST if self._is_odd() else self._reach
        drawn = (middle + self._draw.normal(size=shape) * reach).clip(-LARGEST, LARGEST)
        symbols = drawn.astype(np.int32)
        self.writer.table(symbols, tables)
        return symbols

    def finish(self) -> int:
        raise _AllIsReadError


@dataclass(frozen=True)
class Drawn:
    """A file, and whether its reader has to take it: it asked for nothing more, and got no odd one.

    Attributes:
        data: the file.
        is_whole: its reader has all that it asked for.
        asked: answers in it.
    """

    data: bytes
    is_whole: bool
    asked: int


def drawn_file(codec: CloudCodec, draw: Draw, changed: int | None = None) -> Drawn:
    """Make a file that its own reader has asked for.

    Args:
        codec: whose reader asks.
        draw: of everything.
        changed: which of the answers is an odd one.
    """
    config = codec.coder.config
    header = Header(
        codec_id=codec.codec_id,
        points=int(2.0 ** draw.uniform(4.0, 14.0)),
        placement=Placement(
            float(np.float32(2.0 ** draw.uniform(-100.0, 100.0))),
            tuple(int(each) for each in draw.integers(-(1 << 57), 1 << 57, 3)),  # type: ignore[arg-type]
        ),
        voxel_depth=int(draw.integers(0, 8)),
        normals=config.compress_normal,
        float16_coordinates=not config.quantize_latent_xyzs,
    )
    symbols = DrawnSymbols(draw, changed)
    is_whole = False
    with mock.patch.object(model.cloud_codec, "SymbolReader", return_value=symbols):
        try:
            codec.read(write_file(header, bytes(8)))
        except _AllIsReadError:
            is_whole = True
        except CodecError:  # More leaves or points than the cloud has, for instance.
            pass
    return Drawn(write_file(header, symbols.writer.finish()), is_whole, symbols.asked)


def odd_answer(codec: CloudCodec, draw: Draw) -> bytes:
    """One answer of a file is an odd one, and the reader goes on from there."""
    seed = int(draw.integers(1 << 32))
    asked = drawn_file(codec, np.random.default_rng(seed)).asked
    changed = int(draw.integers(max(asked, 1)))
    return drawn_file(codec, np.random.default_rng(seed), changed).data


def odd_header(codec: CloudCodec, draw: Draw) -> bytes:
    """One field of the header is another than what the symbols were drawn for."""
    header, stream = read_file(drawn_file(codec, draw).data)
    changes: list[Callable[[], Header]] = [
        lambda: replace(header, points=int(2.0 ** draw.uniform(0.0, 20.0))),
        lambda: replace(header, points=max(1, header.points + int(draw.integers(-3, 4)))),
        lambda: replace(header, voxel_depth=int(draw.integers(0, 32))),
        lambda: replace(header, normals=not header.normals),
        lambda: replace(header, float16_coordinates=not header.float16_coordinates),
        lambda: replace(header, codec_id=draw.bytes(4)),
        lambda: replace(
            header, placement=Placement(float(np.float32(3e38)), (1 << 58, -(1 << 58), 0))
        ),
    ]
    return write_file(changes[draw.integers(len(changes))](), stream)


def odd_stream(codec: CloudCodec, draw: Draw) -> bytes:
    """Words of the stream are exchanged, left out, doubled, or follow it."""
    header, stream = read_file(drawn_file(codec, draw).data)
    words = np.frombuffer(stream, "<u4").copy()
    place = int(draw.integers(len(words)))
    changes: list[Callable[[], NDArray[np.uint32]]] = [
        lambda: np.delete(words, place),
        lambda: np.insert(words, place, words[place]),
        lambda: np.append(words, [0] * int(draw.integers(1, 9))).astype("<u4"),
        lambda: np.append(words, words),
        lambda: np.roll(words, 1),
        lambda: np.where(np.arange(len(words)) == place, words ^ (1 << draw.integers(32)), words),
    ]
    return write_file(header, changes[draw.integers(len(changes))]().astype("<u4").tobytes())


CHANGES: dict[str, Callable[[CloudCodec, Draw], bytes]] = {
    "answer": odd_answer,
    "header": odd_header,
    "stream": odd_stream,
}
