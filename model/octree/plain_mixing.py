"""Binary symbols by mixed adaptive predictions: `model/native/mixing.hpp` in plain Python."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

from model.octree.tables import FARTHEST, HEAVIEST, MOST_SEEN

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from model.octree.tables import Constants

_MULTIPLIER = 0x9E3779B97F4A7C15
_KEY = (1 << 64) - 1
_HIGHEST_CHANCE = (1 << 17) - 1
_WORD = (1 << 32) - 1


class DamagedStreamError(Exception):
    """Bits that no writer wrote; never leaves the package."""


class Coder(Protocol):
    """Codes bits by their probabilities of being one, in 1/65536."""

    def bit(self, bit: int, chance: int) -> int:
        """Put a bit, or get it: readers ignore the one that is given."""
        ...


class Predictor:
    """Predicts bits in several contexts, and learns from them."""

    def __init__(
        self,
        constants: Constants,
        slots: NDArray[np.uint32],
        weights: NDArray[np.int32],
    ) -> None:
        self._logit: list[int] = constants.logit.tolist()
        self._probability: list[int] = constants.probability.tolist()
        self._rate: list[int] = constants.rate.tolist()
        self._slot_bits = slots.shape[1].bit_length() - 1
        self._slot_array, self._weight_array = slots, weights
        self._slots: list[list[int]] = slots.tolist()
        self._weights: list[list[int]] = weights.tolist()

    def code(self, coder: Coder, bit: int, contexts: Sequence[int], rows: Sequence[int]) -> int:
        """Code a bit in contexts, one for each column of slots, with rows of weights added up.

        Loops are written out and hold no calls: nearly all time of the plain coder is spent here.
        """
        slot_shift, whose_shift = 64 - self._slot_bits, 56 - self._slot_bits
        logit_of, rate_of = self._logit, self._rate
        weights = [self._weights[row] for row in rows]
        found = []
        total = 0
        for slots, context, weight in zip(self._slots, contexts, _sums(weights), strict=True):
            key = context * _MULTIPLIER & _KEY
            cell, whose = key >> slot_shift, key >> whose_shift & 255
            slot = slots[cell]
            # Another context's slot is taken over: what that one has learned would mislead.
            if slot & 255 != whose:
                slot = 1 << 31 | whose
            logit = logit_of[slot >> 20]
            total += logit * weight
            found.append((slots, cell, slot, logit))
        mixed = total >> 16
        if not -FARTHEST <= mixed <= FARTHEST:
            mixed = FARTHEST if mixed > 0 else -FARTHEST
        chance = self._probability[mixed + FARTHEST]
        bit = coder.bit(bit, chance)
        error = (bit << 16) - chance
        target = _HIGHEST_CHANCE if bit else 0
        for column, (slots, cell, slot, logit) in enumerate(found):
            step = (logit * error + 32768) >> 16
            if step:
                for row in weights:
                    weight = row[column] + step
                    if not -HEAVIEST <= weight <= HEAVIEST:
                        weight = HEAVIEST if weight > 0 else -HEAVIEST
                    row[column] = weight
            was, seen = slot >> 15, slot >> 8 & 127
            now = was + ((target - was) * rate_of[seen] >> 16)
            slots[cell] = now << 15 | (seen + (seen < MOST_SEEN)) << 8 | slot & 255
        return bit

    def keep(self) -> None:
        """Write what was learned back into the arrays that it began with."""
        self._slot_array[:] = self._slots
        self._weight_array[:] = self._weights


def _sums(rows: Sequence[list[int]]) -> list[int]:
    if len(rows) == 2:
        return [a + b for a, b in zip(*rows, strict=True)]
    return [a + b + c for a, b, c in zip(*rows, strict=True)]


class _Interval:
    """What is left of [0, 2^32) after the bits so far, without its settled first bytes."""

    def __init__(self) -> None:
        self._low, self._high = 0, _WORD

    def _narrow(self, bit: int, middle: int) -> None:
        if bit:
            self._high = middle
        else:
            self._low = middle + 1

    def _middle(self, chance: int) -> int:
        return self._low + ((self._high - self._low) * chance >> 16)

    @property
    def _settled(self) -> bool:
        return (self._low ^ self._high) >> 24 == 0

    def _shift(self) -> None:
        self._low = self._low << 8 & _WORD
        self._high = self._high << 8 & _WORD | 255

    @property
    def _last(self) -> bytes:
        """What ends a stream; nothing where zeros, which are read after the end, will do."""
        return bytes([(self._low >> 24) + 1]) if self._low else b""


class Writer(_Interval):
    """Codes bits into bytes."""

    def __init__(self) -> None:
        super().__init__()
        self._bytes = bytearray()

    def bit(self, bit: int, chance: int) -> int:
        """Put a bit."""
        self._narrow(bit, self._middle(chance))
        while self._settled:
            self._bytes.append(self._high >> 24)
            self._shift()
        return bit

    def finish(self) -> bytes:
        """The stream."""
        return bytes(self._bytes) + self._last


class Reader(_Interval):
    """Decodes bits from bytes."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._data = data
        self._shifted = 0
        self._code = int.from_bytes(data[:4].ljust(4, b"\0"), "big")

    def bit(self, _: int, chance: int) -> int:
        """Get a bit.

        Raises:
            DamagedStreamError: more bits than a writer would have put into so few bytes.
        """
        middle = self._middle(chance)
        bit = int(self._code <= middle)
        self._narrow(bit, middle)
        while self._settled:
            at = self._shifted + 4
            self._code = self._code << 8 & _WORD | (self._data[at] if at < len(self._data) else 0)
            self._shifted += 1
            if self._shifted > len(self._data):
                raise DamagedStreamError
            self._shift()
        return bit

    def finish(self) -> None:
        """Check that the stream is what a writer of the same bits would have written.

        Raises:
            DamagedStreamError: it is not.
        """
        if self._data[self._shifted :] != self._last:
            raise DamagedStreamError


class Counter:
    """Adds up what bits cost ideally.

    Attributes:
        bits: so far.
    """

    def __init__(self) -> None:
        self.bits = 0.0

    def bit(self, bit: int, chance: int) -> int:
        """Count a bit."""
        self.bits -= math.log2((chance if bit else 65536 - chance) / 65536)
        return bit
