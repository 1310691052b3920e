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

    def window(self, x: int, y: int, z: int, count: int) -> int:
        """Cells z - 2 to z + 5, lowest first, of rows y - 2 on: a byte each, the first highest."""
        rows, found = self._rows, 0
        for near in range(y - 2, y - 2 + count):
            found = found << 8 | (rows.get((x, near), 0) >> z & 255)
        return found


def five(window: int) -> int:
    """Cells z - 2 to z + 2 of up to five rows of a window, without gaps."""
    pairs = window & 0x1F001F001F | window >> 3 & 0x3E003E0
    return pairs & 0x3FF | pairs >> 6 & 0xFFC00 | pairs >> 12 & 0x1F00000


def three(five: int) -> int:
    """The three in the middle of five."""
    return five >> 1 & 7
