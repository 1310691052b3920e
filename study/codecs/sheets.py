"""The sheet of MPEG's AI-PCC: a row for each cloud and rate, with bits but no input points.

Its columns are those of the group's reporting template. Times are seconds. Some sheets have the
column ``numInputPointsT`` besides; where it is missing, whoever reads must know the clouds.
"""

from __future__ import annotations

import csv
import io
import math
from pathlib import PurePath
from typing import TYPE_CHECKING

from study.base.errors import StudyError
from study.codecs.evaluation import Evaluation, RatePoint
from study.metrics.measurement import CloudResult
from study.metrics.table import MEASURES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    Row = Mapping[str, str]

COLUMNS = (
    *("sequence", "numOutputPointsT", "numBitsGeoEncT", "d1T", "d2T", "encTimeT", "decTimeT"),
)
INPUT_POINTS = "numInputPointsT"
_METRICS = {
    "d1_psnr_db": "d1T",
    "d2_psnr_db": "d2T",
    "encode_s": "encTimeT",
    "decode_s": "decTimeT",
}
_NEEDED = ("sequence", "numBitsGeoEncT", "d1T")

GEOMETRY_BITS = "geometry bits of its sheet"
"""What the rate counts of a sheet."""

MOST_ROWS = 100_000
_LONGEST_NAME = 1000
_LISTED = 5
"""Names in a sentence."""


def sheet_of(evaluation: Evaluation) -> str:
    """Return an evaluation as a sheet: by cloud, then from the lowest rate to the highest.

    Raises:
        StudyError: only means over the clouds are known.
    """
    rows = [result for point in evaluation.points for result in point.results]
    if not rows:
        raise StudyError(
            f"a sheet has a row for each cloud, and of {evaluation.name} only means over clouds "
            "are known; write it as compressai, or measure it anew"
        )
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in sorted(rows, key=lambda row: (PurePath(row.cloud).stem, row.file_bytes)):
        ratio = row.values.get("points_ratio")
        decoded = row.counts.get("points_ratio", 0.0 if ratio is None else ratio * row.points)
        numbers = [row.values.get(metric) for metric in _METRICS]
        writer.writerow(
            [
                PurePath(row.cloud).stem,
                "" if ratio is None else round(decoded),
                8 * row.file_bytes,
                *("" if number is None else repr(number) for number in numbers),
            ]
        )
    return text.getvalue()


def read_sheet(path: Path, content: str, points: Mapping[str, int]) -> Evaluation:
    """Return what a sheet says; its k-th operating point is the k-th lowest rate of each cloud.

    Args:
        path: for sentences, and the evaluation's name.
        content: of the file.
        points: of clouds, by name, where the sheet does not tell; a sequence's is the one whose
            name, without folders, suffix and case, is the same.

    Raises:
        StudyError: columns are missing, a number is none, the points of a sequence are not known,
            or sequences have different numbers of rows.
    """
    rows = _rows(path, content)
    by_name: dict[str, list[Row]] = {}
    for row in rows:
        by_name.setdefault(row["sequence"], []).append(row)
    counts = {len(some) for some in by_name.values()}
    if len(counts) > 1:
        told = ", ".join(f"{name} {len(some)}" for name, some in list(by_name.items())[:_LISTED])
        raise StudyError(
            f"every sequence of a sheet must have as many rows, one for each rate, but in {path} "
            f"they have {told}; leave out what is not there for all"
        )
    known = {_plain(name): number for name, number in points.items()}
    clouds = []
    for name, some in by_name.items():
        size = _points_of(path, name, some[0], known)
        results = [_result(path, name, size, row) for row in some]
        clouds.append(sorted(results, key=lambda result: result.counts["bpp"]))
    return Evaluation(
        name=path.stem,
        description=f"the sheet {path.name}: {GEOMETRY_BITS} over input points, D1 as it stands "
        "there",
        convention=None,
        points=tuple(
            RatePoint(f"rate {number}", tuple(same))
            for number, same in enumerate(zip(*clouds, strict=True), start=1)
        ),
        counts=GEOMETRY_BITS,
    )


def _rows(path: Path, content: str) -> Sequence[Row]:
    reader = csv.DictReader(io.StringIO(content.removeprefix("\ufeff")))
    try:
        rows = [row for _, row in zip(range(MOST_ROWS + 1), reader, strict=False)]
    except csv.Error as error:
        raise StudyError(f"{path} must be a sheet of MPEG's AI-PCC, but {error}") from error
    missing = [column for column in _NEEDED if column not in (reader.fieldnames or ())]
    if missing:
        raise StudyError(
            f"a sheet of MPEG's AI-PCC has the columns {', '.join(COLUMNS)}, and {path} lacks "
            f"{', '.join(missing)}; name them in its first line"
        )
    if not rows or len(rows) > MOST_ROWS:
        raise StudyError(
            f"a sheet must have 1 to {MOST_ROWS:,} rows, and {path} has "
            f"{'more' if rows else 'none'}"
        )
    for number, row in enumerate(rows, start=2):
        name = row["sequence"] or ""
        if not 0 < len(name) <= _LONGEST_NAME:
            raise StudyError(
                f"each row of a sheet names its sequence with up to {_LONGEST_NAME} characters, "
                f"and line {number} of {path} does not"
            )
    return rows


def _points_of(path: Path, name: str, row: Row, known: Mapping[str, int]) -> int:
    if row.get(INPUT_POINTS):
        return max(1, round(_number(path, name, row, INPUT_POINTS) or 0))
    if (found := known.get(_plain(name))) is None:
        raise StudyError(
            f"a sheet tells bits and not of how many points: {path} has no column {INPUT_POINTS}, "
            f"and no cloud {name!r} is given; name the clouds after it, as in `study baseline "
            f"{path.name} clouds/*.ply`"
        )
    return found


def _result(path: Path, name: str, points: int, row: Row) -> CloudResult:
    bits = _number(path, name, row, "numBitsGeoEncT")
    if bits is None or not 0 < bits < math.inf:
        raise StudyError(f"the bits of {name!r} in {path} must be above 0, and are {bits}")
    values: dict[str, float | None] = dict.fromkeys(MEASURES)
    values |= {metric: _number(path, name, row, key) for metric, key in _METRICS.items()}
    decoded = _number(path, name, row, "numOutputPointsT")
    counts = {"bpp": bits}
    values["bpp"] = bits / points
    if decoded is not None:
        counts["points_ratio"] = decoded
        values["points_ratio"] = decoded / points
    return CloudResult(name, points, round(bits / 8), values, counts)


def _number(path: Path, name: str, row: Row, column: str) -> float | None:
    """Return a number of a row, infinite ones too; None where its cell is empty or not there."""
    text = (row.get(column) or "").strip()
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if math.isnan(number):
        raise StudyError(
            f"{column} of {name!r} in {path} must be a number, and is {text[:50]!r}; correct it"
        )
    return number


def _plain(name: str) -> str:
    return PurePath(name).stem.casefold()
