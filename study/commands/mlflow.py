"""`study mlflow`: what MLflow holds of a study, besides what a driver writes by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from study.base.errors import StudyError
from study.codecs.gallery import make_gallery
from study.config.judging import judge
from study.report.reporting import report
from study.storage.folder import find_study
from study.storage.progress import data_shown, read_progress
from study.tracking.sync import sync as write_missing
from study.yardsticks.keeping import Site, rivals_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from rich.console import Console

    from study.base.records import TrialRecord
    from study.report import ReportFiles


def sync(arguments: argparse.Namespace, console: Console) -> int:
    """Bring MLflow up to date with a study."""
    folder = find_study(arguments.root, arguments.name)
    config = folder.config()
    store = read_progress(folder, config).store
    if store is None:
        raise StudyError(
            f"MLflow is told of a study's trials, and {config.name} has none yet; wait for one"
        )
    study = judge(config, store.records(driver_alive=False))
    gallery = make_gallery(folder, config, study, store)
    rivals = rivals_of(Site(folder, config, study, store))

    def draw(records: Sequence[TrialRecord]) -> ReportFiles:
        data = data_shown(folder, config, records, store)
        study = judge(config, records)
        return report(
            config.name, study, folder, gallery=lambda: gallery, rivals=lambda: rivals, data=data
        )

    told = write_missing(config, folder, store, draw, arguments.uri)
    console.print(told, markup=False, highlight=False, soft_wrap=True)
    return 0
