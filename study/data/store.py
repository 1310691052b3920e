"""Arrow files of patches: written in batches, read memory-mapped.

A row is a patch; its arrays are lists of numbers, shapes as in `model.hierarchy` and flattened.
`owned` is stored as bytes, because Arrow's own booleans are bits and would have to be unpacked
at each reading.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from model.hierarchy import Hierarchy, Level
from study.data.manifest import FileEntry, delete_it
from study.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray

    from study.data.cutting import Cube

BATCH_POINTS = 1 << 16
"""Patches are gathered until they hold this many points, then written: a few megabytes."""

_LEVEL_TYPES = {
    "samples": pa.int32(),
    "neighbours": pa.int32(),
    "owned": pa.uint8(),
    "child_count": pa.float32(),
    "mean_distance": pa.float32(),
}


def schema(stages: int) -> pa.Schema:
    """Columns of a file whose hierarchies have this many levels."""
    fields = [
        pa.field("cloud", pa.int32(), nullable=False),
        pa.field("half_width", pa.float64(), nullable=False),
        *(_list_field(name, kind) for name, kind in _list_types(stages).items()),
    ]
    return pa.schema(fields)


def _list_types(stages: int) -> dict[str, pa.DataType]:
    levels = {
        f"{name}_{stage}": kind for stage in range(stages) for name, kind in _LEVEL_TYPES.items()
    }
    return {"centre": pa.float64(), "points": pa.float32(), **levels}


def _list_field(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, pa.list_(pa.field("item", kind, nullable=False)), nullable=False)


def bytes_per_point(downsample_rate: tuple[float, ...], k: int) -> float:
    """Room that one point of a patch takes, its share of the hierarchy included."""
    needed, share = 3 * 4.0, 1.0
    for rate in downsample_rate:
        share *= rate
        # Per sample: its index, neighbours and whether it owns them, child count, mean distance.
        needed += share * (4 + k * (4 + 1) + 4 + 4)
    return needed


class SplitWriter:
    """Writes one split. Use it in a `with` block; `finish` brings the file to the disk."""

    def __init__(self, path: Path, stages: int) -> None:
        self._path = path
        self._schema = schema(stages)
        self._file = path.open("wb")
        self._writer = pa.ipc.new_file(self._file, self._schema)
        self._rows: list[dict[str, Any]] = []
        self._gathered_points = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def add(self, cloud: int, cube: Cube, hierarchy: Hierarchy) -> None:
        """Append a patch of the cloud with this index."""
        row: dict[str, Any] = {
            "cloud": np.int32(cloud),
            "half_width": np.float64(cube.half_width),
            "centre": cube.centre,
            "points": hierarchy.points,
        }
        for stage, level in enumerate(hierarchy.levels):
            row |= {f"{name}_{stage}": getattr(level, name) for name in _LEVEL_TYPES}
        self._rows.append(row)
        self._gathered_points += len(hierarchy.points)
        if self._gathered_points >= BATCH_POINTS:
            self._write_batch()

    def finish(self) -> FileEntry:
        """Write what is left, bring the file to the disk and hash it."""
        self._write_batch()
        self._writer.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        with self._path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return FileEntry(bytes=self._path.stat().st_size, sha256=digest)

    def _write_batch(self) -> None:
        if not self._rows:
            return
        columns = [
            _column([row[field.name] for row in self._rows], field) for field in self._schema
        ]
        self._writer.write_batch(pa.record_batch(columns, schema=self._schema))
        self._rows.clear()
        self._gathered_points = 0


def _column(values: list[Any], field: pa.Field) -> pa.Array:
    if not pa.types.is_list(field.type):
        return pa.array(values, type=field.type)
    offsets = np.cumsum([0, *(value.size for value in values)], dtype=np.int32)
    flat = np.concatenate([value.ravel() for value in values])
    items = pa.array(flat.astype(field.type.value_type.to_pandas_dtype(), copy=False))
    return pa.ListArray.from_arrays(offsets, items, type=field.type)


@dataclass(frozen=True)
class StoredPatch:
    """A patch as read. Its arrays are views of the file, read-only.

    Patch frame to scaled frame: `points * half_width + centre`.

    Attributes:
        cloud: name of its cloud.
        centre: (3,) of its cube, scaled frame.
        half_width: of its cube, scaled frame.
        hierarchy: its points and levels.
    """

    cloud: str
    centre: NDArray[np.float64]
    half_width: float
    hierarchy: Hierarchy


class PatchSet:
    """The patches of one split, in the order of their clouds.

    Attributes:
        clouds: names of the clouds, each with at least one patch.
        cloud_of: (patches,) int64, index into `clouds`.
        point_counts: (patches,) int64.
    """

    def __init__(self, path: Path, clouds: tuple[str, ...], stages: int) -> None:
        """Map a file into memory.

        Raises:
            StudyError: it is no Arrow file with the columns and clouds expected.
        """
        self._stages = stages
        self.clouds = clouds
        self._batches = _map_batches(path, schema(stages))
        lengths = [len(batch["cloud"].values) for batch in self._batches]
        self._first_rows = np.cumsum([0, *lengths])
        self.cloud_of = self._gather([batch["cloud"].values for batch in self._batches])
        self.point_counts = self._gather([np.diff(b["points"].offsets) for b in self._batches]) // 3
        if sorted(set(self.cloud_of.tolist())) != list(range(len(clouds))):
            raise StudyError(
                f"{path} does not hold the clouds that its manifest names; {delete_it(path.parent)}"
            )

    def __len__(self) -> int:
        return int(self._first_rows[-1])

    def __iter__(self) -> Iterator[StoredPatch]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> StoredPatch:
        if not 0 <= index < len(self):
            raise IndexError(f"patch {index} of {len(self)}")
        number = int(np.searchsorted(self._first_rows, index, side="right")) - 1
        batch, row = self._batches[number], int(index - self._first_rows[number])
        return StoredPatch(
            cloud=self.clouds[self.cloud_of[index]],
            centre=batch["centre"].row(row),
            half_width=float(batch["half_width"].values[row]),
            hierarchy=Hierarchy(
                points=batch["points"].row(row).reshape(-1, 3),
                levels=tuple(_level(batch, row, stage) for stage in range(self._stages)),
            ),
        )

    @staticmethod
    def _gather(parts: list[NDArray[np.int32]]) -> NDArray[np.int64]:
        return np.concatenate([np.empty(0, np.int64), *parts]).astype(np.int64)


@dataclass(frozen=True)
class _View:
    """A column of a batch: `values` flat, row i from `offsets[i]` to `offsets[i + 1]`."""

    values: NDArray[Any]
    offsets: NDArray[np.int32]

    def row(self, index: int) -> NDArray[Any]:
        return self.values[self.offsets[index] : self.offsets[index + 1]]


def _map_batches(path: Path, expected: pa.Schema) -> list[dict[str, _View]]:
    """Map a file's batches into memory, or raise a StudyError."""
    try:
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        if reader.schema == expected:
            return [_views(reader.get_batch(i)) for i in range(reader.num_record_batches)]
        reason = "its columns are not those of a patch"
    # Arrow's errors and what they are made of were found by damaging files.
    except (OSError, ValueError, pa.ArrowException) as error:
        reason = str(error)
    raise StudyError(f"{path} is damaged ({reason}); {delete_it(path.parent)}")


