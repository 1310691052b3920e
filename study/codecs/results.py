"""Result files: what a codec cost and kept, written and read, our own and those of others.

Two formats. ``compressai`` is CompressAI's JSON with more in it (`study.codecs.evaluation`); theirs
are read too. ``mpeg`` is the sheet of MPEG's AI-PCC (`study.codecs.sheets`).
"""

from __future__ import annotations

import json
import math
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from study.base.errors import StudyError
from study.base.output import new_file
from study.codecs.evaluation import FILE_KEYS, MEASURED, NOT_TOLD, Evaluation, RatePoint
from study.codecs.sheets import read_sheet, sheet_of
from study.metrics import PeakRule, PsnrConvention
from study.metrics.measurement import CloudResult
from study.metrics.table import MEASURES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from study.metrics import RateCurve

COMPRESSAI, MPEG = "compressai", "mpeg"
"""The formats."""

SUFFIXES: Mapping[str, str] = {COMPRESSAI: ".json", MPEG: ".csv"}

MOST_BYTES = 1 << 24
"""Of a result file: one of a thousand clouds at ten operating points has a quarter of that."""
LONGEST_NAME = 1000
"""Characters of a codec's or a cloud's name, which pictures and sentences show."""
MOST_POINTS = 1000
"""Operating points of a codec."""

ITS_OWN = "bpp as its file counts it"
"""What the rate counts of a JSON that was not written here."""

