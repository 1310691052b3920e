"""Lets Ray Tune run the cohorts of a study."""

from __future__ import annotations

import uuid
from contextlib import nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from ray import tune
from ray.air._internal import usage
from ray.tune.execution import class_cache

from study.cohorts.cohorts import Cohorts, Settings
from study.cohorts.folders import CohortFolders
from study.driver.interrupts import noted_interrupts
from study.driver.planning import plan
from study.driver.searcher import CohortSearcher, WorkerFailures
from study.driver.stopping import Stop, StopAfterEpochs
from study.driver.termination import COMPLETE, Reason, Termination
from study.halting.budget import Budget
from study.halting.halts import Halts
from study.search.space import baseline, trial_config
from study.storage.database import in_words
from study.workers.storeroom import serving
from study.workers.trainable import COHORT, OPENING, CohortTrainable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from ray.tune.experiment import Trial

    from study.base.records import Observer
    from study.config import Preparation, StudyConfig
    from study.driver.planning import Plan
    from study.storage.folder import StudyFolder
    from study.storage.lease import Lease
    from study.storage.trial_store import TrialStore


# Tune gives its workers an environment of their own, for PyTorch Lightning: then none that Ray has
# started already will do, and each new one is started by a process that imports Ray once more.
class_cache.DEFAULT_ENV_VARS.clear()

# To count which loggers are in use, Tune imports MLflow just when the workers start. The count is
# for Ray's usage statistics, which are off.
usage.tag_callbacks = lambda callbacks: False  # noqa: ARG005 (Tune's name for it)


class Site(NamedTuple):
    """Where a study runs, and with what.

    Attributes:
        folder: the study's.
        store: its trials.
        data: the prepared data set of every preparation that a trial may have.
        lease: this driver's, which another may take.
        joined: whether the cluster was running already. It may grow, so a cohort need not fit yet.
    """

    folder: StudyFolder
    store: TrialStore
    data: Mapping[Preparation, Path]
    lease: Lease
    joined: bool


def run_trials(
    config: StudyConfig,
    site: Site,
    observers: Sequence[Observer],
    tell: Callable[[str], None],
) -> Termination:
    """Run the study's trials, in as many cohorts at once as there is room for.

    Trials that an earlier driver left unfinished go on first.

    Args:
        config: the study.
        site: where it runs, and with what.
        observers: called after each change of a trial.
        tell: shows the user a line on what was measured or decided.

    Returns:
        Why no further trial was begun.

    Raises:
        Stopped: the study is to stop before its end. Its progress is in the store, and in
            checkpoints from which it can be resumed.
        StudyError: Ray was started for this study, and one cohort does not fit.
    """
    make_config = partial(trial_config, config, data_folders=site.data)
    with noted_interrupts() as interrupted, _storeroom(site) as storeroom:
        stop = Stop(config, site.store, site.lease, interrupted, joined=site.joined)
        first = make_config(0, baseline(config))
        planned = plan(
            config, first, joined=site.joined, storeroom=storeroom, tell=tell, look=stop.check
        )
        folders = CohortFolders(site.folder.cohorts)
        longest_s = config.resources.longest_step_s
        settings = Settings(
            planned.size,
            folders,
            site.folder.codecs,
            longest_step_s=None if longest_s == "auto" else longest_s,
            storeroom=storeroom,
        )
        budget, halts = Budget(config), Halts(config)
        cohorts = Cohorts(site.store, make_config, observers, settings, budget=budget, halts=halts)
        searcher = CohortSearcher(cohorts, tell, stop.look)
        leave = StopAfterEpochs(stop, tell)
        try:
            try:
                callbacks = [WorkerFailures(cohorts, tell), leave]
                _keep_to_ourselves(site.folder.ray)
                if not (budget.spent() and cohorts.is_done()):
                    _tuner(planned, site.folder, searcher, callbacks).fit()
            finally:
                leave.close()
                cohorts.settle()
        except Exception as error:
            # Ray wraps the errors of our own code within its loop.
            if told := in_words(error, site.folder.path):
                raise told from error
            raise
        finally:
            with suppress(Exception):  # The hours of a few seconds; the other error matters more.
                stop.note_work()
        enough = budget.spent()
        if enough is None or site.lease.lost.is_set():
            stop.check()
        folders.forget()
    return COMPLETE if enough is None else Termination(Reason.BUDGET_SPENT, enough)


def _storeroom(site: Site) -> AbstractContextManager[str | None]:
    """Serve the study's folder to workers that may not see it: those of a Ray that was joined."""
    if not site.joined:
        return nullcontext()
    return serving(site.folder.path, site.folder.cohorts, site.data.values())


def _keep_to_ourselves(folder: Path) -> None:
    """Let nobody else into the folder where Tune writes what it unpickles: errors of workers."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if not folder.is_symlink():  # What a link leads to is not ours to shut.
        with suppress(PermissionError):  # Another user's, who has let us in.
            folder.chmod(0o700)


def _tuner(
    planned: Plan,
    folder: StudyFolder,
    searcher: CohortSearcher,
    callbacks: list[tune.Callback],
) -> tune.Tuner:
    return tune.Tuner(
        tune.with_resources(CohortTrainable, dict(planned.resources)),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            num_samples=-1,  # The searcher says when it is enough.
            max_concurrent_trials=planned.at_once,
            reuse_actors=True,
            trial_name_creator=_cohort_name,
            trial_dirname_creator=_cohort_name,
        ),
        run_config=tune.RunConfig(
            # Each driver's own: Ray would take another's files for its own unfinished business.
            name=f"driver-{uuid.uuid4().hex[:8]}",
            storage_path=str(folder.ray),
            verbose=0,
            # A cohort whose worker is lost is handed out again by the searcher, as after a restart.
            failure_config=tune.FailureConfig(max_failures=0),
            # Workers write their own checkpoints.
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            callbacks=callbacks,
        ),
    )


def _cohort_name(trial: Trial) -> str:
    return f"cohort-{trial.config[COHORT]:04d}-{trial.config[OPENING]:03d}"
