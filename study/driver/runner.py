"""Runs a study from its first trial to its report."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from rich.markup import escape

from study.base.records import TrialState
from study.checkpoints.kept_codecs import KeptCodecs
from study.config.derived import constraints_of, objectives_of
from study.config.judging import judge
from study.data import describe, open_data_set, prepare
from study.data.version import code_version
from study.driver.changes import began, check_changes
from study.driver.reports import Exhibited, draw_report
from study.driver.termination import COMPLETE, Reason, Stopped, Termination
from study.families.family import family_of
from study.fronts.measures import cautions
from study.mirror.mirroring import check_mirror, mirroring
from study.report.live import live_view, preparation_view
from study.search.architectures import preparations
from study.storage.folder import create_study_folder, open_study_folder
from study.storage.lease import hold
from study.storage.progress import data_shown
from study.storage.provenance import keep_provenance
from study.tracking.opening import contents, note_data_sets, open_tracking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import Console

    from study.base.records import TrialRecord
    from study.config import Preparation, StudyConfig
    from study.report import ReportFiles
    from study.storage.folder import StudyFolder
    from study.storage.trial_store import TrialStore
    from study.tracking.observer import MlflowObserver

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
        termination: why it ended, or was stopped.
        unmirrored: what is not in the study's mirror, as a sentence, or None.
    """

    folder: StudyFolder
    records: Sequence[TrialRecord]
    files: ReportFiles | None
    note: str | None
    termination: Termination = COMPLETE
    unmirrored: str | None = None


def run_study(
    config: StudyConfig,
    console: Console,
    *,
    address: str | None = None,
) -> Ended:
    """Run a new study to its end, or until it is stopped.

    Args:
        config: the study.
        console: where its progress is shown.
        address: a running Ray cluster to join; None starts Ray on this machine.

    Raises:
        StudyError: the name is taken, the data cannot be prepared, or Ray cannot be reached.
            Nothing of the study is left behind then.
    """
    check_mirror(config)
    if config.storage.uri is not None:
        from study.storage.database import check_new

        check_new(config)
    with create_study_folder(config) as folder:
        return _drive(config, folder, console, address)


def resume_study(
    folder: StudyFolder,
    config: StudyConfig,
    console: Console,
    *,
    address: str | None = None,
) -> Ended:
    """Go on with a study, after whatever ended its last driver.

    Trials without an end go on from their newest checkpoint under their own numbers; what was left
    half-written is brought to its end.

    Args:
        folder: the study's.
        config: as it began, but for what `study.driver.changes` allows to change.
        console: where its progress is shown.
        address: a running Ray cluster to join; None starts Ray on this machine.

    Raises:
        StudyError: another driver is at work, or as for `run_study`. Nothing is lost then.
    """
    check_mirror(config)
    with open_study_folder(folder):
        return _drive(config, folder, console, address)


def _drive(
    config: StudyConfig,
    folder: StudyFolder,
    console: Console,
    address: str | None,
) -> Ended:
    """Be the study's driver."""
    objectives = objectives_of(config)
    tell = partial(console.print, markup=False, highlight=False, soft_wrap=True)
    with ThreadPoolExecutor(max_workers=1) as helper:
        # Ray takes seconds to import and to start, most of them in other threads and processes.
        # What the helper has imported is then imported by name, where the type checker sees it.
        importing = helper.submit(import_module, "study.driver.planning")
        rehearse_search(config, console)
        if address is None and not config.resources.fit_any_machine:
            importing.result()
            from study.driver.planning import check_machine

            check_machine(config.resources)
        opening = helper.submit(open_store, config, folder)
        data = prepare_data(config, console)
        importing.result()
        importing = helper.submit(import_module, "study.driver.tuning")
        if not console.is_terminal:  # The live table says so itself.
            console.print("[bold]Ray[/]    starts; the first trials begin within a minute")
        with hold(opening.result(), folder, tell=tell) as lease, ExitStack() as within:
            from study.driver.cluster import ray_running
            from study.driver.local_ray import Preload

            store = opening.result()
            mirror = within.enter_context(
                mirroring(config, folder, store.identity, tell, lease.lost.set)
            )
            modules = ("study.workers.trainable", *family_of(config.family).worker_modules)
            preload = Preload(modules, config.resources.cpus_per_cohort)
            with (
                live_view(console, config, objectives) as view,
                _outcome() as outcome,
                ray_running(address, preload),
            ):
                # Its copy in the folder may have been edited.
                check_changes(began(store.study_file(), config), config)
                folder.keep(config)
                keep_provenance(folder)
                note_data_sets(store, data.values())
                draw = partial(draw_report, config, folder, outdated=outcome.reported)
                tracking = open_tracking(config, store, folder, draw)
                observers = (
                    view,
                    tracking,
                    *_keepers(config, folder, tell),
                    *([mirror] if mirror else []),
                )
                importing.result()
                from study.driver.tuning import Site, run_trials

                site = Site(folder, store, data, lease, address is not None)
                outcome.termination = run_trials(config, site, observers, tell)
            # Still under the lease: what MLflow lacks is written now.
            ended = finish(config, folder, store, tracking, outcome)
            return replace(ended, unmirrored=mirror.finish()) if mirror else ended


