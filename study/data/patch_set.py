"""Patches and their hierarchies as rows of a file.

Arrays have the shapes given in `model.hierarchy`. `owned` is stored as bytes: Arrow's own booleans
are bits, and every reading would have to unpack them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from model.hierarchy import Hierarchy, Level
from study.base.errors import StudyError
from study.data.manifest import delete_it
from study.data.store import Columns, MappedTable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from model.partition import Cube

_LEVEL_TYPES = {
    "samples": "int32",
    "neighbours": "int32",
    "owned": "uint8",
    "child_count": "float32",
    "mean_distance": "float32",
}


def patch_columns(stages: int, *, normals: bool) -> Columns:
    """Columns of a file whose hierarchies have this many levels."""
    levels = {
        f"{name}_{stage}": kind for stage in range(stages) for name, kind in _LEVEL_TYPES.items()
    }
    of_points = {"points": "float32"} | ({"normals": "float32"} if normals else {})
    return Columns(
        scalars={"cloud": "int32", "half_width": "float64"},
        lists={"centre": "float64", **of_points, **levels},
    )


def bytes_per_point(downsample_rate: tuple[float, ...], k: int, *, normals: bool) -> float:
    """Bytes of one point of a patch, its share of the hierarchy included."""
    needed, share = 3 * 4.0 * (1 + normals), 1.0
    for rate in downsample_rate:
        share *= rate
        # Per sample: its index, neighbours and whether it owns them, child count, mean distance.
        needed += share * (4 + k * (4 + 1) + 4 + 4)
    return needed


def patch_row(cloud: int, cube: Cube, hierarchy: Hierarchy) -> dict[str, Any]:
    """The row of a patch of the cloud with this index."""
    row: dict[str, Any] = {
        "cloud": np.int32(cloud),
        "half_width": np.float64(cube.half_width),
        "centre": cube.centre,
        "points": hierarchy.points,
    }
    if hierarchy.normals is not None:
        row["normals"] = hierarchy.normals
    for stage, level in enumerate(hierarchy.levels):
        row |= {f"{name}_{stage}": getattr(level, name) for name in _LEVEL_TYPES}
    return row


@dataclass(frozen=True)
class StoredPatch:
    """A patch as read. Its arrays are views of the file, read-only.

    Patch frame to scaled frame: `points * half_width + centre`.

    Attributes:
        cloud: name of its cloud.
        centre: (3,) of its cube, scaled frame.
        half_width: of its cube, scaled frame.
        hierarchy: its points, their normals where the data set has them, and levels.
    """

    cloud: str
    centre: NDArray[np.float64]
    half_width: float
    hierarchy: Hierarchy


class PatchSet:
    """The patches of one split, in the order of their clouds.

    Attributes:
        clouds: names of the clouds. A training cloud has at least one patch; a cloud for validation
            or tests may have none, where voxels stand for all its points.
        cloud_of: (patches,) int64, index into `clouds`.
        point_counts: (patches,) int64.
        latent_counts: (patches,) int64, samples of the last level.
    """

    def __init__(
        self, path: Path, patches_of: Mapping[str, int], stages: int, *, normals: bool
    ) -> None:
        """Map a file into memory.

        Args:
            path: the file.
            patches_of: name of each cloud -> its number of patches.
            stages: levels of a hierarchy.
            normals: whether the patches have them.

        Raises:
            StudyError: it is no Arrow file with the columns and clouds expected.
        """
        self._stages = stages
        self._table = MappedTable(path, patch_columns(stages, normals=normals))
        self._half_widths = self._table.scalars("half_width")
        self.clouds = tuple(patches_of)
        self.cloud_of = self._table.scalars("cloud").astype(np.int64)
        self.point_counts = self._table.lengths("points") // 3
        self.latent_counts = self._table.lengths(f"samples_{stages - 1}")
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
        normals = row.get("normals")
        return StoredPatch(
            cloud=self.clouds[self.cloud_of[index]],
            centre=row["centre"],
            half_width=float(self._half_widths[index]),
            hierarchy=Hierarchy(
                points=row["points"].reshape(-1, 3),
                levels=tuple(_level(row, stage) for stage in range(self._stages)),
                normals=None if normals is None else normals.reshape(-1, 3),
            ),
        )


def _level(row: Mapping[str, NDArray[Any]], stage: int) -> Level:
    samples = row[f"samples_{stage}"]
    return Level(
        samples=samples,
        neighbours=row[f"neighbours_{stage}"].reshape(len(samples), -1),
        owned=row[f"owned_{stage}"].view(np.bool_).reshape(len(samples), -1),
        child_count=row[f"child_count_{stage}"],
        mean_distance=row[f"mean_distance_{stage}"],
    )
