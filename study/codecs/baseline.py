"""Draco, the codec that a user would reach for, measured as ours are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module, metadata
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from study.base.errors import StudyError
from study.codecs.evaluate import DEFAULT_CONVENTION
from study.codecs.results import Evaluation, RatePoint, require_measurable
from study.metrics.measurement import measure_clouds
from study.metrics.sample import Convention

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import ModuleType

    from numpy.typing import NDArray

    from study.clouds import Cloud
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
    """

    bits: int
    codes_normals: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= MOST_BITS:
            raise StudyError(f"Draco takes 1 to {MOST_BITS} bits, but is given {self.bits}")

    def compress(
        self, points: NDArray[np.float64], normals: NDArray[np.float32] | None = None
    ) -> bytes:
        """Return the smallest file of points (n, 3); normals are not coded."""
        assert normals is None
        files: list[bytes] = [
            _library().encode(
                points.astype(np.float32),
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


def draco_baseline(
    clouds: Mapping[str, Cloud],
    *,
    bits: Sequence[int] = DEFAULT_BITS,
    convention: PsnrConvention = DEFAULT_CONVENTION,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Measure Draco on clouds, one operating point for each number of quantisation bits.

    Args:
        clouds: by name.
        bits: per coordinate, 1 to 30, from the lowest rate to the highest.
        convention: of the PSNRs.
        progress: called with how many clouds (times bits) are done, and of how many.

    Raises:
        StudyError: Draco is not installed or cannot be set so, no clouds, or one without extent.
    """
    _library()
    require_measurable(clouds)
    local = [(name, _at_the_origin(cloud)) for name, cloud in clouds.items()]
    points = []
    for number, coder in enumerate([Draco(each) for each in bits]):
        results = []
        for result in measure_clouds(coder, local, Convention(convention)):
            results.append(result)
            if progress is not None:
                progress(number * len(clouds) + len(results), len(bits) * len(clouds))
        points.append(RatePoint(f"{coder.bits} bits", tuple(results)))
    version = metadata.version("DracoPy")
    return Evaluation(
        name="Draco",
        description=f"Draco by DracoPy {version}, positions only, quantised over the longest side "
        f"of the box, the smaller file of levels {' and '.join(map(str, SMALL_LEVELS))}",
        convention=convention,
        points=tuple(points),
    )


def _at_the_origin(cloud: Cloud) -> Cloud:
    """Move the corner of a cloud's box to the origin; no metric sees the difference.

    Draco computes in single precision: a cloud in national coordinates would collapse to a few
    points. The 24 bytes of the corner are not counted, in Draco's favour.
    """
    return replace(cloud, points=cloud.points - cloud.points.min(axis=0))


def _library() -> ModuleType:
    try:
        return import_module("DracoPy")
    except ImportError as error:
        raise StudyError(
            "the Draco baseline needs the package DracoPy, which is not installed; "
            "run: pip install 'dpcc-study[draco]'"
        ) from error
