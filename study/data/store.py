"""Arrow files of rows of numbers: written in batches, read memory-mapped.

A row has scalars and lists of numbers; lists are arrays of any shape, flattened.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from study.base.errors import StudyError
from study.data.manifest import FileEntry, delete_it

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray

BATCH_NUMBERS = 1 << 20
"""Rows are gathered until they hold this many numbers, then written: a few megabytes."""


@dataclass(frozen=True)
class Columns:
    """Columns of a file: name -> NumPy type of its numbers.

    Attributes:
        scalars: one number in each row.
        lists: any count of numbers in each row.
    """

    scalars: Mapping[str, str]
    lists: Mapping[str, str]

    @property
    def schema(self) -> pa.Schema:
        """The columns as a schema of Arrow's."""
        kinds = {name: pa.from_numpy_dtype(kind) for name, kind in self.scalars.items()}
        for name, kind in self.lists.items():
            item = pa.field("item", pa.from_numpy_dtype(kind), nullable=False)
            kinds[name] = pa.list_(item)
        return pa.schema([pa.field(name, kind, nullable=False) for name, kind in kinds.items()])


class TableWriter:
    """Writes a file. Use it in a `with` block; `finish` brings it to the disk."""

    def __init__(self, path: Path, layout: Columns) -> None:
        self._path = path
        self._schema = layout.schema
        self._file = path.open("wb")
        self._writer = pa.ipc.new_file(self._file, self._schema)
        self._rows: list[Mapping[str, Any]] = []
        self._gathered = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def add(self, row: Mapping[str, Any]) -> None:
        """Append a row: a number or an array for each column."""
        self._rows.append(row)
        self._gathered += sum(np.size(value) for value in row.values())
        if self._gathered >= BATCH_NUMBERS:
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
        self._gathered = 0


def _column(values: list[Any], field: pa.Field) -> pa.Array:
    if not pa.types.is_list(field.type):
        return pa.array(values, type=field.type)
    offsets = np.cumsum([0, *(value.size for value in values)], dtype=np.int32)
    flat = np.concatenate([value.ravel() for value in values])
    items = pa.array(flat.astype(field.type.value_type.to_pandas_dtype(), copy=False))
    return pa.ListArray.from_arrays(offsets, items, type=field.type)


class MappedTable:
    """A file that `TableWriter` wrote, mapped into memory."""

    def __init__(self, path: Path, layout: Columns, *, in_part: bool = False) -> None:
        """Map a file.

        Args:
            path: the file.
            layout: its columns.
            in_part: it may have further ones.

        Raises:
            StudyError: it is no Arrow file with these columns.
        """
        self._layout = layout
        self._batches = _map_batches(path, layout.schema, in_part=in_part)
        counts = [len(batch[next(iter(layout.scalars))].values) for batch in self._batches]
        self._first_rows = np.cumsum([0, *counts])

    def __len__(self) -> int:
        return int(self._first_rows[-1])

    def scalars(self, name: str) -> NDArray[Any]:
        """(rows,) a column of scalars."""
        empty = np.empty(0, self._layout.scalars[name])
        return np.concatenate([empty, *(batch[name].values for batch in self._batches)])

    def lengths(self, name: str) -> NDArray[np.int64]:
        """(rows,) how many numbers a list has in each row."""
        parts = (np.diff(batch[name].offsets) for batch in self._batches)
        return np.concatenate([np.empty(0, np.int64), *parts])

    def row(self, index: int) -> dict[str, NDArray[Any]]:
        """The flat lists of a row: read-only views of the file."""
        if not 0 <= index < len(self):
            raise IndexError(f"row {index} of {len(self)}")
        number = int(np.searchsorted(self._first_rows, index, side="right")) - 1
        batch, row = self._batches[number], int(index - self._first_rows[number])
        return {name: batch[name].row(row) for name in self._layout.lists}


@dataclass(frozen=True)
class _View:
    """A column of a batch: `values` flat, row i from `offsets[i]` to `offsets[i + 1]`."""

    values: NDArray[Any]
    offsets: NDArray[np.int32]

    def row(self, index: int) -> NDArray[Any]:
        return self.values[self.offsets[index] : self.offsets[index + 1]]


def _map_batches(path: Path, expected: pa.Schema, *, in_part: bool) -> list[dict[str, _View]]:
    """Map a file's batches into memory, or raise a StudyError."""
    try:
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        if reader.schema == expected or (in_part and set(expected) <= set(reader.schema)):
            return [_views(reader.get_batch(i)) for i in range(reader.num_record_batches)]
        reason = "its columns are not those that it should have"
    # These are the errors that Arrow raised for files damaged on purpose.
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


def read_objects(path: Path) -> dict[str, NDArray[np.float64]]:
    """Read the objects of a Parquet file: name -> (n, 6), columns x, y, z, nx, ny, nz."""
    columns = ["x", "y", "z", "nx", "ny", "nz"]
    table = pq.read_table(path, columns=["name", *columns]).combine_chunks()
    lists = [table[column].chunk(0) for column in columns]
    bounds = lists[0].offsets.to_numpy()
    numbers = np.stack([column.values.to_numpy() for column in lists], axis=1).astype(np.float64)
    parts = np.split(numbers, bounds[1:-1])
    return dict(zip(table["name"].to_pylist(), parts, strict=True))
