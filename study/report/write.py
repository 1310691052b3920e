"""The report's files, each replaced as a whole."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from study.report.picture import draw_planes
from study.report.rows import rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from study.fronts.front import Objective
    from study.fronts.measures import Constraint
    from study.metrics import RateCurve
    from study.records import TrialRecord


@dataclass(frozen=True)
class ReportFiles:
    """Where a report's files are.

    Attributes:
        html: the interactive picture, one file that needs no network.
        png: the same picture, still.
        csv, parquet: all trials, one row each.
        baselines: a sentence about each curve that was to be drawn beside the front.
    """

    html: Path
    png: Path
    csv: Path
    parquet: Path
    baselines: tuple[str, ...] = ()


def write_report(
    study_name: str,
    records: Sequence[TrialRecord],
    objectives: Sequence[Objective],
    folder: Path,
    baselines: Sequence[RateCurve] = (),
    constraints: Sequence[Constraint] = (),
) -> ReportFiles:
    """Write the pictures and tables of a study into a folder, which is made if it is missing.

    Each file is written beside its place and renamed into it, so a reader (or a report written at
    the same time) finds the old file or the new one, never half of one.

    Args:
        study_name: for the pictures' title.
        records: all trials.
        objectives: of the front; two at a time are the pictures' axes.
        folder: where the files go.
        baselines: other codecs' curves (`study.codecs.results.read_curve`), for the pictures.
        constraints: which of them a trial breaks is told.

    Raises:
        StudyError: there are baselines, but bpp and D1 PSNR are not both objectives.
        OSError: the folder cannot be written to; what was not replaced stays as it was.
    """
    # Here and not above: together they cost a second that `study --help` need not pay.
    from study.report.html import write_html
    from study.report.png import write_png
    from study.report.tables import trial_table, write_csv, write_parquet

    folder.mkdir(parents=True, exist_ok=True)
    pictures = draw_planes(study_name, records, objectives, baselines, constraints)
    files = ReportFiles(
        html=folder / "front.html",
        png=folder / "front.png",
        csv=folder / "front.csv",
        parquet=folder / "front.parquet",
        baselines=tuple(told for picture in pictures for told in picture.baselines),
    )
    table = trial_table(study_name, records, rows(records, objectives))
    _replace(files.html, partial(write_html, pictures))
    _replace(files.png, partial(write_png, pictures))
    _replace(files.csv, partial(write_csv, table))
    _replace(files.parquet, partial(write_parquet, table))
    return files


def _replace(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary sibling, then put it in the path's place."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
