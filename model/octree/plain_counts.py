"""How many points each voxel has, in plain Python: `Counts` of `model/native/octree.cpp`."""

from __future__ import annotations

from itertools import groupby, product
from typing import TYPE_CHECKING

from model.morton import separate
from model.octree.plain_mixing import DamagedStreamError
from model.octree.plain_rows import Rows, five

if TYPE_CHECKING:
    from model.octree.plain_mixing import Coder, Predictor

_LARGEST = 1 << 20
"""Larger counts are no better contexts."""
_MOST_DIGITS = 40
_MIDDLE = 14 << 5 | 14 << 10 | 14 << 15
"""3 x 3 of a window of 5 x 5 cells."""
_BEFORE = [offset for offset in product((-1, 0, 1), repeat=3) if offset < (0, 0, 0)]

Cell = tuple[int, int, int]


class Counts:
    """Codes the numbers of points, in the order of the occupancy's blocks and rows."""

    def __init__(
        self, coder: Coder, predictor: Predictor, side_bits: int, most_points: int | None = None
    ) -> None:
        self._coder, self._predictor, self._most = coder, predictor, most_points
        self._side_bits = side_bits
        self._total = self._usual = 0

    def code(self, keys: list[int], counts: list[int]) -> list[int]:
        """The counts of voxels, by keys in ascending order; `counts` says them to writers."""
        made = dict(zip(keys, counts, strict=True))
        in_block = 3 * self._side_bits
        for _, block in groupby(keys, key=lambda key: key >> in_block):
            cells = {separate(key): key for key in block}
            rows, classes = Rows(), dict[Cell, int]()
            for cell in cells:
                rows.add(*cell)
            for cell in sorted(cells):
                key = cells[cell]
                made[key] = self._code_voxel(cell, rows, classes, made[key])
        return list(made.values())

    def _code_voxel(self, cell: Cell, rows: Rows, classes: dict[Cell, int], truth: int) -> int:
        x, y, z = cell
        near = sum((five(rows.window(x + dx, y, z, 5)) & _MIDDLE).bit_count() for dx in (-1, 0, 1))
        before = [classes.get((x + dx, y + dy, z + dz), 0) for dx, dy, dz in _BEFORE]
        fx, fy, fz = before[4], before[10], before[12]
        known, faces = sum(c > 0 for c in before), (fx > 0) + (fy > 0) + (fz > 0)
        mean = 2 * sum(before) // known if known else 0
        face_mean = 2 * (fx + fy + fz) // faces if faces else 0
        run = _class_of(self._usual)
        context = (
            mean | min(known, 3) << 8,
            face_mean | faces << 8 | run // 4 << 16,
            run | near << 8,
            near | known << 8 | mean // 4 << 16,
            (fx + 1) // 2 | (fy + 1) // 2 << 8 | (fz + 1) // 2 << 16,
            mean // 2 | run // 2 << 8 | near // 3 << 16,
        )
        count = self._code_number(truth, context, min(run, 31))
        self._total += count
        if self._most is not None and self._total > self._most:
            raise DamagedStreamError
        limited = min(count, _LARGEST) << 4
        self._usual += (limited - self._usual) >> 4
        classes[cell] = _class_of(limited)
        return count

    def _code_number(self, truth: int, context: tuple[int, ...], run: int) -> int:
        digits_of_truth, digits = max(truth, 1).bit_length() - 1, 0
        while self._code_bit(int(digits_of_truth > digits), digits, context, run):
            digits += 1
            if digits > _MOST_DIGITS:
                raise DamagedStreamError
        count = 1
        for digit in reversed(range(digits)):
            which = 64 + digits * 8 + count if count < 8 else 512 + digit
            count = count << 1 | self._code_bit(truth >> digit & 1, which, context, run)
        return count

    def _code_bit(self, bit: int, which: int, context: tuple[int, ...], run: int) -> int:
        contexts = [of | which << 32 for of in context]
        return self._predictor.code(self._coder, bit, contexts, (min(which, 63), 64 + run))


def _class_of(sixteenths: int) -> int:
    """Four classes to an octave."""
    if sixteenths < 16:
        return 1
    octave = sixteenths.bit_length() - 1
    return min(4 * (octave - 4) + (sixteenths >> (octave - 2) & 3) + 1, 63)