def _views(batch: pa.RecordBatch) -> dict[str, _View]:
    """The columns of a batch as NumPy arrays that share its memory."""
    batch.validate(full=True)  # offsets that point outside would crash the process, not raise
    views = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if pa.types.is_list(column.type):
            views[name] = _View(column.values.to_numpy(), column.offsets.to_numpy())
        else:
            views[name] = _View(column.to_numpy(), np.empty(0, np.int32))
    return views


def _level(batch: Mapping[str, _View], row: int, stage: int) -> Level:
    samples = batch[f"samples_{stage}"].row(row)
    return Level(
        samples=samples,
        neighbours=batch[f"neighbours_{stage}"].row(row).reshape(len(samples), -1),
        owned=batch[f"owned_{stage}"].row(row).view(np.bool_).reshape(len(samples), -1),
        child_count=batch[f"child_count_{stage}"].row(row),
        mean_distance=batch[f"mean_distance_{stage}"].row(row),
    )


def read_objects(path: Path) -> dict[str, NDArray[np.float64]]:
    """Read the objects of a Parquet file with columns `name`, `x`, `y`, `z`: name -> (n, 3)."""
    table = pq.read_table(path, columns=["name", "x", "y", "z"]).combine_chunks()
    axes = [table[axis].chunk(0) for axis in "xyz"]
    bounds = axes[0].offsets.to_numpy()
    points = np.stack([axis.values.to_numpy() for axis in axes], axis=1).astype(np.float64)
    parts = np.split(points, bounds[1:-1])
    return dict(zip(table["name"].to_pylist(), parts, strict=True))
