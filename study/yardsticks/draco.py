"""Draco, the codec that a user would reach for: as it is, and without equal points."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module, metadata
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from study.base.errors import StudyError
from study.yardsticks.yardstick import DEFAULT_CONVENTION, CodedYardstick, at_the_origin

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from numpy.typing import NDArray

    from study.metrics import PsnrConvention

DEFAULT_BITS = tuple(range(2, 11))
MOST_BITS = 30
SMALL_LEVELS = (2, 10)
"""Measured on the embedded objects: one of these gives the smallest file of all 11 levels, 2 up to
5 bits or so and 10 above."""


@dataclass(frozen=True)
class DracoCloud:
    """What comes out of Draco. Normals are not coded."""

    points: NDArray[np.float64]
    normals: None = None


@dataclass(frozen=True)
class Draco:
    """One setting of Draco, positions only.

    Draco quantises coordinates to ``2^bits`` steps over the longest side of the cloud's box, the
    same for the three axes. Of its compression levels those are tried that can be the smallest, as
    someone would who wants a small file.

    Attributes:
        bits: 1 to 30 per coordinate.
        merges: whether points that fall into one place are coded once. Draco itself keeps each of
            them, at a cost that no metric of distances sees.
    """

    bits: int
    merges: bool = False
    codes_normals: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= MOST_BITS:
            raise StudyError(f"Draco takes 1 to {MOST_BITS} bits, but is given {self.bits}")

    def compress(
        self, points: NDArray[np.float64], normals: NDArray[np.float32] | None = None
    ) -> bytes:
        """Return the smallest file of points (n, 3); normals are not coded."""
        assert normals is None
        coded = _distinct_places(points, self.bits) if self.merges else points
        files: list[bytes] = [
            _library().encode(
                coded.astype(np.float32),
                quantization_bits=self.bits,
                compression_level=level,
                preserve_order=False,
            )
            for level in SMALL_LEVELS
        ]
        return min(files, key=len)

    def decompress(self, data: bytes) -> DracoCloud:
        """Return the points of a file."""
        return DracoCloud(np.asarray(_library().decode(data).points, np.float64).reshape(-1, 3))


def draco(
    *,
    merges: bool = False,
    bits: Sequence[int] = DEFAULT_BITS,
    convention: PsnrConvention = DEFAULT_CONVENTION,
) -> CodedYardstick:
    """Return Draco, one operating point for each number of quantisation bits.

    Args:
        merges: whether equal points are coded once, which is the fair use for metrics that do not
            count points, such as D1. Rates are over the points that went in all the same.
        bits: per coordinate, 1 to 30, from the lowest rate to the highest.
        convention: of the PSNRs.

    Raises:
        StudyError: Draco is not installed, or cannot be set so.
    """
    _library()
    merged = ", points that fall into one place merged" if merges else ""
    return CodedYardstick(
        name="Draco, merged" if merges else "Draco",
        description=f"Draco by DracoPy {metadata.version('DracoPy')}, positions only, quantised "
        f"over the longest side of the box{merged}, the smaller file of levels "
        f"{' and '.join(map(str, SMALL_LEVELS))}",
        coders=[(f"{each} bits", Draco(each, merges)) for each in bits],
        local=at_the_origin,
        convention=convention,
    )


def _distinct_places(points: NDArray[np.float64], bits: int) -> NDArray[np.float64]:
    """Return the places of Draco's own grid that points (n, 3) fall into, each once.

    The grid begins at the corner of the box and has ``2^bits - 1`` steps over its longest side; its
    ends stay occupied, so Draco finds the same grid again and every place on it.
    """
    corner = points.min(axis=0)
    side = float((points - corner).max())
    if side == 0.0:
        return points[:1]
    step = side / (2**bits - 1)
    places: NDArray[np.float64] = np.unique(np.floor((points - corner) / step + 0.5), axis=0)
    placed: NDArray[np.float64] = corner + places * step
    return placed


def _library() -> ModuleType:
    try:
        return import_module("DracoPy")
    except ImportError as error:
        raise StudyError(
            "the Draco baseline needs the package DracoPy, which is not installed; "
            "run: pip install 'dpcc-study[draco]'"
        ) from error
