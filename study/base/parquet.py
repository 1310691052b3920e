"""Tables of trials as Parquet files, which say how large they become before they are read.

Parquet repeats a value at the cost of a few bytes, so the size of a file says nothing of its
table's. Tables of trials are small: bounds that no study reaches keep the others out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet

from study.base.errors import StudyError

if TYPE_CHECKING:
    from pathlib import Path

MOST_ROWS = 100_000
MOST_CELLS = 2_000_000
MOST_BYTES = 1 << 26
"""Of a file, and of its pages when they are unpacked."""
LONGEST_TEXT = 10_000
"""A cell's; the texts of a column are read once each, however often they stand there."""


def read_trials(path: Path) -> pa.Table:
    """Read a table of trials: a row for each, or for each of its epochs.

    Columns of texts are dictionaries.

    Raises:
        StudyError: it has lists or tables in its cells, or is larger than any study's.
        OSError, pa.ArrowException: it cannot be read, or is no Parquet file.
    """
    check_size(path)
    metadata = pyarrow.parquet.read_metadata(path)
    columns, rows = metadata.num_columns, metadata.num_rows
    check_extent(path, rows, columns)
    chunks = [
        group.column(column)
        for group in map(metadata.row_group, range(metadata.num_row_groups))
        for column in range(group.num_columns)
    ]
    unpacked = sum(chunk.total_uncompressed_size for chunk in chunks)
    if unpacked > MOST_BYTES or sum(chunk.num_values for chunk in chunks) > MOST_CELLS:
        raise StudyError(
            f"a table of trials may unpack to {MOST_BYTES:,} bytes, and {path} promises "
            f"{unpacked:,}; leave some columns out"
        )
    schema = metadata.schema
    if any(schema.column(number).max_repetition_level for number in range(columns)):
        raise StudyError(f"a table of trials has numbers and texts in its cells, and {path} lists")
    texts = [
        schema.column(number).path
        for number in range(columns)
        if schema.column(number).physical_type == "BYTE_ARRAY"
    ]
    table = pyarrow.parquet.read_table(path, read_dictionary=texts)
    check_texts(table, path)
    return table


def check_size(path: Path) -> None:
    """Raise StudyError if a file has more bytes than any table of trials."""
    if (size := path.stat().st_size) > MOST_BYTES:
        raise StudyError(
            f"a table of trials may have {MOST_BYTES:,} bytes, and {path} has {size:,}; leave some "
            "of it out"
        )


def check_extent(path: Path, rows: int, columns: int) -> None:
    """Raise StudyError if a table has more rows or columns than any table of trials."""
    if max(rows, columns) > MOST_ROWS or rows * columns > MOST_CELLS:
        raise StudyError(
            f"a table of trials may have {MOST_ROWS:,} rows and {MOST_CELLS:,} cells, and {path} "
            f"has {rows:,} rows of {columns:,}; leave some out"
        )


def check_texts(table: pa.Table, path: Path) -> None:
    """Raise StudyError if a text of a table is longer than any setting or sentence."""
    for name, column in zip(table.column_names, table.columns, strict=True):
        for chunk in column.chunks:
            held = chunk.dictionary if isinstance(chunk, pa.DictionaryArray) else chunk
            if not (pa.types.is_string(held.type) or pa.types.is_binary(held.type)):
                continue
            longest = pyarrow.compute.max(pyarrow.compute.binary_length(held)).as_py() or 0
            if longest > LONGEST_TEXT:
                raise StudyError(
                    f"a text in a table of trials may have {LONGEST_TEXT:,} bytes, and one of "
                    f"{path} in column {name[:100]!r} has {longest:,}; leave the column out"
                )
