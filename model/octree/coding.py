"""The octree's entropy coder: occupied voxels, and how many points each has.

Every level's cells are coded one by one: whether each child of an occupied cell is occupied, in
contexts of the neighbours that are known (`model/native/octree.cpp`, which has a plain twin in
`model/octree/plain.py`). The probabilities adapt within the file, from tables that were trained on
other clouds or from nothing. All arithmetic is of integers: a stream is the same from every
machine.

Legend: v voxels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from model.errors import CodecError, DamagedFileError
from model.morton import COORDINATE_BITS, interleave, separate
from model.native.library import library
from model.native.octree import OctreeKernel
from model.octree.plain import PlainOctree
from model.octree.tables import OctreeTables, State, constants

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Occupied", "OctreeTables", "bits", "decode", "encode", "learned", "morton_order"]

MOST_COUNT = 1 << 40
"""Points of one voxel: as many as any cloud may have."""

MOST_VOXELS_PER_BYTE = 1 << 15
"""No bit of the tree costs less than 1/2,840 of one in the stream (`mixing.hpp` keeps probabilities
below 65,520/65,536), and each voxel but the first takes a bit: more cannot be in a file."""

Box = tuple[int, int, int]


class Occupied(NamedTuple):
    """What a stream holds.

    Attributes:
        voxels: (v, 3) int64, in Morton order.
        counts: (v,) int64, points of each; None where they were not coded.
    """

    voxels: NDArray[np.int64]
    counts: NDArray[np.int64] | None


def morton_order(voxels: NDArray[np.int64]) -> NDArray[np.int64]:
    """The order of (v, 3) voxels in which the coder takes and gives them; x is the slowest."""
    order: NDArray[np.int64] = np.argsort(_keys(voxels), kind="stable")
    return order


def encode(
    voxels: NDArray[np.int64],
    counts: NDArray[np.int64] | None,
    depth: int,
    box: Box,
    tables: OctreeTables | None,
) -> bytes:
    """Code a cloud's voxels.

    Args:
        voxels: (v, 3), distinct, in Morton order, from 0 to below the box; at least one.
        counts: (v,) points of each, at least 1; None leaves them out.
        depth: levels of the tree, 0 to 21; its root has 2^depth voxels a side.
        box: of voxels along the three axes, 1 to 2^depth each.
        tables: what is known before; None begins with nothing.

    Raises:
        CodecError: voxels, counts, depth or box are not as described.
    """
    given = _Given.checked(voxels, counts, depth, box)
    kernel = _kernel(depth, box, State.of(tables))
    stream = kernel.encode(given.keys, given.counts)
    if isinstance(stream, int):
        kernel = _kernel(depth, box, State.of(tables))
        stream = kernel.encode_into(stream, given.keys, given.counts)
    assert isinstance(stream, bytes), "the second time there is room"
    return stream


def decode(
    data: bytes,
    depth: int,
    box: Box,
    tables: OctreeTables | None,
    *,
    counted: bool,
    most_voxels: int,
    most_points: int,
) -> Occupied:
    """Read what :func:`encode` wrote, given the same depth, box and tables.

    Args:
        data: the stream, no more and no less.
        depth: levels of the tree.
        box: of voxels along the three axes.
        tables: what the encoder knew before.
        counted: whether the numbers of points were coded.
        most_voxels: that there can be; memory and time are bounded by them.
        most_points: of all voxels together, where they are counted.

    Raises:
        DamagedFileError: no encoder wrote this.
        CodecError: depth or box are not as described.
    """
    _check_box(depth, box)
    kernel = _kernel(depth, box, State.of(tables))
    most = min(most_voxels, MOST_VOXELS_PER_BYTE * (len(data) + 8))
    found = kernel.decode(data, most, most_points if counted else None)
    if found is None:
        raise DamagedFileError(
            f"a stream must be what an encoder of its octree writes, and these {len(data):,} bytes "
            f"for at most {most_voxels:,} voxels are not; they were cut or changed on the way, get "
            "the file anew"
        )
    keys, counts = found
    return Occupied(np.stack(separate(keys), axis=1), counts)


def bits(
    voxels: NDArray[np.int64],
    counts: NDArray[np.int64] | None,
    depth: int,
    box: Box,
    tables: OctreeTables | None,
) -> float:
    """The ideal code length of what :func:`encode` would write; the file takes about a byte more.

    Raises:
        CodecError: as :func:`encode`.
    """
    given = _Given.checked(voxels, counts, depth, box)
    return _kernel(depth, box, State.of(tables)).bits(given.keys, given.counts)


def learned(
    tables: OctreeTables | None,
    voxels: NDArray[np.int64],
    counts: NDArray[np.int64] | None,
    depth: int,
    box: Box,
) -> OctreeTables:
    """Tables after having coded this cloud too; the arguments are those of :func:`encode`.

    Raises:
        CodecError: as :func:`encode`.
    """
    given = _Given.checked(voxels, counts, depth, box)
    state = State.of(tables)
    _kernel(depth, box, state).bits(given.keys, given.counts)
    return state.tables()


def _kernel(depth: int, box: Box, state: State) -> OctreeKernel | PlainOctree:
    kind = PlainOctree if library() is None else OctreeKernel
    return kind(depth, box, constants(), state)


@dataclass(frozen=True)
class _Given:
    """Voxels as keys in ascending order, and their counts."""

    keys: NDArray[np.int64]
    counts: NDArray[np.int64] | None

    @classmethod
    def checked(
        cls, voxels: NDArray[np.int64], counts: NDArray[np.int64] | None, depth: int, box: Box
    ) -> _Given:
        _check_box(depth, box)
        if not len(voxels) or voxels.min() < 0 or (voxels.max(axis=0) >= box).any():
            raise CodecError(
                f"an octree's voxels must be at least one and within the box {box}, and these "
                f"{len(voxels):,} are not; choose the box by the cloud"
            )
        keys = _keys(voxels)
        if (keys[1:] <= keys[:-1]).any():
            raise CodecError(
                "an octree's voxels must be distinct and in Morton order, and these are not; sort "
                "them by `morton_order`"
            )
        if counts is None:
            return cls(keys, None)
        if counts.shape != keys.shape or counts.min() < 1 or counts.max() > MOST_COUNT:
            raise CodecError(
                f"each of {len(keys):,} voxels must have a number of points from 1 to "
                f"{MOST_COUNT:,}, and {len(counts):,} numbers from {counts.min(initial=0):,} to "
                f"{counts.max(initial=0):,} are given; count the points per voxel"
            )
        return cls(keys, np.array(counts, dtype=np.int64, order="C"))


def _keys(voxels: NDArray[np.int64]) -> NDArray[np.int64]:
    x, y, z = (np.ascontiguousarray(column) for column in voxels.astype(np.int64).T)
    return interleave(x, y, z)


def _check_box(depth: int, box: Box) -> None:
    if not 0 <= depth <= COORDINATE_BITS or not all(1 <= side <= 1 << depth for side in box):
        raise CodecError(
            f"an octree must have 0 to {COORDINATE_BITS} levels and a box of 1 to 2^levels voxels "
            f"a side, and has {depth} and {box}; choose a coarser voxel"
        )
