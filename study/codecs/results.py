"""What a codec's files cost and keep: measured alike for every codec, written in one format.

The JSON is CompressAI's (name, description, and per metric a list with one value for each operating
point), with what that leaves out: units, the PSNR's peak and factor, settings, and the same lists
for each cloud.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from study.errors import StudyError
from study.metrics import (
    PsnrConvention,
    RateCurve,
    chamfer,
    d1_psnr_db,
    d2_psnr_db,
    density_metric,
    hausdorff,
    longest_side,
    normals_f1,
    to_unit_frame,
)
from study.output import new_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from study.clouds import Cloud

_UNIT_FRAME = "where the cloud's box is centred and its longest side is 2"
_LENGTHS = {
    "chamfer": f"mean squared nearest distance, both ways summed, {_UNIT_FRAME}",
    "hausdorff": f"largest nearest distance, {_UNIT_FRAME}",
    "density": f"D-PCC's density metric, no unit, {_UNIT_FRAME}",
    "f1": f"D-PCC's F1 of normals, 0 to 1, {_UNIT_FRAME}",
}
_COSTS = {
    "points_ratio": "decoded over input points",
    "encoding_time": "seconds per cloud",
    "decoding_time": "seconds per cloud",
}


class Decoded(Protocol):
    """What comes out of a file."""

    @property
    def points(self) -> NDArray[Any]:
        """(m, 3), in the frame of the original."""
        ...

    @property
    def normals(self) -> NDArray[Any] | None:
        """(m, 3), where they are coded."""
        ...


@dataclass(frozen=True)
class CloudResult:
    """What one cloud cost and kept at one operating point.

    Attributes:
        cloud: its name.
        points: of the input.
        file_bytes: the length of the file.
        values: by metric, see `units`; None where a metric needs normals that are not there.
    """

    cloud: str
    points: int
    file_bytes: int
    values: Mapping[str, float | None]


@dataclass(frozen=True)
class RatePoint:
    """What one setting of a codec did with every cloud.

    Attributes:
        setting: what tells it from the codec's others, such as "4 bits".
        results: one for each cloud.
    """

    setting: str
    results: tuple[CloudResult, ...]

    def mean(self, metric: str) -> float | None:
        """Return bits of all files over all input points; any other metric averaged over clouds.

        None where a cloud has no value: an average over some would compare with nothing.
        """
        if metric == "bpp":
            written = sum(result.file_bytes for result in self.results)
            return 8 * written / sum(result.points for result in self.results)
        values = [value for result in self.results if (value := result.values[metric]) is not None]
        return sum(values) / len(values) if len(values) == len(self.results) else None


@dataclass(frozen=True)
class Evaluation:
    """A codec, measured on clouds at one operating point or more, all on the same clouds."""

    name: str
    description: str
    convention: PsnrConvention
    points: tuple[RatePoint, ...]

    def curve(self) -> RateCurve:
        """Return D1 PSNR over rate, without operating points that lost nothing (infinite PSNR)."""
        finite = [
            (float(point.mean("bpp") or 0.0), quality)
            for point in self.points
            if (quality := point.mean("d1_psnr_db")) is not None and math.isfinite(quality)
        ]
        return RateCurve(self.name, tuple(b for b, _ in finite), tuple(q for _, q in finite))

    def to_json(self) -> dict[str, Any]:
        """Return what the file holds. Values that do not exist or are infinite are null."""
        metrics = units(self.convention)
        return {
            "name": self.name,
            "description": self.description,
            "results": {
                metric: [_number(point.mean(metric)) for point in self.points] for metric in metrics
            },
            "units": metrics,
            "psnr": str(self.convention),
            "settings": [point.setting for point in self.points],
            "clouds": {
                same[0].cloud: {
                    "points": same[0].points,
                    "file_bytes": [result.file_bytes for result in same],
                    **{m: [_number(result.values[m]) for result in same] for m in metrics},
                }
                for same in zip(*(point.results for point in self.points), strict=True)
            },
            "notes": self._notes(),
        }

    def _notes(self) -> list[str]:
        """Say why values are null."""
        results = [result for point in self.points for result in point.results]
        bare = sorted({r.cloud for r in results if r.values["d2_psnr_db"] is None})
        exact = sorted({r.cloud for r in results if math.inf in r.values.values()})
        notes = []
        if bare:
            notes.append(f"d2_psnr_db is null: no normals are given with {', '.join(bare)}")
        if any(result.values["f1"] is None for result in results):
            notes.append("f1 is null: it needs normals in the input and in what is decoded")
        if exact:
            notes.append(f"a PSNR that is null is infinite, of {', '.join(exact)}")
        return notes


def units(convention: PsnrConvention) -> dict[str, str]:
    """Return every metric of a result, in the file's order, with its unit."""
    return {
        "bpp": "bits of the whole file per input point",
        "d1_psnr_db": f"dB, point to point, {convention}",
        "d2_psnr_db": f"dB, point to plane, {convention}",
        **_LENGTHS,
        **_COSTS,
    }


