"""Where a cloud lies: from its own frame to the scaled frame and back.

Frames: *original* (as read) and *scaled* (the box of the cloud centred in [0, 100] cubed, its
longest side 100).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from model.errors import CodecError

if TYPE_CHECKING:
    from numpy.typing import NDArray

LONGEST_SIDE = 100.0
"""Of every cloud's box in the scaled frame: the unit of `cube_size`, and the peak of PSNRs."""
CENTRE_STEPS = 1 << 16
"""A placement's centre is counted in this fraction of the longest side."""
_LEAST_SIDE_OF_CENTRE = 2.0**-40
"""A cloud smaller than this share of its distance from the origin is placed as if it were of that
size: float64 has next to nothing left to tell its points apart, and the centre stays below 2^57."""
_FLOAT32 = np.finfo(np.float32)


@dataclass(frozen=True)
class Placement:
    """Where a cloud lies in the scaled frame: exactly what a file carries.

    Attributes:
        side: what becomes 100, a float32 above 0.
        centre: of the cloud's box, in units of `side / 65536`.
    """

    side: float
    centre: tuple[int, int, int]

    def to_scaled(self, original: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 3) points of the original frame in the scaled frame."""
        scaled: NDArray[np.float64] = (original - self._centre) * (LONGEST_SIDE / self.side)
        scaled += LONGEST_SIDE / 2
        return scaled

    def to_original(self, scaled: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 3) points of the scaled frame in the original frame."""
        original: NDArray[np.float64] = (scaled - LONGEST_SIDE / 2) * (self.side / LONGEST_SIDE)
        original += self._centre
        return original

    @property
    def _centre(self) -> NDArray[np.float64]:
        return np.array(self.centre, dtype=np.float64) * (self.side / CENTRE_STEPS)


def place(points: NDArray[np.float64], name: str) -> Placement:
    """Centre a cloud in the scaled frame, with one scale for the three axes.

    The side is a little longer than the box (2^-16), so that no point leaves the scaled frame when
    the centre is rounded. Points that all but coincide get a side too.

    Args:
        points: (n, 3), original frame.
        name: the cloud's, for the error.

    Raises:
        CodecError: no points, one that is not finite, or an extent that float32 cannot hold.
    """
    if not len(points):
        raise CodecError(f"a cloud must have points, and {name} has none; leave it out")
    if not np.isfinite(points).all():
        bad = int((~np.isfinite(points).all(axis=1)).sum())
        raise CodecError(
            f"coordinates must be finite, and {bad:,} of the {len(points):,} points of {name} have "
            "NaN or infinity; remove those points"
        )
    low, high = points.min(axis=0), points.max(axis=0)
    centre = low / 2 + high / 2
    # Halves, because the whole may overflow.
    half = float((high / 2 - low / 2).max()) / (1 - 1 / CENTRE_STEPS)
    side = max(2 * half, float(np.abs(centre).max()) * _LEAST_SIDE_OF_CENTRE, float(_FLOAT32.tiny))
    if side > _FLOAT32.max / 2:
        raise CodecError(
            f"a cloud must extend less than {float(_FLOAT32.max) / 2:.1e} to be scaled, and {name} "
            f"spans the box from {low.tolist()} to {high.tolist()}; rescale it or remove the "
            "points that are out of place"
        )
    rounded = np.float32(side)
    if rounded < side:
        rounded = np.nextafter(rounded, np.float32(np.inf))
    x, y, z = (round(value) for value in (centre / (float(rounded) / CENTRE_STEPS)).tolist())
    return Placement(float(rounded), (x, y, z))
