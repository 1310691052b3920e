"""Morton keys: three numbers of up to 21 bits each, interleaved bit by bit into one of 63 bits.

In the order of their keys cells follow a curve on which every octant of every octant is one piece:
the order of an octree, depth first. x has the highest bit of each triple. Integers and int64 arrays
work alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = TypeVar("Numbers", int, NDArray[np.int64])

COORDINATE_BITS = 21
"""Three of these fit into a signed 64-bit integer."""

# Steps that spread bits 0 to 20 to every third bit: the shift of each, and the mask of the bits
# after it ("Interleave bits by Binary Magic Numbers" in Anderson's Bit Twiddling Hacks).
_STEPS = (
    (32, 0x001F00000000FFFF),
    (16, 0x001F0000FF0000FF),
    (8, 0x100F00F00F00F00F),
    (4, 0x10C30C30C30C30C3),
    (2, 0x1249249249249249),
)
_WHOLE = (1 << COORDINATE_BITS) - 1


def interleave(x: Numbers, y: Numbers, z: Numbers) -> Numbers:
    """Keys of cells, coordinates from 0 to 2^21 - 1."""
    return _spread(x) << 2 | _spread(y) << 1 | _spread(z)


def separate(key: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """The x, y and z of a key."""
    return _gather(key >> 2), _gather(key >> 1), _gather(key)


def _spread(number: Numbers) -> Numbers:
    for shift, mask in _STEPS:
        number = (number | number << shift) & mask
    return number


def _gather(number: Numbers) -> Numbers:
    number = number & _STEPS[-1][1]
    masks = [_WHOLE, *(mask for _, mask in _STEPS[:-1])]
    for (shift, _), mask in zip(reversed(_STEPS), reversed(masks), strict=True):
        number = (number | number >> shift) & mask
    return number
