"""A study's report, in the study's folder."""

from __future__ import annotations

from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING

from study.base.errors import StudyError
from study.base.output import new_file
from study.report.beside import NOTHING
from study.report.standing import NO_RIVALS, Rivals
from study.report.unchanged import digest_of, kept_files, recall, remember

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from threading import Event

    from study.fronts.judged import JudgedStudy
    from study.report import ReportFiles
    from study.report.beside import Beside
    from study.report.exhibits import Gallery
    from study.report.page import Tab
    from study.report.standing import Standing
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
    rivals: Callable[[], Rivals] | None = None,
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
        rivals: measures the codecs that stand beside every front on the study's clouds, or reads
            what they made of them before (`study.yardsticks.keeping`); None likewise.
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
            there = None
            if gallery is not None:
                there = recall(folder.path, digest_of(name, study, folder.codecs, beside, data))
            if there is not None and _lacks_nothing(there):
                return there
            made = None if gallery is None else gallery()
            found = NO_RIVALS if rivals is None else rivals()
            # What kept something from being made may have passed: the digest knows nothing of it.
            if there is not None and (made, found.missing) == _lacking(there):
                return there
            reconstructions, tabs = _side_by_side(made, folder)
            found, told = _compared(study, found)
            shown = replace(beside, rivals=found.found, standings=told)
            files = write_report(name, study, folder.path, shown, extra_tabs=tabs)
            files = replace(
                files,
                reconstructions=reconstructions,
                unrivalled=found.missing,
                kept=kept_files(folder.codecs, [each.key for each in found.found]),
            )
            if gallery is not None:
                # Now that the rivals' files are there.
                remember(files, digest_of(name, study, folder.codecs, beside, data))
    except OSError as error:
        message = f"the report of study {name} cannot be written: {error}"
        raise StudyError(message) from error
    return files


def _compared(study: JudgedStudy, rivals: Rivals) -> tuple[Rivals, tuple[Standing, ...]]:
    """Return how a front stands against rivals, or no rivals and why: it costs no report."""
    from study.report.against import standings

    try:
        return rivals, standings(study, rivals)
    except Exception as error:  # noqa: BLE001
        why = f"please report it: {type(error).__name__}: {error}"
        return Rivals(missing=f"a yardstick beside the front is missing: {why}"), ()


def _lacks_nothing(there: ReportFiles) -> bool:
    return not isinstance(there.reconstructions, str) and not there.unrivalled


def _lacking(there: ReportFiles) -> tuple[str | None, str]:
    """Return the sentences of what an earlier report lacks, which may be had now."""
    why = there.reconstructions
    return why if isinstance(why, str) else None, there.unrivalled


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