def measure(
    name: str,
    cloud: Cloud,
    compress: Callable[[Cloud], bytes],
    decompress: Callable[[bytes], Decoded],
    convention: PsnrConvention,
) -> CloudResult:
    """Write one cloud as a file, read it back, and measure what that cost and kept.

    Raises:
        StudyError: the cloud has no extent.
    """
    _check_extent(name, cloud)
    started = time.perf_counter()
    data = compress(cloud)
    between = time.perf_counter()
    decoded = decompress(data)
    ended = time.perf_counter()
    original, found = (to_unit_frame(c.points, cloud.points) for c in (cloud, decoded))
    psnr = {"peak": convention.peak_of(cloud.points), "factor": convention.factor}
    values: dict[str, float | None] = {
        "bpp": 8 * len(data) / len(cloud.points),
        "d1_psnr_db": d1_psnr_db(cloud.points, decoded.points, **psnr),
        "d2_psnr_db": None,
        "chamfer": chamfer(original, found),
        "hausdorff": hausdorff(original, found),
        "density": density_metric(original, found),
        "f1": None,
        "points_ratio": len(decoded.points) / len(cloud.points),
        "encoding_time": between - started,
        "decoding_time": ended - between,
    }
    if cloud.normals is not None:
        values["d2_psnr_db"] = d2_psnr_db(cloud.points, decoded.points, cloud.normals, **psnr)
        if decoded.normals is not None:
            values["f1"] = normals_f1(original, cloud.normals, found, decoded.normals)
    return CloudResult(name, len(cloud.points), len(data), values)


def _check_extent(name: str, cloud: Cloud) -> None:
    """Refuse a cloud whose points are all the same: there is no scale to measure in."""
    if longest_side(cloud.points) == 0.0:
        count = len(cloud.points)
        heap = f"{count} points of {name!r} are all the same"
        raise StudyError(
            "a cloud must have an extent to be measured, but the "
            f"{heap if count > 1 else f'cloud {name!r} is 1 point'}; leave it out"
        )


def write_evaluation(evaluation: Evaluation, path: Path, *, force: bool = False) -> None:
    """Write an evaluation as JSON.

    Raises:
        StudyError: there is a file already and `force` is not given, or it cannot be written.
    """
    text = json.dumps(evaluation.to_json(), indent=2, ensure_ascii=False, allow_nan=False)
    with new_file(path, force=force) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def read_curve(path: Path) -> RateCurve:
    """Read D1 PSNR over rate from such a JSON, to compare with or to draw.

    Raises:
        StudyError: the file cannot be read or is another, or its PSNR is not that of a study.
    """
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        name, results, convention = held["name"], held["results"], held["psnr"]
        pairs = list(zip(results["bpp"], results["d1_psnr_db"], strict=True))
        pairs = [(float(bpp), float(db)) for bpp, db in pairs if db is not None]
    except OSError as error:
        raise StudyError(f"{path} cannot be read ({error.strerror}); check the path") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise StudyError(
            f"{path} must be what `study baseline` or `study evaluate` writes, JSON "
            f"with name, psnr, and results of bpp and d1_psnr_db, but {_complaint(error)}; "
            "write it anew"
        ) from error
    if convention != str(PsnrConvention()):
        raise StudyError(
            f"curves in one picture must be of one PSNR, {PsnrConvention()}, but that of {path} "
            f"is {convention}; measure it anew"
        )
    return RateCurve(str(name), tuple(b for b, _ in pairs), tuple(q for _, q in pairs))


def _complaint(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)


def _number(value: float | None) -> float | None:
    """Return a value as JSON can hold it."""
    return value if value is not None and math.isfinite(value) else None


def require_clouds(clouds: Sequence[str]) -> None:
    """Raise StudyError where there is nothing to measure on."""
    if not clouds:
        raise StudyError("a codec is measured on clouds, and none is given; name one or more")
