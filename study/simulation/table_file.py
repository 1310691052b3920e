"""A recording as a Parquet file: one row for each trial and epoch.

====================  ============================================================================
``study``, ``trial``  the study's name, and the trial's number in it
``epoch``             counted from 1
``loss.bpp_lambda``   and every other searched setting, by its dotted name; null where it did not
                      apply to the trial
``bpp_estimated``     and every other metric after this epoch
``seconds``           of work that the epoch took: its cohort's seconds, shared evenly
``final.bpp``         and every other metric of the finished codec, the same in all of its rows
``final.seconds``     that measuring it took
====================  ============================================================================

The schema's metadata hold ``format`` (the number below), and ``studies``: a JSON list with the code
version and the study file of each study, without where it was kept.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from study.base.errors import StudyError
from study.base.output import new_file
from study.base.parquet import read_trials
from study.simulation.recording import Begun, RecordedTrial, Recording, join
from study.storage.study_file import parse_study

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from study.config import StudyConfig
    from study.config.choices import Choice
    from study.config.ranges import Range

FORMAT = 1
"""Raised when readers of the old format would misread a new table, or could not read it."""

_FORMAT_KEY, _STUDIES_KEY = b"format", b"studies"
_PLACES = {"root", "data_root", "tracking", "storage"}
"""Where a study was kept: no curve depends on it, and addresses may hold passwords."""

_FINAL = "final."
_SECONDS = "seconds"
_KEYS = ("study", "trial", "epoch")


def write_recording(recording: Recording, path: Path, *, force: bool = False) -> None:
    """Write a recording.

    Args:
        recording: the trials.
        path: the file, whole or not at all.
        force: whether it may replace another.

    Raises:
        StudyError: there is a file already, or it cannot be written.
    """
    studies = [
        {
            "code_version": begun.code_version,
            "study_file": begun.config.model_dump(mode="json", exclude_unset=True, exclude=_PLACES),
        }
        for begun in recording.studies
    ]
    metadata = {_FORMAT_KEY: str(FORMAT), _STUDIES_KEY: json.dumps(studies)}
    names = tuple(recording.config.search.space)
    rows = [row for trial in recording.trials for row in _rows(trial, names)]
    table = pa.table(
        {name: _column(name, rows, recording.config.search.space.get(name)) for name in rows[0]}
    ).replace_schema_metadata(metadata)
    with new_file(path, force=force) as partial:
        # Settings and final metrics repeat from row to row; Parquet's dictionaries, which are its
        # default, store them once.
        pq.write_table(table, partial, compression="zstd", compression_level=19)


def _rows(trial: RecordedTrial, names: tuple[str, ...]) -> list[dict[str, Any]]:
    final = {f"{_FINAL}{name}": value for name, value in trial.final.items()}
    return [
        {
            "study": trial.study,
            "trial": trial.number,
            "epoch": number,
            **{name: trial.settings.get(name) for name in names},
            **metrics,
            _SECONDS: seconds,
            **final,
            f"{_FINAL}{_SECONDS}": trial.measuring_s,
        }
        for number, (metrics, seconds) in enumerate(
            zip(trial.epochs, trial.epoch_s, strict=True), start=1
        )
    ]


def _column(name: str, rows: list[dict[str, Any]], searched: Range | None) -> pa.Array:
    values = [row[name] for row in rows]
    if searched is None or searched.options is None:
        return pa.array(values)
    # Choices may be of different types; any reader can tell them apart as texts.
    return pa.array([None if value is None else _text(value) for value in values], pa.string())


def _text(choice: Choice) -> str:
    return choice if isinstance(choice, str) else json.dumps(choice)


def read_recording(path: Path) -> Recording:
    """Read a recording.

    Raises:
        StudyError: there is no such file, it is no recording, or of a format that this code does
            not know.
    """
    try:
        table = read_trials(path)
    except FileNotFoundError:
        raise StudyError(f"there is no table {path}; `study record` makes one") from None
    except (OSError, pa.ArrowInvalid) as error:
        raise StudyError(
            f"a recording must be a Parquet file, and {path} cannot be read as one ({error}); "
            "`study record` makes one"
        ) from error
    metadata = table.schema.metadata or {}
    _check_format(path, metadata)
    try:
        return _recording(path, json.loads(metadata[_STUDIES_KEY]), table.to_pylist())
    except (KeyError, TypeError, ValueError) as error:
        raise StudyError(
            f"{path} says that it is a recording, but something is missing in it ({error!r}); "
            "record it again"
        ) from error


def _check_format(path: Path, metadata: Mapping[bytes, bytes]) -> None:
    if _FORMAT_KEY not in metadata or _STUDIES_KEY not in metadata:
        raise StudyError(
            f"a recording says in its metadata which studies it is of, and {path} does not; "
            "`study record` makes one that does"
        )
    if (given := metadata[_FORMAT_KEY].decode()) != str(FORMAT):
        raise StudyError(
            f"a recording must be of format {FORMAT}, which this code reads, but {path} is of "
            f"format {given}; record it again, or use the code that wrote it"
        )


def _recording(path: Path, studies: list[Any], rows: list[dict[str, Any]]) -> Recording:
    begun = [Begun(each["code_version"], _as_begun(each["study_file"], path)) for each in studies]
    config = begun[0].config
    of_trial: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in rows:
        of_trial.setdefault((row["study"], row["trial"]), []).append(row)
    return join(begun, [_trial(config, each, path) for each in of_trial.values()])


def _as_begun(study_file: dict[str, Any], path: Path) -> StudyConfig:
    # The files of a recorded study's warm start need not exist on this machine.
    study_file["search"].pop("warm_start", None)
    return parse_study(json.dumps(study_file), origin=f"{path}: the study file in it")


def _trial(config: StudyConfig, rows: list[dict[str, Any]], path: Path) -> RecordedTrial:
    rows = sorted(rows, key=lambda row: row["epoch"])
    first = rows[0]
    if [row["epoch"] for row in rows] != list(range(1, config.training.epochs + 1)):
        raise StudyError(
            f"every trial of a recording has {config.training.epochs} epochs, but trial "
            f"{first['trial']} of {first['study']} in {path} has not; record it again"
        )
    space = config.search.space
    own = {*_KEYS, *space, _SECONDS}
    return RecordedTrial(
        study=first["study"],
        number=first["trial"],
        settings={
            name: _setting(searched, first[name])
            for name, searched in space.items()
            if first[name] is not None
        },
        epochs=tuple(
            {
                name: value
                for name, value in row.items()
                if name not in own and not name.startswith(_FINAL)
            }
            for row in rows
        ),
        epoch_s=tuple(row[_SECONDS] for row in rows),
        final={
            name.removeprefix(_FINAL): value
            for name, value in first.items()
            if name.startswith(_FINAL) and name != f"{_FINAL}{_SECONDS}"
        },
        measuring_s=first[f"{_FINAL}{_SECONDS}"],
    )


def _setting(searched: Range, value: Choice) -> Choice:
    if searched.options is None:
        return value
    by_text = {_text(choice): choice for choice in searched.options}
    return by_text[str(value)]
