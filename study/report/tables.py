"""The trials as CSV and Parquet files, one row per trial, settings by their dotted names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from study.report.rows import searched_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from study.base.records import TrialRecord
    from study.report.rows import Cell

_FIXED_TYPES = {
    "trial": pa.int64(),
    "state": pa.string(),
    "on_front": pa.bool_(),
    "feasible": pa.bool_(),
    "is_baseline": pa.bool_(),
    "epochs": pa.int64(),
    "rung": pa.int64(),
    "outcome": pa.string(),
    "codecs": pa.string(),
}


def trial_table(
    study_name: str, records: Sequence[TrialRecord], rows: Sequence[Mapping[str, Cell]]
) -> pa.Table:
    """Return the rows as an Arrow table; a column with no value in any row has a type all the same.

    Args:
        study_name: kept in the schema's metadata, where Parquet keeps it too.
        records: the trials, which tell settings from other columns.
        rows: from `study.report.rows.rows`.
    """
    settings = searched_names(records)
    types = dict(_FIXED_TYPES)
    for name in settings:
        types[name] = _setting_type([row[name] for row in rows])
    keys = list(rows[0]) if rows else list(_FIXED_TYPES)
    schema = pa.schema(
        [(key, types.get(key, pa.float64())) for key in keys], metadata={"study": study_name}
    )
    columns = {
        field.name: _fitted([row[field.name] for row in rows], field.type) for field in schema
    }
    return pa.table(columns, schema=schema)


def write_csv(table: pa.Table, path: Path) -> None:
    """Write the table as CSV with a header; missing values are empty."""
    pyarrow.csv.write_csv(table, path)


def write_parquet(table: pa.Table, path: Path) -> None:
    """Write the table as Parquet."""
    pyarrow.parquet.write_table(table, path, compression="zstd")


def _setting_type(values: Sequence[Cell]) -> pa.DataType:
    """Return the narrowest type that holds every value of a setting; text where kinds are mixed."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return pa.bool_()
    if kinds == {int}:
        return pa.int64()
    return pa.float64() if kinds <= {int, float} else pa.string()


def _fitted(values: list[Cell], kind: pa.DataType) -> list[Cell]:
    """Return the values as their column's type expects them."""
    if not pa.types.is_string(kind):
        return values
    return [None if value is None else str(value) for value in values]
