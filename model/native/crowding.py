"""How crowded the points of a cloud are, as a kernel.

Legend: n places.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

import numpy as np

from model.native.library import library

if TYPE_CHECKING:
    from numpy.typing import NDArray


class CrowdingArguments(ctypes.Structure):
    """`Crowding` of crowding.cpp."""

    _fields_ = (
        ("places", ctypes.c_int64),
        ("neighbours", ctypes.c_int64),
        ("radius2", ctypes.c_double),
        ("xyz", ctypes.c_void_p),
        ("counts", ctypes.c_void_p),
    )


def crowding(
    places: NDArray[np.float64],
    counts: NDArray[np.intp],
    *,
    neighbours: int,
    radius: float,
    threads: int,
) -> NDArray[np.float64] | None:
    """Return (n, 2): how many points are near each place, and their mean distance.

    Those of its own place are among them. Where more are near, the nearest ones count.

    Args:
        places: (n, 3), distinct and finite, best in an order in which near ones follow each other.
        counts: (n,), how many points lie in each place, 1 or more.
        neighbours: how many count, at most.
        radius: how far away they may be.
        threads: how many work side by side.

    Returns:
        None where there are no kernels.

    Raises:
        MemoryError: there was not enough for what it works in.
    """
    found = library()
    if found is None:
        return None
    xyz = np.ascontiguousarray(places, dtype=np.float64)
    held = np.ascontiguousarray(counts, dtype=np.int64)
    assert xyz.shape == (len(held), 3), f"{xyz.shape} places do not go with {held.shape} counts"
    given = CrowdingArguments(
        *(len(xyz), neighbours, radius**2), *(each.ctypes.data for each in (xyz, held))
    )
    kernel = found.crowding_forward
    kernel.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int]
    made = np.empty((len(xyz), 2))
    if kernel(ctypes.byref(given), made.ctypes.data, threads):
        raise MemoryError("crowding_forward ran out of memory")
    return made