def _keepers(
    config: StudyConfig, folder: StudyFolder, tell: Callable[[str], None]
) -> list[KeptCodecs]:
    """Return what deletes the codecs that are not to be kept."""
    if config.storage.keep == "all":
        return []
    objectives, constraints = objectives_of(config), constraints_of(config)
    return [KeptCodecs(folder.codecs, objectives, config.storage.codec_bytes, tell, constraints)]


@dataclass
class Outcome:
    """How the work of a driver ended.

    Attributes:
        termination: why.
        reported: set when its last report is drawn, after which no earlier one may be.
    """

    termination: Termination = COMPLETE
    reported: Event = field(default_factory=Event)


@contextmanager
def _outcome() -> Iterator[Outcome]:
    """Take note of why the block was left where the study was stopped."""
    outcome = Outcome()
    try:
        yield outcome
    except Stopped as stop:
        outcome.termination = stop.termination


def rehearse_search(config: StudyConfig, console: Console) -> None:
    """Refuse a search that cannot begin, and tell what it learns from and what to beware of.

    Raises:
        StudyError: the sampler cannot do what the study asks of it, or a `warm_start` is useless.
    """
    from study.search.samplers import rehearse

    for sentence in (*rehearse(config), *cautions(constraints_of(config))):
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)


def prepare_data(config: StudyConfig, console: Console) -> dict[Preparation, Path]:
    """Return the study's prepared data sets, made now where they are missing.

    One is enough, unless trials may differ in what shapes the data.

    Raises:
        StudyError: the source cannot be read, or the data set cannot be written.
    """
    folders, family = {}, family_of(config.family)
    for preparation in preparations(config):
        with preparation_view(console) as on_progress:
            folders[preparation] = prepare(
                preparation.recipe,
                form=family.patches(preparation.geometry),
                root=Path(config.data_root).resolve(),
                on_progress=on_progress,
            )
    told = escape(describe(open_data_set(next(iter(folders.values()))).manifest))
    console.print(f"[bold]data[/]   {told}", highlight=False)
    if len(folders) > 1:
        console.print(f"       prepared in {len(folders)} ways, for the settings searched")
    return folders


def open_store(config: StudyConfig, folder: StudyFolder) -> TrialStore:
    """Open the study's database, or create it with the published setting first in its queue.

    A file gets its name when all is in it: whoever is killed before leaves none.
    """
    from study.storage.trial_store import TrialStore

    if config.storage.uri is None and not folder.database.exists():
        partial_file = folder.database.with_suffix(".partial")
        for left in folder.path.glob(f"{partial_file.name}*"):  # SQLite's journal too.
            left.unlink()
        store = TrialStore(config, partial_file)
        store.enqueue_first(code_version())
        store.close()
        partial_file.rename(folder.database)
    store = TrialStore(config, folder.database)
    store.enqueue_first(code_version())
    return store


def finish(
    config: StudyConfig,
    folder: StudyFolder,
    store: TrialStore,
    tracking: MlflowObserver,
    ended: Outcome,
) -> Ended:
    """Write the report of a study that came to its end or spent its hours; close MLflow's runs."""
    from study.codecs.gallery import make_gallery
    from study.yardsticks.keeping import Site, rivals_of

    records, termination = store.records(driver_alive=False), ended.termination
    # The trials of a study that was taken over run on, with its new driver.
    is_ours = termination.reason is not Reason.TAKEN_OVER
    for record in records:
        if record.state is TrialState.INTERRUPTED and is_ours:
            tracking.on_trial(record)
    if not termination.is_planned:
        if is_ours:
            tracking.on_end()
        note = tracking.close(_TRACKING_TIMEOUT_INTERRUPTED_S)
        return Ended(folder, records, None, note, termination)
    study = judge(config, records)
    shown = Exhibited(
        make_gallery(folder, config, study, store),
        rivals_of(Site(folder, config, study, store)),
        data_shown(folder, config, records, store),
    )
    ended.reported.set()
    draw = partial(draw_report, config, folder, shown=shown)
    files = draw(records)
    tracking.on_end(
        contents(files), records, lambda records: contents(draw(records)), files.standings
    )
    note = tracking.close(_TRACKING_TIMEOUT_S)
    # Some trials may have got their runs only now.
    return Ended(folder, store.records(driver_alive=False), files, note, termination)
