"""The entropy coder of files: rANS with 16-bit probabilities, and the symbols built on it.

The coder is the 64-bit rANS of Duda (arXiv 1311.2540) in the variant that CompressAI uses, to the
byte: a test codes with either and decodes with the other. It is written out here because a file may
come from anywhere, and the compiled decoder reads past its input without noticing, follows escape
codes without end, and does not tell its position. This one costs 0.5 us a symbol, which is less
than one call of the other, and little beside the network.

A symbol is an interval `[start, start + frequency)` of the 65,536 slots; it costs
`log2(65536 / frequency)` bits. The last symbol is encoded first, so the encoder collects them all
and the decoder reads as it goes.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import TYPE_CHECKING, Protocol

import numpy as np

from model.errors import DamagedFileError

if TYPE_CHECKING:
    from numpy.typing import NDArray

SLOT_BITS = 16
SLOTS = 1 << SLOT_BITS
_LOWEST_STATE = 1 << 31
_WORD_BITS = 32
_WORD = (1 << _WORD_BITS) - 1
FLUSH_BITS = 48
"""Bits of a stream beyond those of its symbols, on average: the final state takes 64 bits, and 0 to
32 of these, 16 on average, are bits of symbols."""
LONGEST_ESCAPE_BITS = 24
"""More than any trained codec needs: its symbols stay within 2^20."""
_RAREST_BIT = SLOTS // 64
"""Limits the cost of a wrong prediction (6 bits), and how many symbols a byte can claim."""


class SymbolTables(Protocol):
    """One table of cumulative frequencies per kind of symbol.

    Attributes:
        cdf: (S, longest) int32; row s is valid up to `cdf_length[s]` and runs from 0 to 65536.
        cdf_length: (S,) int32. The last of the `cdf_length - 1` slots stands for all other values.
        offset: (S,) int32, the value of the first slot.
    """

    @property
    def cdf(self) -> NDArray[np.int32]: ...  # noqa: D102
    @property
    def cdf_length(self) -> NDArray[np.int32]: ...  # noqa: D102
    @property
    def offset(self) -> NDArray[np.int32]: ...  # noqa: D102


class AdaptiveBit:
    """The probability of a bit, learned from those seen: Krichevsky and Trofimov's estimate."""

    def __init__(self) -> None:
        self._seen = [1, 1]

    @property
    def frequency_of_one(self) -> int:
        """In slots, from 1/64 to 63/64 of all."""
        zeros, ones = self._seen
        return min(max(SLOTS * ones // (zeros + ones), _RAREST_BIT), SLOTS - _RAREST_BIT)

    def learn(self, bit: int) -> None:
        """Count a bit as 2: each value begins with 1, which is half a bit."""
        self._seen[bit] += 2


class SymbolWriter:
    """Collects symbols, then codes them."""

    def __init__(self) -> None:
        self._starts = array("H")
        self._frequencies = array("H")

    @property
    def bits(self) -> float:
        """What the symbols so far cost."""
        frequencies = np.frombuffer(self._frequencies, dtype=np.uint16)
        return float(SLOT_BITS * len(frequencies) - np.log2(frequencies).sum())

    def bit(self, bit: int, model: AdaptiveBit) -> None:
        """Code a bit by a model, which learns from it."""
        ones = model.frequency_of_one
        self._starts.append(SLOTS - ones if bit else 0)
        self._frequencies.append(ones if bit else SLOTS - ones)
        model.learn(bit)

    def choice(self, value: int, count: int) -> None:
        """One of `count` equally likely numbers from 0, at most 65,536 of them."""
        assert 0 <= value < count <= SLOTS, f"{value} is not one of {count}"
        start = value * SLOTS // count
        frequency = (value + 1) * SLOTS // count - start
        if frequency < SLOTS:  # what is certain is not coded
            self._starts.append(start)
            self._frequencies.append(frequency)

    def uniform(self, values: NDArray[np.uint8] | NDArray[np.uint16]) -> None:
        """Any number of equally likely 8-bit or 16-bit numbers."""
        width = SLOTS >> 8 * values.itemsize
        self._starts.frombytes((values.astype(np.uint16).ravel() * np.uint16(width)).tobytes())
        self._frequencies.extend([width] * values.size)

    def table(self, symbols: NDArray[np.int32], tables: SymbolTables) -> None:
        """Rows of symbols.

        Args:
            symbols: (M, S), column s by table s.
            tables: S of them.
        """
        column = np.broadcast_to(np.arange(symbols.shape[1]), symbols.shape)
        slot = symbols.astype(np.int64) - tables.offset
        other = tables.cdf_length.astype(np.int64) - 2
        escaped = (slot < 0) | (slot >= other)
        within = np.where(escaped, other, slot)
        start = tables.cdf[column, within]
        frequency = (tables.cdf[column, within + 1] - start).ravel().astype(np.uint16)
        start = start.ravel().astype(np.uint16)
        # 0, 1, 2 ... beyond the table become 0, 2, 4 ...; -1, -2 ... before it 1, 3 ...
        beyond = np.where(slot < 0, -2 * slot - 1, 2 * (slot - other))[escaped].tolist()
        done = 0
        for position, value in zip(np.flatnonzero(escaped).tolist(), beyond, strict=True):
            self._extend(start[done : position + 1], frequency[done : position + 1])
            self._escape(value)
            done = position + 1
        self._extend(start[done:], frequency[done:])

    def _extend(self, starts: NDArray[np.uint16], frequencies: NDArray[np.uint16]) -> None:
        self._starts.frombytes(starts.tobytes())
        self._frequencies.frombytes(frequencies.tobytes())

    def _escape(self, value: int) -> None:
        """Exponential Golomb code of order 0 in equally likely bits."""
        bits = (value + 1).bit_length() - 1
        assert bits <= LONGEST_ESCAPE_BITS, f"symbols this far out are refused before: {value}"
        for _ in range(bits):
            self.choice(1, 2)
        self.choice(0, 2)
        for shift in reversed(range(bits)):
            self.choice(value + 1 >> shift & 1, 2)

    def finish(self) -> bytes:
        """The stream: 8 bytes, and 4 for every full 32 bits of the symbols."""
        state = _LOWEST_STATE
        words = []
        for start, frequency in zip(
            reversed(self._starts), reversed(self._frequencies), strict=True
        ):
            if state >= frequency << 2 * _WORD_BITS - 1 - SLOT_BITS:
                words.append(state & _WORD)
                state >>= _WORD_BITS
            quotient, remainder = divmod(state, frequency)
            state = (quotient << SLOT_BITS) + remainder + start
        words += [state >> _WORD_BITS, state & _WORD]
        return np.array(words[::-1], dtype="<u4").tobytes()


class SymbolReader:
    """Reads back what a :class:`SymbolWriter` wrote, given the same calls.

    Every method raises :class:`DamagedFileError` where the stream ends too early.
    """

    def __init__(self, stream: bytes) -> None:
        if len(stream) < 8 or len(stream) % 4:
            raise DamagedFileError(
                "a stream of symbols must have 8 bytes or more in words of 4, and this one has "
                f"{len(stream)}; the file was made up or changed, get it anew"
            )
        self._words: list[int] = np.frombuffer(stream, dtype="<u4").tolist()
        self._state: int = self._words[0] | self._words[1] << _WORD_BITS
        self._next = 2

    def _advance(self, start: int, frequency: int) -> None:
        state = self._state
        state = frequency * (state >> SLOT_BITS) + (state & SLOTS - 1) - start
        if state < _LOWEST_STATE:
            if self._next == len(self._words):
                raise _ended()
            state = state << _WORD_BITS | self._words[self._next]
            self._next += 1
        self._state = state

    def bit(self, model: AdaptiveBit) -> int:
        """See :meth:`SymbolWriter.bit`."""
        ones = model.frequency_of_one
        if self._state & SLOTS - 1 < SLOTS - ones:
            self._advance(0, SLOTS - ones)
            model.learn(0)
            return 0
        self._advance(SLOTS - ones, ones)
        model.learn(1)
        return 1

    def choice(self, count: int) -> int:
        """See :meth:`SymbolWriter.choice`."""
        if count == 1:
            return 0
        value = (((self._state & SLOTS - 1) + 1) * count - 1) // SLOTS
        start = value * SLOTS // count
        self._advance(start, (value + 1) * SLOTS // count - start)
        return value

    def uniform_bytes(self, count: int) -> NDArray[np.uint8]:
        """(count,) equally likely numbers of 8 bits."""
        return np.array([self.choice(1 << 8) for _ in range(count)], dtype=np.uint8)

    def uniform_words(self, count: int) -> NDArray[np.uint16]:
        """(count,) equally likely numbers of 16 bits."""
        return np.array([self.choice(SLOTS) for _ in range(count)], dtype=np.uint16)

    def table(self, rows: int, tables: SymbolTables) -> NDArray[np.int32]:
        """(rows, S) symbols, column s by table s."""
        columns = [
            (cdf[:length].tolist(), length - 2, offset)
            for cdf, length, offset in zip(
                tables.cdf, tables.cdf_length.tolist(), tables.offset.tolist(), strict=True
            )
        ]
        symbols = array("i")
        # Nearly all of a file is read here. `_advance` is inlined: 0.7 us a symbol instead of 1.7.
        state, words, position = self._state, self._words, self._next
        for cdf, other, offset in columns * rows:
            low = state & SLOTS - 1
            slot = bisect_right(cdf, low) - 1
            start = cdf[slot]
            state = (cdf[slot + 1] - start) * (state >> SLOT_BITS) + low - start
            if state < _LOWEST_STATE:
                if position == len(words):
                    raise _ended()
                state = state << _WORD_BITS | words[position]
                position += 1
            if slot == other:
                self._state, self._next = state, position
                slot = self._beyond(other)
                state, position = self._state, self._next
            symbols.append(slot + offset)
        self._state, self._next = state, position
        return np.frombuffer(symbols, dtype=np.int32).reshape(rows, len(columns))

    def _beyond(self, other: int) -> int:
        """The slot that an escape stands for: before the table, or from its last slot on."""
        value = self._escape()
        return -(value + 1 >> 1) if value & 1 else other + (value >> 1)

    def _escape(self) -> int:
        bits = 0
        while self.choice(2):
            bits += 1
            if bits > LONGEST_ESCAPE_BITS:
                raise DamagedFileError(
                    "a symbol must be within 2^24 of its table, and one is not; the file was made "
                    "up or changed, get it anew"
                )
        value = 1
        for _ in range(bits):
            value = value << 1 | self.choice(2)
        return value - 1

    def finish(self) -> int:
        """Say how many zero words follow the symbols.

        Raises:
            DamagedFileError: not the state from which an encoder starts, or something follows.
        """
        rest = self._words[self.end() // 4 :]
        if any(rest):
            raise _goes_on()
        return len(rest)

    def end(self) -> int:
        """Say after how many bytes of the stream the symbols end.

        Raises:
            DamagedFileError: not the state from which an encoder starts.
        """
        if self._state != _LOWEST_STATE:
            raise _goes_on()
        return 4 * self._next


def _goes_on() -> DamagedFileError:
    return DamagedFileError(
        "a stream of symbols must end where the symbols end, and this one does not; the file was "
        "made up or changed, get it anew"
    )


def _ended() -> DamagedFileError:
    return DamagedFileError(
        "a stream of symbols must hold all that the file announces, and it ended before; the file "
        "was made up or changed, get it anew"
    )
