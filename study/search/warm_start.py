"""What a search may learn from before its first trial: other studies' results, or tables of them.

A row is used if it has a value inside the space for each searched setting, and a number for each
objective and constraint. Where it has a value for a setting that is not searched here, that must be
this study's own.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.csv

from study.base.errors import StudyError
from study.base.next_command import next_command
from study.base.parquet import check_extent, check_size, check_texts, read_trials
from study.base.spelling import did_you_mean
from study.config.choices import as_choice
from study.config.derived import asked_metrics, constraints_of
from study.config.yaml_file import STUDY_YAML, read_config
from study.fronts.measures import MEASURES
from study.search.conditions import is_active, ordered
from study.search.space import contains, is_integer, value_of
from study.search.space_checks import searchable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from study.config import StudyConfig
    from study.config.choices import Choice

    Row = Mapping[str, object]

_TABLE = "front.parquet"
_REPORTED = {"trial", "state", "on_front"}
"""Columns that identify a report's table, of which many mean nothing to a search."""

_ROWS_AT_ONCE = 100

_NOT_COMPLETE = "not complete"
_MISSING = "with a value missing"
_OUTSIDE = "outside the space"
_OTHER = "of other settings than this study's own"


@dataclass(frozen=True)
class WarmTrial:
    """A result from elsewhere.

    Attributes:
        settings: by dotted name, as a trial of this study would have them.
        values: of the objectives, in order.
        violations: constraint -> how far it is violated; kept where it is 0 or below.
    """

    settings: Mapping[str, Choice]
    values: tuple[float, ...]
    violations: Mapping[str, float]


@dataclass(frozen=True)
class WarmStart:
    """What was found in one source, and a sentence that says how much of it is used."""

    trials: tuple[WarmTrial, ...]
    told: str


def read_warm_start(config: StudyConfig, source: str) -> WarmStart:
    """Read the folder of a finished study, or a CSV or Parquet file.

    Raises:
        StudyError: it cannot be read, a column is missing, or no row fits.
    """
    path = Path(source)
    own: dict[str, Choice] = {}
    if path.is_dir():
        own = _own_settings(config, path)
        path /= _TABLE
    table = _read(path)
    _check_columns(config, source, table.column_names, own)
    found: list[WarmTrial] = []
    unused: Counter[str] = Counter()
    # As Python's objects, all rows at once would take much more than the table.
    for batch in table.to_batches(max_chunksize=_ROWS_AT_ONCE):
        for row in batch.to_pylist():
            fitted = _fit(config, {**own, **row})
            if isinstance(fitted, str):
                unused[fitted] += 1
            else:
                found.append(fitted)
    why = ", ".join(f"{count} {reason}" for reason, count in unused.items())
    told = f"search.warm_start: {len(found)} of {table.num_rows} rows of {source} are used"
    if why:
        told += f" (others: {why})"
    if not found:
        raise StudyError(f"{told}; a search cannot begin from them, leave {source} out")
    unread = _unread(config, table.column_names)
    if unread:
        told += f"; not looked at: {', '.join(unread)}"
    return WarmStart(tuple(found), told)


def _own_settings(config: StudyConfig, folder: Path) -> dict[str, Choice]:
    """Return the settings searched here that all trials of another study had in common."""
    other = read_config(folder / STUDY_YAML)
    own = {}
    for name in config.search.space:
        if name != "model" and name not in other.search.space:
            own[name] = as_choice(value_of(other, name))
    return {name: value for name, value in own.items() if isinstance(value, int | float | str)}


def _read(path: Path) -> pa.Table:
    readers = {".csv": _read_csv, ".parquet": read_trials}
    if path.suffix not in readers:
        message = (
            f"search.warm_start must name a study's folder, a CSV or a Parquet file, and {path} is "
            "neither"
        )
        raise StudyError(message)
    try:
        return readers[path.suffix](path)
    except (OSError, pa.ArrowException) as error:
        writes = next_command("front", path.resolve().parent)
        hint = f"; `{writes}` writes it" if path.name == _TABLE else ""
        reason = " ".join(str(error).split())[:200]
        message = f"search.warm_start: {path} cannot be read: {reason}{hint}"
        raise StudyError(message) from error


def _read_csv(path: Path) -> pa.Table:
    check_size(path)
    table = pyarrow.csv.read_csv(path)
    check_extent(path, table.num_rows, table.num_columns)
    check_texts(table, path)
    return table


def _check_columns(
    config: StudyConfig, source: str, columns: list[str], own: Mapping[str, Choice]
) -> None:
    searched = config.search.space
    needed = [name for name in searched if searched[name].value is None and not searched[name].when]
    for name in (*needed, *asked_metrics(config)):
        if name not in columns and name not in own:
            hint = did_you_mean(name, columns)
            message = f"search.warm_start: {source} must have a column '{name}'; {hint}"
            raise StudyError(message)


def _fit(config: StudyConfig, row: Row) -> WarmTrial | str:
    """Return the row as a trial of this study, or why it is not used."""
    if row.get("state", "complete") != "complete":
        return _NOT_COMPLETE
    space = config.search.space
    settings: dict[str, Choice] = {}
    for name in ordered(space):
        if not is_active(space[name], settings):
            continue
        cell = row.get(name)
        if space[name].value is None and _is_missing(cell):
            return _MISSING
        value = space[name].value if _is_missing(cell) else _as_setting(config, name, cell)
        if value is None:
            return _OUTSIDE
        settings[name] = value
    for name in searchable(config.family):
        if name in space or "model" in space or _is_missing(row.get(name)):
            continue
        if not _same(as_choice(value_of(config, name)), row[name]):
            return _OTHER
    metrics = {name: _number(row.get(name)) for name in asked_metrics(config)}
    if not all(math.isfinite(value) for value in metrics.values()):
        return _MISSING
    return WarmTrial(
        settings,
        tuple(metrics[objective.metric] for objective in config.objectives),
        {str(each): each.violation(metrics[each.metric]) for each in constraints_of(config)},
    )


def _as_setting(config: StudyConfig, name: str, cell: object) -> Choice | None:
    """Return a cell as a value of a searched setting; None where the space does not hold it."""
    searched = config.search.space[name]
    if searched.options is not None:
        return next((option for option in searched.options if _same(option, cell)), None)
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        return None
    if is_integer(config, name):
        cell = int(cell) if float(cell).is_integer() else math.nan
    else:
        cell = float(cell)
    return cell if contains(searched, cell) else None


def _same(choice: object, cell: object) -> bool:
    """Tell whether a cell is a choice; where kinds are mixed, a column holds them as texts."""
    if isinstance(cell, str):
        return str(choice) == cell
    return isinstance(choice, bool) == isinstance(cell, bool) and choice == cell


def _number(cell: object) -> float:
    is_number = isinstance(cell, int | float) and not isinstance(cell, bool)
    return float(cell) if is_number else math.nan  # type: ignore[arg-type]


def _is_missing(cell: object) -> bool:
    return cell is None or cell == "" or (isinstance(cell, float) and math.isnan(cell))


def _unread(config: StudyConfig, columns: list[str]) -> list[str]:
    if set(columns) >= _REPORTED:
        return []
    known = {"state", *MEASURES, *searchable(config.family), "model"}
    return [name for name in columns if name not in known]
