"""What a codec's files cost and keep: measured alike for every codec, written in one format.

The JSON is CompressAI's (name, description, and per metric a list with one value for each operating
point), with what that leaves out: units, the PSNR's peak and factor, settings, and the same lists
for each cloud.
"""

from __future__ import annotations

import json
import math
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from study.base.errors import StudyError
from study.base.output import new_file
from study.metrics import PsnrConvention, RateCurve, longest_side
from study.metrics.measurement import mean, over_clouds
from study.metrics.table import MEASURES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from study.clouds import Cloud
    from study.metrics.measurement import CloudResult

FILE_KEYS: Mapping[str, str] = {"encode_s": "encoding_time", "decode_s": "decoding_time"}
"""What CompressAI's files call metrics that have another name here; the others keep theirs."""

MOST_BYTES = 1 << 24
"""Of a result file: one of a thousand clouds at ten operating points has a quarter of that."""
LONGEST_NAME = 1000
"""Characters of a codec's or a cloud's name, which pictures and sentences show."""
MOST_POINTS = 1000
"""Operating points of a codec."""

_ODD = (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""What reading a JSON raises that is none, or not of a result."""

_AVERAGED_IN_FILES = {"points_ratio"}
"""Metrics per point that result files have always averaged over the clouds."""


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
        if metric in _AVERAGED_IN_FILES:
            return mean(self.results, metric)
        return over_clouds(self.results, metric)


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
        return {
            "name": self.name,
            "description": self.description,
            "results": {
                _key(metric): [_number(point.mean(metric)) for point in self.points]
                for metric in MEASURES
            },
            "units": units(self.convention),
            "psnr": str(self.convention),
            "settings": [point.setting for point in self.points],
            "clouds": {
                same[0].cloud: {
                    "points": same[0].points,
                    "file_bytes": [result.file_bytes for result in same],
                    **{_key(m): [_number(each.values[m]) for each in same] for m in MEASURES},
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
    """Return every metric of a result file, in the file's order and words, with its unit."""
    return {
        _key(name): measure.in_files.format(psnr=convention) for name, measure in MEASURES.items()
    }


def _key(metric: str) -> str:
    return FILE_KEYS.get(metric, metric)


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
    with _held_by(path) as held:
        name, results, convention = held["name"], held["results"], held["psnr"]
        pairs = list(zip(results["bpp"], results["d1_psnr_db"], strict=True))
        if len(pairs) > MOST_POINTS:
            raise ValueError(f"it has {len(pairs):,} operating points, and may have {MOST_POINTS}")
        pairs = [(_finite(bpp), _finite(db)) for bpp, db in pairs if db is not None]
        _check_name(name)
        _check_name(convention)
    if convention != str(PsnrConvention()):
        raise StudyError(
            f"curves in one picture must be of one PSNR, {PsnrConvention()}, but that of {path} "
            f"is {convention}; measure it anew"
        )
    return RateCurve(str(name), tuple(b for b, _ in pairs), tuple(q for _, q in pairs))


def read_clouds(path: Path) -> list[tuple[str, int]]:
    """Read the name and the points of each cloud from such a JSON; none where it tells of none.

    Raises:
        StudyError: the file cannot be read or is another.
    """
    with _held_by(path) as held:
        found = [(name, int(told["points"])) for name, told in held.get("clouds", {}).items()]
        for name, _ in found:
            _check_name(name)
        return found


@contextmanager
def _held_by(path: Path) -> Iterator[dict[str, Any]]:
    """Read a result file; what its user misses in it is told as a fault of the file."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise ValueError(f"it has more than {MOST_BYTES:,} bytes")
        yield json.loads(content.decode("utf-8"))
    except OSError as error:
        raise StudyError(f"{path} cannot be read ({error.strerror}); check the path") from error
    except _ODD as error:
        raise StudyError(
            f"{path} must be what `study baseline` or `study evaluate` writes, JSON "
            f"with name, psnr, and results of bpp and d1_psnr_db, but {_complaint(error)}; "
            "write it anew"
        ) from error


def _complaint(error: Exception) -> str:
    told = f"{error} is missing" if isinstance(error, KeyError) else str(error)
    return " ".join(told.split())[:200]


def _check_name(name: object) -> None:
    if not isinstance(name, str) or len(name) > LONGEST_NAME:
        raise ValueError(f"a name must be a text of up to {LONGEST_NAME} characters")


def _finite(number: Any) -> float:  # noqa: ANN401 - whatever stands in a file
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"a rate or a PSNR must be a finite number, and one is {value}")
    return value


def _number(value: float | None) -> float | None:
    """Return a value as JSON can hold it."""
    return value if value is not None and math.isfinite(value) else None


def require_measurable(clouds: Mapping[str, Cloud]) -> None:
    """Refuse to measure on nothing, and on clouds without a scale to measure in.

    Raises:
        StudyError: there are no clouds, or some whose points are all the same: each is named.
    """
    if not clouds:
        raise StudyError("a codec is measured on clouds, and none is given; name one or more")
    if complaints := unmeasurable(clouds):
        raise StudyError("\n".join(complaints))


def unmeasurable(clouds: Mapping[str, Cloud]) -> list[str]:
    """Return a sentence for each cloud whose points are all the same: it has no scale."""
    complaints = []
    for name, cloud in clouds.items():
        if longest_side(cloud.points) == 0.0:
            count = len(cloud.points)
            heap = f"{count} points of {name!r} are all the same"
            complaints.append(
                "a cloud must have an extent to be measured, but the "
                f"{heap if count > 1 else f'cloud {name!r} is 1 point'}; leave it out"
            )
    return complaints
