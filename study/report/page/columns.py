"""Numbers of many trials, column by column and as short as a reader needs them.

10,000 trials of 20 epochs are 400,000 numbers. As rows with keys, written in full, they would be
30 MB; five digits of a column compress to two bytes each. The tables have every digit.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from study.fronts.measures import MEASURES, estimate_name
from study.report.rows import searched_names, short_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from study.base.records import TrialRecord

LOG_SPAN = 30.0
"""A setting that spans more than this factor is drawn by its logarithm."""

_DIGITS, _ESTIMATE_DIGITS = 6, 5


def number(value: float | None, digits: int = _DIGITS) -> float | int | None:
    """Return a number with so many significant digits; None where it is missing or not finite."""
    if value is None or not math.isfinite(value):
        return None
    short = float(f"{value:.{digits}g}")
    return int(short) if short.is_integer() else short


def settings(records: Sequence[TrialRecord]) -> list[dict[str, Any]]:
    """Return a column for each searched setting: its names, scale and values, None where unset.

    A setting whose values are not all numbers is a choice: its values are places in `choices`.
    """
    names = searched_names(records)
    short = short_names(names)
    return [
        {"name": name, "short": short[name], **_setting([r.params.get(name) for r in records])}
        for name in names
    ]


def _setting(values: Sequence[float | int | str | bool | None]) -> dict[str, Any]:
    given = [value for value in values if value is not None]
    if any(isinstance(value, str | bool) for value in given):
        choices = sorted({str(value) for value in given})
        place = {choice: index for index, choice in enumerate(choices)}
        column = [None if value is None else place[str(value)] for value in values]
        return {"choices": choices, "values": column}
    numbers = [None if value is None else float(value) for value in values]
    known = [each for each in numbers if each is not None and math.isfinite(each)]
    is_log = bool(known) and min(known) > 0 and max(known) / min(known) > LOG_SPAN
    return {"log": is_log, "values": [number(each) for each in numbers]}


def metrics(
    records: Sequence[TrialRecord], names: Iterable[str], axes: Iterable[str]
) -> dict[str, dict[str, Any]]:
    """Return a column for each metric that a finished codec has, and for those of the axes.

    Args:
        records: the trials.
        names: the metrics that may have a column.
        axes: those that have one in any case.
    """
    seen = {name for record in records for name in record.final} | set(axes)
    return {
        name: {
            **_words(name),
            "estimate": estimate_name(name),
            "values": [number(record.final.get(name)) for record in records],
        }
        for name in names
        if name in seen
    }


def _words(name: str) -> dict[str, Any]:
    """Return how a metric is written."""
    if name not in MEASURES:
        return {"heading": name, "title": name, "digits": ".4g"}
    measure = MEASURES[name]
    return {"heading": measure.heading, "title": measure.axis_title, "digits": measure.digits}


def epochs(records: Sequence[TrialRecord], estimates: Sequence[str]) -> dict[str, Any]:
    """Return the estimates of all epochs, trial after trial.

    Returns:
        count: epochs of each trial.
        numbers: of each epoch, where they are not 1, 2, 3, ...; otherwise None.
        values: by metric, one value for each epoch of each trial.
    """
    numbers = [each.epoch for record in records for each in record.epochs]
    plain = [n for record in records for n in range(1, len(record.epochs) + 1)]
    return {
        "count": [len(record.epochs) for record in records],
        "numbers": None if numbers == plain else numbers,
        "values": {name: _estimates(records, name) for name in estimates},
    }


def _estimates(records: Sequence[TrialRecord], name: str) -> list[float | int | None]:
    found: Iterable[Mapping[str, float]] = (e.metrics for r in records for e in r.epochs)
    return [number(each.get(name), _ESTIMATE_DIGITS) for each in found]
