"""Runs a study from its first trial to its report."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rich.markup import escape

from study.architectures import preparations
from study.data import describe, open_data_set, prepare
from study.data.version import code_version
from study.errors import StudyError
from study.folder import create_study_folder
from study.front import Direction, Objective, front, hypervolume
from study.live import live_view, preparation_view
from study.measures import constraints_of
from study.records import TrialState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from study.config import Preparation, StudyConfig
    from study.folder import StudyFolder
    from study.metrics import RateCurve
    from study.records import TrialRecord
    from study.report import ReportFiles
    from study.storage import TrialStore
    from study.tracking import MlflowObserver
    from study.trainable import CohortTrainable

_TRACKING_TIMEOUT_S = 60.0
_TRACKING_TIMEOUT_INTERRUPTED_S = 3.0


@dataclass(frozen=True)
class Ended:
    """What a run of a study left behind.

    Attributes:
        folder: the study's folder.
        records: all trials that were started.
        files: the report; None when the study was interrupted.
        note: what could not be recorded in MLflow, as a sentence, or None.
    """

    folder: StudyFolder
    records: Sequence[TrialRecord]
    files: ReportFiles | None
    note: str | None


def run_study(
    config: StudyConfig,
    console: Console,
    *,
    address: str | None = None,
    trainable: type[CohortTrainable] | None = None,
) -> Ended:
    """Run a new study to its end, or until it is interrupted.

    Args:
        config: the study.
        console: where its progress is shown.
        address: a running Ray cluster to join; None starts Ray on this machine.
        trainable: what a cohort does; None trains codecs.

    Raises:
        StudyError: the name is taken, the data cannot be prepared, or Ray cannot be reached.
            Nothing of the study is left behind then.
    """
    objectives = objectives_of(config)
    with create_study_folder(config) as folder, ThreadPoolExecutor(max_workers=1) as helper:
        # Ray takes seconds to import and to start, most of them in other threads and processes.
        importing = helper.submit(import_module, "study.cluster")
        rehearse_search(config, console)
        data = prepare_data(config, console)
        cluster = importing.result()
        tuning = helper.submit(import_module, "study.tuning")
        opening = helper.submit(open_store, config, folder)
        with (
            suppress(cluster.Stopped),
            live_view(console, config, objectives) as view,
            cluster.ray_running(address),
        ):
            store, run_trials = opening.result(), tuning.result().run_trials
            tracking = open_tracking(config, objectives, store.identity)
            joined = address is not None
            tell = partial(console.print, markup=False, highlight=False, soft_wrap=True)
            observers = (view, tracking)
            run_trials(config, folder, store, data, observers, trainable, joined=joined, tell=tell)
        return finish(config, folder, store, tracking)


def rehearse_search(config: StudyConfig, console: Console) -> None:
    """Refuse a search that cannot begin, and tell what it learns from.

    Raises:
        StudyError: the sampler cannot do what the study asks of it, or a `warm_start` is useless.
    """
    from study.samplers import rehearse

    for sentence in rehearse(config):
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)


def prepare_data(config: StudyConfig, console: Console) -> dict[Preparation, Path]:
    """Return the study's prepared data sets, made now where they are missing.

    One is enough, unless trials may differ in what shapes the data.

    Raises:
        StudyError: the source cannot be read, or the data set cannot be written.
    """
    folders = {}
    for preparation in preparations(config):
        with preparation_view(console) as on_progress:
            folders[preparation] = prepare(
                preparation.recipe,
                downsample_rate=preparation.geometry.downsample_rate,
                k=preparation.geometry.k,
                root=Path(config.data_root).resolve(),
                on_progress=on_progress,
            )
    told = escape(describe(open_data_set(next(iter(folders.values()))).manifest))
    console.print(f"[bold]data[/]   {told}", highlight=False)
    if len(folders) > 1:
        console.print(f"       prepared in {len(folders)} ways, for the settings searched")
    return folders


def objectives_of(config: StudyConfig) -> tuple[Objective, ...]:
    """Return the study's objectives as the front understands them."""
    return tuple(
        Objective(objective.metric, Direction(objective.direction), objective.reference)
        for objective in config.objectives
    )


def open_store(config: StudyConfig, folder: StudyFolder) -> TrialStore:
    """Create the study's database, with the published setting first in its queue."""
    from study.storage import TrialStore

    store = TrialStore(config, folder.database)
    store.enqueue_first(code_version())
    return store


def tracking_uri(config: StudyConfig) -> str:
    """Return where MLflow keeps its records: by default one database for all studies of a root."""
    return config.tracking.uri or f"sqlite:///{Path(config.root).resolve() / 'mlflow.db'}"


def masked(uri: str) -> str:
    """Return an address without its user and password, for eyes and files that others may see."""
    credentials, at, _ = urlsplit(uri).netloc.rpartition("@")
    return uri.replace(credentials + at, "***@", 1) if at else uri


def open_tracking(
    config: StudyConfig, objectives: Sequence[Objective], identity: str
) -> MlflowObserver:
    """Start recording in MLflow; it catches up by itself and never stops a trial."""
    from study.tracking import MlflowObserver

    shown = config.model_dump(mode="json")
    if config.tracking.uri is not None:
        shown["tracking"]["uri"] = masked(config.tracking.uri)
    return MlflowObserver(
        uri=tracking_uri(config),
        artifact_root=Path(config.root).resolve() / "mlartifacts",
        study_name=config.name,
        study_config=shown,
        objectives=objectives,
        study_id=identity,
    )


def finish(
    config: StudyConfig, folder: StudyFolder, store: TrialStore, tracking: MlflowObserver
) -> Ended:
    """Write the report of a study that came to its end, and close the books."""
    records = store.records(driver_alive=False)
    if sum(record.state.is_final for record in records) < config.search.trials:
        for record in records:
            if record.state is TrialState.INTERRUPTED:
                tracking.on_trial(record)
        return Ended(folder, records, None, tracking.close(_TRACKING_TIMEOUT_INTERRUPTED_S))
    files = report(config, records, folder)
    objectives = objectives_of(config)
    tracking.on_summary(
        {
            "hypervolume": hypervolume(records, objectives),
            "front_size": float(len(front(records, objectives))),
        },
        [files.html, files.png, files.csv, files.parquet],
    )
    return Ended(folder, records, files, tracking.close(_TRACKING_TIMEOUT_S))


def report(
    config: StudyConfig,
    records: Sequence[TrialRecord],
    folder: StudyFolder,
    baselines: Sequence[RateCurve] = (),
) -> ReportFiles:
    """Write the front's pictures and tables into the study's folder.

    Args:
        config: the study.
        records: its trials.
        folder: where it lies.
        baselines: other codecs' curves, drawn beside the front.

    Raises:
        StudyError: the folder cannot be written to.
    """
    from study.report import write_report

    try:
        return write_report(
            config.name,
            records,
            objectives_of(config),
            folder.path,
            baselines,
            constraints_of(config),
        )
    except OSError as error:
        message = f"the report of study {config.name} cannot be written: {error}"
        raise StudyError(message) from error
