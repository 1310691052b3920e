"""The report's files, each replaced as a whole."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from study.report.beside import NOTHING
from study.report.picture import draw_planes
from study.report.rows import rows
from study.storage.folder import StudyFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from study.fronts.judged import JudgedStudy
    from study.report.beside import Beside
    from study.report.page import Tab
    from study.report.standing import Standing

KINDS = ("html", "png", "svg", "csv", "parquet")
"""Of a report's files: the interactive page, its first picture twice, and all trials twice."""


@dataclass(frozen=True)
class ReportFiles:
    """Where a report's files are.

    Attributes:
        folder: where they lie.
        baselines: a sentence about each curve that was to be drawn beside the front.
        reconstructions: objects beside what codecs make of them, still; or a sentence that says why
            there are none. None where they were not asked for.
        standings: how the front stands against each codec that stands beside every front.
        unrivalled: why one of those is missing, as a sentence; empty where none is, or where they
            were not asked for.
        kept: files of the study that hold what those codecs made of its clouds.
    """

    folder: Path
    baselines: tuple[str, ...] = ()
    reconstructions: Path | str | None = None
    standings: tuple[Standing, ...] = ()
    unrivalled: str = ""
    kept: tuple[Path, ...] = ()

    def of_kind(self, kind: str) -> Path:
        """Return the file of one of `KINDS`."""
        return self.folder / f"front.{kind}"

    @property
    def html(self) -> Path:
        """The interactive page, one file that needs no network."""
        return self.of_kind("html")

    @property
    def png(self) -> Path:
        """Its first picture, still."""
        return self.of_kind("png")

    @property
    def csv(self) -> Path:
        """All trials, one row each."""
        return self.of_kind("csv")

    @property
    def parquet(self) -> Path:
        """The same with types."""
        return self.of_kind("parquet")

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files, the page first."""
        still = (self.reconstructions,) if isinstance(self.reconstructions, Path) else ()
        return (*(self.of_kind(kind) for kind in KINDS), *still, *self.kept)


def write_report(
    study_name: str,
    study: JudgedStudy,
    folder: Path,
    beside: Beside = NOTHING,
    *,
    extra_tabs: Sequence[Tab] = (),
) -> ReportFiles:
    """Write the pictures and tables of a study into a folder, which is made if it is missing.

    Each file is written beside its place and renamed into it, so a reader (or a report written at
    the same time) finds the old file or the new one, never half of one.

    Args:
        study_name: for the pictures' title.
        study: its trials; two objectives at a time are the pictures' axes.
        folder: where the files go; the study's own, or its kept codecs are not found.
        beside: other codecs' curves and other studies' fronts.
        extra_tabs: more tabs for the page, the last ones.

    Raises:
        StudyError: there are baselines, but bpp and D1 PSNR are not both objectives.
        OSError: the folder cannot be written to; what was not replaced stays as it was.
    """
    # Here and not above: together they cost a second that `study --help` need not pay.
    from study.checkpoints.earlier_epochs import kept_earlier_epochs
    from study.report.page import write_page
    from study.report.page.content import Material, page_content
    from study.report.still import draw_still, write_still
    from study.report.tables import trial_table, write_csv, write_parquet

    folder.mkdir(parents=True, exist_ok=True)
    pictures = draw_planes(study_name, study, beside)
    told = tuple(told for picture in pictures for told in picture.baselines)
    files = ReportFiles(folder, told, standings=tuple(beside.standings))
    earlier = kept_earlier_epochs(StudyFolder(folder).codecs, study)
    content = page_content(Material(study_name, study, pictures, beside, earlier))
    table = trial_table(study_name, study.records, rows(study))
    _replace(files.html, lambda path: write_page(pictures[0].title, content, path, extra_tabs))
    figure = draw_still(pictures)
    for kind in ("png", "svg"):
        _replace(files.of_kind(kind), partial(write_still, figure, kind))
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