_ODD = (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""What reading a JSON raises that is none, or not of a result."""

_KEYS: Mapping[str, Sequence[str]] = {
    "d1_psnr_db": ("d1_psnr_db", "d1-psnr", "d1_psnr"),
    "d2_psnr_db": ("d2_psnr_db", "d2-psnr", "d2_psnr"),
    **{metric: (key,) for metric, key in FILE_KEYS.items()},
}
"""What files call metrics, ours first; the others have one name everywhere."""

_MADE_FROM = "made_from"
_PER_POINT = tuple(name for name, measure in MEASURES.items() if measure.is_per_point)
_CONVENTION = re.compile(r"(?P<factor>[\d.e+-]+) p\^2, p = (?P<given>[\d.e+-]+)?(?P<rule>.*)")


def written(evaluation: Evaluation, file_format: str, made_from: str = "") -> str:
    """Return an evaluation in one of the formats, as text; arguments as of `write_evaluation`.

    Raises:
        StudyError: the sheet has a row for each cloud, and nothing is known of clouds.
    """
    if file_format == MPEG:
        return sheet_of(evaluation)
    told = evaluation.to_json() | ({_MADE_FROM: made_from} if made_from else {})
    return json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_evaluation(
    evaluation: Evaluation,
    path: Path,
    *,
    file_format: str = COMPRESSAI,
    force: bool = False,
    made_from: str = "",
) -> None:
    """Write an evaluation in one of the formats.

    Args:
        evaluation: what is written.
        path: where.
        file_format: `COMPRESSAI` or `MPEG`.
        force: whether a file that is there already may be replaced.
        made_from: what stands for all that it depends on, kept in a JSON (`read_if_made_from`).

    Raises:
        StudyError: there is a file already and `force` is not given, or it cannot be written.
    """
    text = written(evaluation, file_format, made_from)
    with new_file(path, force=force) as partial:
        partial.write_text(text, encoding="utf-8")


def read_if_made_from(path: Path, made_from: str) -> Evaluation | None:
    """Return what was written under this `made_from`; None where it was not, or is damaged."""
    try:
        with _held_by(path, _content(path)) as held:
            return _evaluation(path, held) if held[_MADE_FROM] == made_from else None
    except StudyError:
        return None


def read_evaluation(path: Path, points: Mapping[str, int] | None = None) -> Evaluation:
    """Read a result file: JSON of ours or CompressAI's, or a sheet of MPEG's (.csv).

    Args:
        path: the file.
        points: of clouds by name, for sheets, which tell bits and not of how many points.

    Raises:
        StudyError: the file cannot be read or is another.
    """
    content = _content(path)
    if path.suffix.lower() == SUFFIXES[MPEG]:
        return read_sheet(path, content, points or {})
    with _held_by(path, content) as held:
        return _evaluation(path, held)


def read_curve(path: Path, points: Mapping[str, int] | None = None) -> RateCurve:
    """Read D1 PSNR over rate from a result file, to compare with or to draw.

    Args:
        path: the file.
        points: of clouds by name, for sheets.

    Raises:
        StudyError: the file cannot be read or is another, or its PSNR is not that of a study.
    """
    return curve_of(read_evaluation(path, points), path)


def curve_of(evaluation: Evaluation, path: Path) -> RateCurve:
    """Return D1 PSNR over rate of what a file held, if it can stand beside a front.

    Raises:
        StudyError: its PSNR is not that of a study.
    """
    if evaluation.convention not in {None, PsnrConvention()}:
        raise StudyError(
            f"curves in one picture must be of one PSNR, {PsnrConvention()}, but that of {path} "
            f"is {evaluation.psnr}; measure it anew"
        )
    return evaluation.curve()


def read_clouds(path: Path) -> list[tuple[str, int]]:
    """Read the name and the points of each cloud from a JSON; none where it tells of none.

    Raises:
        StudyError: the file cannot be read or is another.
    """
    with _held_by(path, _content(path)) as held:
        found = [(name, int(told["points"])) for name, told in held.get("clouds", {}).items()]
        for name, _ in found:
            _check_name(name)
        return found


def _content(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise StudyError(f"{path} cannot be read ({error.strerror}); check the path") from error
    if len(content) > MOST_BYTES:
        raise StudyError(
            f"a result file may have {MOST_BYTES:,} bytes, and {path} has more; leave clouds out"
        )
    return content.decode("utf-8", errors="replace")


@contextmanager
def _held_by(path: Path, content: str) -> Iterator[dict[str, Any]]:
    """Read a JSON; what its user misses in it is told as a fault of the file."""
    try:
        yield json.loads(content)
    except StudyError:
        raise
    except _ODD as error:
        raise StudyError(
            f"{path} must be what `study baseline` or `study evaluate` writes or what CompressAI "
            f"does, JSON with name, and results of bpp and d1_psnr_db, but {_complaint(error)}; "
            "write it anew"
        ) from error


def _evaluation(path: Path, held: Mapping[str, Any]) -> Evaluation:
    """Return what a JSON tells; it raises one of `_ODD` where that is none of a result."""
    results, name = held["results"], held["name"]
    columns = {"bpp": results["bpp"]}
    if all(key not in results for key in _KEYS["d1_psnr_db"]):
        raise KeyError("d1_psnr_db")
    for metric in MEASURES:
        for key in _KEYS.get(metric, (metric,)):
            if key in results:
                columns.setdefault(metric, results[key])
    count = len(columns["bpp"])
    if count > MOST_POINTS:
        raise ValueError(f"it has {count:,} operating points, and may have {MOST_POINTS}")
    means: list[dict[str, float | None]] = [{} for _ in range(count)]
    for metric, column in columns.items():
        for row, value in zip(means, column, strict=True):
            row[metric] = None if value is None else _finite(value)
    psnr, counts = held.get("psnr"), held.get("rate", MEASURED if "psnr" in held else ITS_OWN)
    for text in (name, "" if psnr is None else psnr, counts, held.get("description") or ""):
        _check_name(text)
    settings = held.get("settings") or [f"point {number}" for number in range(1, count + 1)]
    clouds = [_cloud(name, told, count) for name, told in (held.get("clouds") or {}).items()]
    whole = all(clouds) and len(clouds) > 0
    return Evaluation(
        name=name,
        description=held.get("description") or f"{name}, of {path.name}",
        convention=None if psnr in {None, NOT_TOLD} else _convention(psnr),
        points=tuple(
            RatePoint(
                str(setting), tuple(each[place] for each in clouds) if whole else (), means[place]
            )
            for place, setting in enumerate(settings[:count])
        ),
        counts=counts,
    )


def _cloud(name: str, told: Mapping[str, Any], count: int) -> tuple[CloudResult, ...]:
    """Return what a JSON tells of a cloud at each operating point; nothing where it does not."""
    _check_name(name)
    points = int(told["points"])
    sizes = told.get("file_bytes", ())
    columns = {m: told.get(FILE_KEYS.get(m, m)) for m in MEASURES}
    if len(sizes) != count or columns["bpp"] is None:
        return ()
    found = []
    for place, size in enumerate(sizes):
        values = {
            metric: None if column is None or column[place] is None else _finite(column[place])
            for metric, column in columns.items()
        }
        known = {metric: values[metric] for metric in _PER_POINT}
        counts = {m: value * points for m, value in known.items() if value is not None}
        found.append(CloudResult(name, points, int(size), values, counts))
    return tuple(found)


def _convention(text: str) -> PsnrConvention:
    found = _CONVENTION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no peak and factor of a PSNR")
    if found["given"] is not None:
        return PsnrConvention(PeakRule.GIVEN, float(found["given"]), float(found["factor"]))
    return PsnrConvention(PeakRule(found["rule"]), None, float(found["factor"]))


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
