"""A study's report, in the study's folder."""

from __future__ import annotations

from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING

from study.base.errors import StudyError
from study.base.output import new_file
from study.report.picture import NOTHING
from study.report.unchanged import digest_of, recall, remember

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from threading import Event

    from study.fronts.judged import JudgedStudy
    from study.report import ReportFiles
    from study.report.exhibits import Gallery
    from study.report.page import Tab
    from study.report.picture import Beside
    from study.storage.folder import StudyFolder

RECONSTRUCTIONS = "reconstructions.png"
"""Objects beside what codecs of the front make of them, where there is something to show."""

_DRAWING = Lock()
"""MLflow is shown the report while the study runs, drawn in a thread of its own; the driver draws
the last one, into the same files."""


class OutdatedError(Exception):
    """A newer report was drawn while this one waited for its turn."""


def report(
    name: str,
    study: JudgedStudy,
    folder: StudyFolder,
    beside: Beside = NOTHING,
    *,
    gallery: Callable[[], Gallery | str] | None = None,
    data: Path | None = None,
    outdated: Event | None = None,
) -> ReportFiles:
    """Write the front's pictures and tables into the study's folder, unless they are there as such.

    Args:
        name: the study's.
        study: its trials.
        folder: where it lies.
        beside: other codecs' curves and other studies' fronts.
        gallery: makes objects to show beside what codecs make of them (`study.codecs.gallery`), or
            says why there are none; None where nobody asked, as while a study runs.
        data: the data set whose objects the gallery shows, where one was used already.
        outdated: is set when a newer report is drawn, which this one must not replace.

    Raises:
        OutdatedError: that is so.
        StudyError: the folder cannot be written to.
    """
    from study.report import write_report

    try:
        with _DRAWING:
            if outdated is not None and outdated.is_set():
                raise OutdatedError
            digest = digest_of(name, study, folder.codecs, beside, data)
            there = None if gallery is None else recall(folder.path, digest)
            if there is not None and not isinstance(there.reconstructions, str):
                return there
            made = None if gallery is None else gallery()
            # What kept a gallery from being made may have passed: of that the digest knows nothing.
            if there is not None and made == there.reconstructions:
                return there
            reconstructions, tabs = _side_by_side(made, folder)
            files = write_report(name, study, folder.path, beside, extra_tabs=tabs)
            files = replace(files, reconstructions=reconstructions)
            if gallery is not None:
                remember(files, digest)
    except OSError as error:
        message = f"the report of study {name} cannot be written: {error}"
        raise StudyError(message) from error
    return files


def _side_by_side(
    gallery: Gallery | str | None, folder: StudyFolder
) -> tuple[Path | str | None, list[Tab]]:
    """Draw objects beside what codecs make of them, still and as a tab, where there are any."""
    if gallery is None or isinstance(gallery, str):
        return gallery, []
    from study.report.reconstructions import tab, write_still

    path = folder.path / RECONSTRUCTIONS
    with new_file(path, force=True) as partial:
        write_still(gallery, partial)
    return path, [tab(gallery)]
