"""The octree's entropy coder as a kernel; `model/octree/coding.py` says what the functions do."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

import numpy as np

from model.native.library import library

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from model.octree.tables import Constants, State

_DONE, _NO_MEMORY, _DAMAGED = range(3)
_BYTES_TO_START_WITH = 1 << 12


class _Octree(ctypes.Structure):
    """`Octree` of octree.cpp."""

    _fields_ = (
        ("depth", ctypes.c_int64),
        *(
            (name, ctypes.c_void_p)
            for name in (
                *("box", "logit", "probability", "rate"),
                *("occupancy_slots", "count_slots", "occupancy_weights", "count_weights"),
            )
        ),
    )


class OctreeKernel:
    """The coder of one cloud. The state learns as it codes."""

    def __init__(
        self, depth: int, box: tuple[int, int, int], constants: Constants, state: State
    ) -> None:
        # Held here: the structure knows where they are, and does not keep them.
        self._held: list[NDArray[Any]] = [
            np.array(box, dtype=np.int64),
            *(constants.logit, constants.probability, constants.rate),
            *(state.occupancy_slots, state.count_slots),
            *(state.occupancy_weights, state.count_weights),
        ]
        self._given = _Octree(depth, *map(_pointer, self._held))

    def encode(self, keys: NDArray[np.int64], counts: NDArray[np.int64] | None) -> bytes | int:
        """The stream; or how many bytes it needs, where that is more than was prepared for.

        The second time around, with a state as it was, :meth:`encode_into` has to be told.
        """
        return self.encode_into(_BYTES_TO_START_WITH + 4 * len(keys), keys, counts)

    def encode_into(
        self, capacity: int, keys: NDArray[np.int64], counts: NDArray[np.int64] | None
    ) -> bytes | int:
        """Likewise, with room for so many bytes."""
        out = np.empty(capacity, dtype=np.uint8)
        size = ctypes.c_int64()
        _call(
            "octree_encode",
            ctypes.byref(self._given),
            *(_pointer(keys), ctypes.c_int64(len(keys)), _pointer(counts)),
            *(_pointer(out), ctypes.c_int64(capacity), ctypes.byref(size)),
        )
        return out[: size.value].tobytes() if size.value <= capacity else size.value

    def bits(self, keys: NDArray[np.int64], counts: NDArray[np.int64] | None) -> float:
        """The ideal code length."""
        bits = ctypes.c_double()
        _call(
            "octree_bits",
            ctypes.byref(self._given),
            *(_pointer(keys), ctypes.c_int64(len(keys)), _pointer(counts), ctypes.byref(bits)),
        )
        return bits.value

    def decode(
        self, data: bytes, most_voxels: int, most_points: int | None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64] | None] | None:
        """Keys and counts, these where `most_points` is given; None of a damaged stream."""
        coded = np.frombuffer(data, dtype=np.uint8)
        # Memory that nothing is written to is not taken.
        keys = np.empty(most_voxels, dtype=np.int64)
        counts = None if most_points is None else np.zeros(most_voxels, dtype=np.int64)
        found = ctypes.c_int64()
        outcome = _call(
            "octree_decode",
            ctypes.byref(self._given),
            *(_pointer(coded), ctypes.c_int64(len(coded))),
            *(_pointer(keys), ctypes.c_int64(most_voxels), _pointer(counts)),
            *(ctypes.c_int64(most_points or 0), ctypes.byref(found)),
        )
        if outcome == _DAMAGED:
            return None
        return keys[: found.value].copy(), None if counts is None else counts[: found.value].copy()


def _pointer(array: NDArray[Any] | None) -> ctypes.c_void_p | None:
    if array is None:
        return None
    assert array.flags.c_contiguous, "kernels read arrays as they lie"
    return ctypes.c_void_p(array.ctypes.data)


def _call(name: str, *arguments: object) -> int:
    found = library()
    assert found is not None, "callers ask whether there is one"
    outcome: int = getattr(found, name)(*arguments)
    if outcome == _NO_MEMORY:
        raise MemoryError(f"{name} ran out of memory")
    return outcome
