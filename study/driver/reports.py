"""The reports that a driver draws: while its study runs, and when that has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from study.config.judging import judge
from study.report.reporting import report

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from threading import Event

    from study.base.records import TrialRecord
    from study.config import StudyConfig
    from study.report import ReportFiles
    from study.report.exhibits import Gallery
    from study.report.standing import Rivals
    from study.storage.folder import StudyFolder


class Exhibited(NamedTuple):
    """What the last report shows besides the trials.

    Attributes:
        gallery: objects beside what codecs make of them, or why there are none.
        rivals: the codecs that stand beside every front.
        data: the data set that both are of.
    """

    gallery: Gallery | str
    rivals: Rivals
    data: Path | None


def draw_report(
    config: StudyConfig,
    folder: StudyFolder,
    records: Sequence[TrialRecord],
    shown: Exhibited | None = None,
    outdated: Event | None = None,
) -> ReportFiles:
    """Write the report of a study as its trials stand."""
    study = judge(config, records)
    if shown is None:
        return report(config.name, study, folder, outdated=outdated)
    gallery, rivals, data = shown
    return report(
        config.name, study, folder, gallery=lambda: gallery, rivals=lambda: rivals, data=data
    )
