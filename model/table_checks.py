"""What tables from a file must be before the range coder reads them: it checks nothing itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from model.bottleneck import LARGEST_SYMBOL

if TYPE_CHECKING:
    from model.rans import SymbolTables

TOTAL_FREQUENCY = 1 << 16
"""Where every row of cumulative frequencies ends: the precision of CompressAI's range coder."""

SHORTEST_ROW = 3
"""From 0, over one symbol, to the slot of all the others."""


def check_tables(tables: SymbolTables, rows: int) -> None:
    """Hold tables against what the range coder needs, for it checks nothing itself.

    Args:
        tables: of any shapes and types.
        rows: how many there must be.

    Raises:
        ValueError: a row is not one for each symbol, or does not rise from 0 to 65536 within it.
    """
    shapes = tuple(array.shape for array in (tables.cdf, tables.cdf_length, tables.offset))
    if shapes != ((rows, *tables.cdf.shape[-1:]), (rows,), (rows,)):
        raise ValueError(
            f"there must be a row for each of {rows} symbols, and the shapes are {shapes}"
        )
    if any(array.dtype != np.int32 for array in (tables.cdf, tables.cdf_length, tables.offset)):
        raise ValueError("tables must be int32")
    if int(np.abs(tables.offset.astype(np.int64)).max()) > LARGEST_SYMBOL:
        raise ValueError(f"offsets must be within +-{LARGEST_SYMBOL}")
    if tables.cdf_length.min() < SHORTEST_ROW or tables.cdf_length.max() > tables.cdf.shape[1]:
        raise ValueError(
            f"rows must have {SHORTEST_ROW} to {tables.cdf.shape[1]} entries that count"
        )
    for number, (row, length) in enumerate(zip(tables.cdf, tables.cdf_length, strict=True)):
        steps = np.diff(row[:length].astype(np.int64))
        if row[0] != 0 or row[length - 1] != TOTAL_FREQUENCY or steps.min() <= 0:
            raise ValueError(f"row {number} must rise from 0 to {TOTAL_FREQUENCY}")
