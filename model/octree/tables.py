"""What the octree's coder knows before a file: integers, learned by coding other clouds.

Legend: S slots of each context, 16,384 of occupancy and 4,096 of counts.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from model.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

OCCUPANCY_CONTEXTS, OCCUPANCY_ROWS = 8, 376
COUNT_CONTEXTS, COUNT_ROWS = 6, 96
HEAVIEST = 1 << 22
"""No weight is larger, in 1/65536."""
FARTHEST = 3071
"""No logit is larger, in 1/256."""
MOST_SEEN = 127
"""A slot's rate of learning falls no further."""
_OCCUPANCY_SLOTS, _COUNT_SLOTS = 1 << 14, 1 << 12
# The rows that are chosen by the symbol begin with these, those that are added to them with zeros.
_FIRST_ROWS = 64
_OCCUPANCY_WEIGHT, _COUNT_WEIGHT = 14_000, 16_000
# Fixed-point arithmetic of the constants: digits enough that no rounding depends on the last ones.
_PLACES = 120
_LEAST, _WHOLE = 16, 1 << 16


@dataclass(frozen=True)
class OctreeTables:
    """What was learned from clouds, of occupancy and of the numbers of points per voxel.

    Attributes:
        occupancy_chance: (8, S) uint16, of a one in 1/65536, a slot each.
        occupancy_seen: (8, S) uint8, how many bits a slot has learned from, up to 127.
        occupancy_whose: (8, S) uint8, which of the contexts that meet in a slot has it.
        occupancy_weights: (376, 8) int32, in 1/65536.
        count_chance: (6, S) uint16.
        count_seen: (6, S) uint8.
        count_whose: (6, S) uint8.
        count_weights: (96, 6) int32.
    """

    occupancy_chance: NDArray[np.uint16]
    occupancy_seen: NDArray[np.uint8]
    occupancy_whose: NDArray[np.uint8]
    occupancy_weights: NDArray[np.int32]
    count_chance: NDArray[np.uint16]
    count_seen: NDArray[np.uint8]
    count_whose: NDArray[np.uint8]
    count_weights: NDArray[np.int32]

    def __post_init__(self) -> None:
        """Check types, shapes and ranges.

        Raises:
            CodecError: an array that the coder cannot use.
        """
        for name, (dtype, shape) in _FORM.items():
            array = getattr(self, name)
            if array.dtype != dtype or array.shape != shape:
                raise CodecError(
                    f"{name} of an octree's tables must be {shape} of {np.dtype(dtype)}, and is "
                    f"{array.shape} of {array.dtype}; train the tables anew"
                )
        for name, most in _MOST.items():
            farthest = int(np.abs(getattr(self, name).astype(np.int64)).max())
            if farthest > most:
                raise CodecError(
                    f"{name} of an octree's tables must be within ±{most:,}, and one is "
                    f"±{farthest:,}; train the tables anew"
                )

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The tables of what :meth:`arrays` gave.

        Raises:
            CodecError: arrays are missing or unknown, or of another form.
        """
        if set(arrays) != set(_FORM):
            raise CodecError(
                f"an octree's tables must be {', '.join(_FORM)}, and are "
                f"{', '.join(sorted(arrays)) or 'none'}; train the tables anew"
            )
        return cls(**arrays)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The tables by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


_FORM: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {
    "occupancy_chance": (np.uint16, (OCCUPANCY_CONTEXTS, _OCCUPANCY_SLOTS)),
    "occupancy_seen": (np.uint8, (OCCUPANCY_CONTEXTS, _OCCUPANCY_SLOTS)),
    "occupancy_whose": (np.uint8, (OCCUPANCY_CONTEXTS, _OCCUPANCY_SLOTS)),
    "occupancy_weights": (np.int32, (OCCUPANCY_ROWS, OCCUPANCY_CONTEXTS)),
    "count_chance": (np.uint16, (COUNT_CONTEXTS, _COUNT_SLOTS)),
    "count_seen": (np.uint8, (COUNT_CONTEXTS, _COUNT_SLOTS)),
    "count_whose": (np.uint8, (COUNT_CONTEXTS, _COUNT_SLOTS)),
    "count_weights": (np.int32, (COUNT_ROWS, COUNT_CONTEXTS)),
}
_MOST = {
    **dict.fromkeys(("occupancy_weights", "count_weights"), HEAVIEST),
    **dict.fromkeys(("occupancy_seen", "count_seen"), MOST_SEEN),
}


@dataclass(frozen=True)
class State:
    """The tables while they learn.

    Attributes:
        occupancy_slots: (8, S) uint32: 17 bits of chance, 7 of how often it was seen, 8 of whose
            it is.
        occupancy_weights: (376, 8) int32.
        count_slots: (6, S) uint32.
        count_weights: (96, 6) int32.
    """

    occupancy_slots: NDArray[np.uint32]
    occupancy_weights: NDArray[np.int32]
    count_slots: NDArray[np.uint32]
    count_weights: NDArray[np.int32]

    @classmethod
    def of(cls, tables: OctreeTables | None) -> Self:
        """A state that begins with tables, or with nothing learned."""
        start = tables or untrained()
        return cls(
            _packed(start.occupancy_chance, start.occupancy_seen, start.occupancy_whose),
            np.array(start.occupancy_weights, order="C"),
            _packed(start.count_chance, start.count_seen, start.count_whose),
            np.array(start.count_weights, order="C"),
        )

    def tables(self) -> OctreeTables:
        """What was learned until now; chances lose their last bits."""
        return OctreeTables(
            *_unpacked(self.occupancy_slots),
            self.occupancy_weights.copy(),
            *_unpacked(self.count_slots),
            self.count_weights.copy(),
        )


@cache
def untrained() -> OctreeTables:
    """Even chances, and contexts that all weigh the same."""
    arrays = {name: np.zeros(shape, dtype) for name, (dtype, shape) in _FORM.items()}
    arrays["occupancy_chance"][:] = arrays["count_chance"][:] = 1 << 15
    arrays["occupancy_weights"][:_FIRST_ROWS] = _OCCUPANCY_WEIGHT
    arrays["count_weights"][:_FIRST_ROWS] = _COUNT_WEIGHT
    return OctreeTables.of(arrays)


def _packed(
    chance: NDArray[np.uint16], seen: NDArray[np.uint8], whose: NDArray[np.uint8]
) -> NDArray[np.uint32]:
    packed = chance.astype(np.uint32) << 16 | seen.astype(np.uint32) << 8 | whose
    return np.ascontiguousarray(packed)


def _unpacked(
    slots: NDArray[np.uint32],
) -> tuple[NDArray[np.uint16], NDArray[np.uint8], NDArray[np.uint8]]:
    seen = (slots >> 8 & MOST_SEEN).astype(np.uint8)
    return (slots >> 16).astype(np.uint16), seen, (slots & 255).astype(np.uint8)


@dataclass(frozen=True)
class Constants:
    """Functions of the mixing, rounded once and for all in exact arithmetic.

    Attributes:
        logit: (4096,) int16, of the probability (i + 1/2) / 4096, in 1/256.
        probability: (6143,) uint16, of logits from -3071/256 on, in 1/65536; 16 at least, and as
            much below 65,536.
        rate: (128,) uint16, by which a slot that was seen so often learns, in 1/65536.
    """

    logit: NDArray[np.int16]
    probability: NDArray[np.uint16]
    rate: NDArray[np.uint16]


@cache
def constants() -> Constants:
    """The same integers on every machine: no floating-point function takes part."""
    odds = _powers_of_e(FARTHEST)
    one = 1 << _PLACES
    # Probabilities of logits from 0 on in 1/2^32, and those of their opposites.
    above = np.array([(power << 32) // (power + one) for power in odds], dtype=np.int64)
    fine = np.concatenate([(1 << 32) - above[:0:-1], above])
    wanted = (2 * np.arange(4096, dtype=np.int64) + 1) << 19
    after = np.searchsorted(fine, wanted)
    logit = after - (wanted - fine[after - 1] < fine[after] - wanted) - FARTHEST
    upper = (above + (1 << 15)) >> 16
    probability = np.concatenate([_WHOLE - upper[:0:-1], upper]).clip(_LEAST, _WHOLE - _LEAST)
    # A slot's chance is about the mean of what it has seen, beginning with 0.6 of a bit for even.
    rate = 10 * _WHOLE // (10 * np.arange(MOST_SEEN + 1) + 16)
    return Constants(logit.astype(np.int16), probability.astype(np.uint16), rate.astype(np.uint16))


def _powers_of_e(count: int) -> list[int]:
    """e^(i / 256) for i from 0 to a number, in 1/2^120."""
    one = 1 << _PLACES
    step = term = one
    for n in range(1, 40):
        term //= 256 * n
        step += term
    powers = [one]
    for _ in range(count):
        powers.append(powers[-1] * step >> _PLACES)
    return powers
