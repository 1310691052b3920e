"""Patches as rows of a file: points, normals, and what a family's form adds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from study.base.errors import StudyError
from study.data.manifest import delete_it
from study.data.store import Columns, MappedTable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from model.partition import Cube
    from study.data.patch_form import PatchForm


def patch_columns(form: PatchForm | None, *, normals: bool) -> Columns:
    """Columns of a file of patches of a form, or of any."""
    of_points = {"points": "float32"} | ({"normals": "float32"} if normals else {})
    return Columns(
        scalars={"cloud": "int32", "half_width": "float64"},
        lists={"centre": "float64", **of_points, **(form.columns() if form else {})},
    )


def bytes_per_point(form: PatchForm, *, normals: bool) -> float:
    """Bytes of one point of a patch, its share of what the form adds included."""
    return 3 * 4.0 * (1 + normals) + form.bytes_per_point()


def patch_row(
    cloud: int, cube: Cube, normals: NDArray[np.float32] | None, form: PatchForm
) -> dict[str, Any]:
    """The row of a patch of the cloud with this index."""
    points = np.ascontiguousarray(cube.points, dtype=np.float32)
    row: dict[str, Any] = {
        "cloud": np.int32(cloud),
        "half_width": np.float64(cube.half_width),
        "centre": cube.centre,
        "points": points,
    }
    if normals is not None:
        row["normals"] = normals
    return row | dict(form.row(points))


@dataclass(frozen=True)
class StoredPatch:
    """A patch as read. Its arrays are views of the file, read-only.

    Patch frame to scaled frame: `points * half_width + centre`.

    Attributes:
        cloud: name of its cloud.
        centre: (3,) of its cube, scaled frame.
        half_width: of its cube, scaled frame.
        points: (n, 3) float32, patch frame.
        contents: what the form makes of its points, normals and further lists; None without one.
    """

    cloud: str
    centre: NDArray[np.float64]
    half_width: float
    points: NDArray[np.float32]
    contents: Any


class PatchSet:
    """The patches of one split, in the order of their clouds.

    Attributes:
        clouds: names of the clouds. A training cloud has at least one patch; a cloud for validation
            or tests may have none, where voxels stand for all its points.
        cloud_of: (patches,) int64, index into `clouds`.
        point_counts: (patches,) int64.
    """

    def __init__(
        self, path: Path, patches_of: Mapping[str, int], form: PatchForm | None, *, normals: bool
    ) -> None:
        """Map a file into memory.

        Args:
            path: the file.
            patches_of: name of each cloud -> its number of patches.
            form: of the patches; None: their points alone are read.
            normals: whether the patches have them.

        Raises:
            StudyError: it is no Arrow file with the columns and clouds expected.
        """
        self._form = form
        columns = patch_columns(form, normals=normals)
        self._table = MappedTable(path, columns, in_part=form is None)
        self._half_widths = self._table.scalars("half_width")
        self.clouds = tuple(patches_of)
        self.cloud_of = self._table.scalars("cloud").astype(np.int64)
        self.point_counts = self._table.lengths("points") // 3
        expected = np.repeat(np.arange(len(patches_of)), list(patches_of.values()))
        if not np.array_equal(self.cloud_of, expected):
            raise StudyError(
                f"{path} does not hold the clouds that its manifest names; {delete_it(path.parent)}"
            )

    def __len__(self) -> int:
        return len(self._table)

    def __iter__(self) -> Iterator[StoredPatch]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> StoredPatch:
        row = self._table.row(index)
        points, normals = row["points"].reshape(-1, 3), row.get("normals")
        return StoredPatch(
            cloud=self.clouds[self.cloud_of[index]],
            centre=row["centre"],
            half_width=float(self._half_widths[index]),
            points=points,
            contents=self._form
            and self._form.read(
                points,
                None if normals is None else normals.reshape(-1, 3),
                {**row, "half_width": float(self._half_widths[index])},
            ),
        )
