"""Neighbours of an octree's voxels, as a kernel; `model/octree/placing.py` says what for."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

import numpy as np

from model.native.library import library

if TYPE_CHECKING:
    from numpy.typing import NDArray


def add_neighbours(
    keys: NDArray[np.uint64],
    order: NDArray[np.int64],
    steps: NDArray[np.int64],
    mask: NDArray[np.int64],
    middles: NDArray[np.int64],
) -> bool:
    """Add what neighbours there are to masks and middles; False where there are no kernels.

    Args:
        keys: (v,) ascending.
        order: (v,) the voxel of each key.
        steps: (s, 6): number, number of the step back, x, y and z to move, and what is added to a
            key.
        mask: (v,) changed.
        middles: (v, 3) changed.
    """
    found = library()
    if found is None:
        return False
    arrays = [np.ascontiguousarray(keys), np.ascontiguousarray(order), np.ascontiguousarray(steps)]
    assert mask.flags.c_contiguous, "kernels write into arrays as they lie"
    assert middles.flags.c_contiguous, "kernels write into arrays as they lie"
    pointers = [ctypes.c_void_p(array.ctypes.data) for array in (*arrays, mask, middles)]
    counts = [ctypes.c_int64(len(array)) for array in (keys, steps)]
    found.octree_neighbours(*pointers[:2], counts[0], pointers[2], counts[1], *pointers[3:])
    return True
