"""From a cloud to the cubes that become patches.

Frames: *original* (as read), *scaled* (the box of the cloud centred in [0, 100] cubed, its longest
side 100) and *patch* ([-1, 1] around the centre of a cube).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from study.data.recipe import LONGEST_SIDE
from study.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Placement:
    """Where a cloud lies in the scaled frame: `scaled = (original - offset) * scale`."""

    offset: tuple[float, float, float]
    scale: float

    def to_scaled(self, original: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 3) points of the original frame in the scaled frame."""
        scaled: NDArray[np.float64] = (original - np.array(self.offset)) * self.scale
        return scaled

    def to_original(self, scaled: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 3) points of the scaled frame in the original frame."""
        original: NDArray[np.float64] = scaled / self.scale + np.array(self.offset)
        return original


@dataclass(frozen=True)
class Cube:
    """One occupied cube of a cloud.

    Attributes:
        centre: (3,) in the scaled frame.
        half_width: in the scaled frame.
        points: (n, 3) in the patch frame, in the order of the cloud.
    """

    centre: NDArray[np.float64]
    half_width: float
    points: NDArray[np.float32]


def place(points: NDArray[np.float64], cloud: str) -> Placement:
    """Centre a cloud in the scaled frame, with one scale for the three axes.

    Args:
        points: (n, 3) finite, n >= 1, original frame.
        cloud: its name, for the error.

    Raises:
        StudyError: the points have no extent (or one beyond what floats hold), so no scale exists.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    with np.errstate(over="ignore", divide="ignore"):
        scale = float(LONGEST_SIDE / (high - low).max())
    if not (math.isfinite(scale) and scale > 0.0):
        raise StudyError(
            f"a cloud must extend in space to be scaled, and the {len(points):,} points of {cloud} "
            f"span the box from {low.tolist()} to {high.tolist()}; remove it from the source"
        )
    x, y, z = ((low + high) / 2 - LONGEST_SIDE / 2 / scale).tolist()
    return Placement((x, y, z), scale)


def cut(scaled: NDArray[np.float64], cube_size: float) -> Iterator[Cube]:
    """Yield the occupied cubes of a cloud, ordered by x, then y, then z.

    Cubes are counted from 0. The upper face of the last one is closed: points at 100 belong to it,
    and do not open another layer of nearly empty cubes.

    Args:
        scaled: (n, 3) in [0, 100].
        cube_size: edge of a cube.
    """
    per_side = math.ceil(LONGEST_SIDE / cube_size)
    cells = np.clip(np.floor(scaled / cube_size), 0, per_side - 1).astype(np.int64)
    key = np.ravel_multi_index(tuple(cells.T), (per_side,) * 3)
    order = np.argsort(key, kind="stable")
    starts = np.flatnonzero(np.diff(key[order], prepend=-1))
    half_width = cube_size / 2
    for members in np.split(order, starts[1:]):
        centre = (cells[members[0]] + 0.5) * cube_size
        points = ((scaled[members] - centre) / half_width).astype(np.float32)
        yield Cube(centre, half_width, points)
