"""Rows of cells as the bits of Python's integers, for the plain coder of octrees."""

from __future__ import annotations

BLOCK_BITS = 8
"""Of cells whose neighbours are looked at together: 2^8 a side."""


class Rows:
    """Cells of a block that are occupied."""

    def __init__(self) -> None:
        self._rows: dict[tuple[int, int], int] = {}

    def add(self, x: int, y: int, z: int) -> None:
        """Occupy a cell."""
        self._rows[x, y] = self._rows.get((x, y), 0) | 1 << (z + 2)

    def five(self, x: int, y: int, z: int) -> int:
        """Cells z - 2 to z + 2 of a row, lowest first."""
        return self._rows.get((x, y), 0) >> z & 31


def three(five: int) -> int:
    """The three in the middle of five."""
    return five >> 1 & 7
