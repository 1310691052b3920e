"""The whole clouds of an evaluation split as rows of a file, with what the patches leave out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from study.base.errors import StudyError
from study.data.manifest import delete_it
from study.data.store import Columns, MappedTable

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from model.placement import Placement
    from study.data.manifest import CloudEntry

LAYOUT = Columns(
    scalars={"overhead_bits": "int64"},
    lists={"points": "float64", "normals": "float32", "voxels": "float64"},
)
BYTES_PER_POINT = 3 * 8.0
"""Bytes of a point without a normal; the few voxels are not counted."""


@dataclass(frozen=True)
class StoredCloud:
    """A cloud as read. Its arrays are views of the file, read-only.

    Attributes:
        name: as its source calls it.
        points: (n, 3) float64, original frame: those that the data set uses.
        normals: (n, 3) float32, or None where the data set has none.
        placement: maps between the original and the scaled frame.
        voxels: (v, 3) float64, scaled frame: the points to which its sparse cubes decode.
        overhead_bits: bits of its file besides the latents (`model.overhead`).
    """

    name: str
    points: NDArray[np.float64]
    normals: NDArray[np.float32] | None
    placement: Placement
    voxels: NDArray[np.float64]
    overhead_bits: int


def cloud_row(
    points: NDArray[np.float64],
    normals: NDArray[np.float32] | None,
    voxels: NDArray[np.float64],
    overhead_bits: int,
) -> dict[str, Any]:
    """The row of a cloud; arguments as in `StoredCloud`."""
    return {
        "overhead_bits": np.int64(overhead_bits),
        "points": points,
        "normals": np.empty((0, 3), np.float32) if normals is None else normals,
        "voxels": voxels,
    }


class CloudSet(Sequence[StoredCloud]):
    """The clouds of one split, in the order of `PatchSet.clouds`."""

    def __init__(self, path: Path, entries: Sequence[CloudEntry], *, normals: bool) -> None:
        """Map a file into memory.

        Args:
            path: the file.
            entries: the clouds, in the file's order.
            normals: whether the clouds have them.

        Raises:
            StudyError: it is no Arrow file with the columns and clouds expected.
        """
        self._entries, self._has_normals = tuple(entries), normals
        self._table = MappedTable(path, LAYOUT)
        self._overhead_bits = self._table.scalars("overhead_bits")
        counts = self._table.lengths("points") // 3
        if counts.tolist() != [entry.all_points for entry in entries]:
            raise StudyError(
                f"{path} does not hold the clouds that its manifest names; {delete_it(path.parent)}"
            )

    def __len__(self) -> int:
        return len(self._entries)

    @overload
    def __getitem__(self, index: int) -> StoredCloud: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[StoredCloud]: ...

    def __getitem__(self, index: int | slice) -> StoredCloud | Sequence[StoredCloud]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        number = range(len(self))[index]
        row, entry = self._table.row(number), self._entries[number]
        return StoredCloud(
            name=entry.name,
            points=row["points"].reshape(-1, 3),
            normals=row["normals"].reshape(-1, 3) if self._has_normals else None,
            placement=entry.placement,
            voxels=row["voxels"].reshape(-1, 3),
            overhead_bits=int(self._overhead_bits[number]),
        )
