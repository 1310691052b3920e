"""Lets Ray Tune run the cohorts of a study."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import ray
from ray import tune
from ray.tune import Callback

from study.cluster import Stopped
from study.cohorts import Cohorts
from study.errors import StudyError
from study.interrupts import noted_interrupts
from study.orders import OrderDesk
from study.search import CohortNotes, CohortSearcher
from study.sizing import cohort_size
from study.space import baseline, trial_config
from study.trainable import COHORT, CodecTrainable

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ray.tune.experiment import Trial

    from study.cohorts import Observer
    from study.config import Preparation, ResourcesSection, StudyConfig, TrialConfig
    from study.folder import StudyFolder
    from study.storage import TrialStore
    from study.trainable import CohortTrainable

_MAX_FAILURES = 2
"""How often a cohort whose worker crashed or was lost goes on from its last checkpoint."""

_SAVING_S = 2.0
"""How long an interrupt waits for checkpoints that are being written."""

_SINGLE_TRIALS_PER_GPU = 4
"""Most cohorts of one trial that share a GPU by default. Sharing beyond the gaps between one
trial's small operations only slows all of them down."""


@dataclass(frozen=True)
class _Plan:
    """What a cohort takes and holds, and how many run at once."""

    resources: Mapping[str, float]
    at_once: int
    size: int


class StopBetweenSteps(Callback):
    """Ends Tune's loop once an event is set, where nothing is half-written.

    Tune's own way out writes snapshots that nobody reads here, and hangs for a minute when Ray was
    stopped by the same signal.
    """

    def __init__(self, event: threading.Event) -> None:
        self._event = event
        self._latest_s: float | None = None

    def __getstate__(self) -> dict[str, object]:
        """Give Ray's pickle nothing, as in `CohortSearcher`."""
        return {}

    def on_step_begin(
        self,
        iteration: int,  # noqa: ARG002 (Ray's signature)
        trials: Sequence[Trial],
        **info: object,  # noqa: ARG002
    ) -> None:
        """Leave, but let an epoch that was just reported have its checkpoint."""
        if not self._event.is_set():
            return
        if self._latest_s is None:
            self._latest_s = time.monotonic() + _SAVING_S
        if time.monotonic() > self._latest_s or not any(trial.is_saving for trial in trials):
            raise Stopped


def run_trials(
    config: StudyConfig,
    folder: StudyFolder,
    store: TrialStore,
    data: Mapping[Preparation, Path],
    observers: Sequence[Observer],
    trainable: type[CohortTrainable] | None,
    *,
    joined: bool,
    tell: Callable[[str], None],
) -> None:
    """Run the study's trials, in as many cohorts at once as there is room for.

    Args:
        config: the study.
        folder: where Tune keeps its files.
        store: asked for each trial's settings, and told what becomes of it.
        data: the prepared data set of every geometry that a trial may have.
        observers: who is shown each change of a trial.
        trainable: what a cohort does; None trains codecs.
        joined: whether the cluster was running already. It may grow, so a cohort need not fit yet.
        tell: given a line where something was measured or decided that the user would ask about.

    Raises:
        Stopped: the study was interrupted (Ctrl-C). The trials that ran are left unfinished in the
            store, with every epoch that they finished.
        StudyError: Ray was started for this study, and one cohort does not fit.
    """
    make_config = partial(trial_config, config, data_folders=data)
    does = trainable or CodecTrainable
    with noted_interrupts() as interrupted, OrderDesk(f"orders-{store.identity}") as desk:
        first = make_config(0, baseline(config))
        plan = _plan(config, first, does, joined=joined, tell=tell, interrupted=interrupted)
        cohorts = Cohorts(
            store,
            make_config,
            observers,
            trials=config.search.trials,
            size=plan.size,
            orders=desk.name,
        )
        tuner = tune.Tuner(
            tune.with_resources(does, dict(plan.resources)),
            tune_config=tune.TuneConfig(
                search_alg=CohortSearcher(cohorts, desk),
                num_samples=config.search.trials,  # At most: each cohort holds one or more.
                max_concurrent_trials=plan.at_once,
                reuse_actors=True,
                trial_name_creator=_cohort_name,
                trial_dirname_creator=_cohort_name,
            ),
            run_config=tune.RunConfig(
                name=folder.ray.name,
                storage_path=str(folder.ray.parent),
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=_MAX_FAILURES),
                checkpoint_config=tune.CheckpointConfig(num_to_keep=1, checkpoint_frequency=1),
                callbacks=[CohortNotes(cohorts), StopBetweenSteps(interrupted)],
            ),
        )
        try:
            tuner.fit()
        finally:
            cohorts.settle()


def _plan(
    config: StudyConfig,
    first: TrialConfig,
    trainable: type[CohortTrainable],
    *,
    joined: bool,
    tell: Callable[[str], None],
    interrupted: threading.Event,
) -> _Plan:
    """Decide how the study's trials are spread over what there is."""

    def look() -> None:
        if interrupted.is_set():
            raise Stopped

    there = ray.cluster_resources()
    resources = resources_per_cohort(config.resources, there)
    if not joined:
        check_fit(resources, there)
    at_once = slots(config.resources, resources, there, joined=joined)
    size = cohort_size(
        config, first, trainable, at_once=at_once, resources=resources, tell=tell, look=look
    )
    if size == 1:  # Then several may share a GPU.
        alone = config.resources.model_copy(update={"cohort": 1})
        resources = resources_per_cohort(alone, there)
        at_once = slots(alone, resources, there, joined=joined)
    return _Plan(resources, at_once, size)


def resources_per_cohort(
    wanted: ResourcesSection, cluster: Mapping[str, float]
) -> dict[str, float]:
    """Return the CPUs and GPUs of one cohort."""
    gpus = wanted.gpus_per_cohort
    if gpus == "auto":
        share = 1 / _SINGLE_TRIALS_PER_GPU if wanted.cohort == 1 else 1.0
        gpus = share if cluster.get("GPU", 0.0) else 0.0
    return {"cpu": float(wanted.cpus_per_cohort), "gpu": gpus}


def check_fit(per_cohort: Mapping[str, float], cluster: Mapping[str, float]) -> None:
    """Raise StudyError if the cluster is smaller than one cohort."""
    for name, amount in per_cohort.items():
        there = cluster.get(name.upper(), 0.0)
        if amount > there:
            message = (
                f"one cohort must fit the machine, but resources.{name}s_per_cohort asks for "
                f"{amount:g} and there are {there:g}; ask for less"
            )
            raise StudyError(message)


def slots(
    wanted: ResourcesSection,
    per_cohort: Mapping[str, float],
    cluster: Mapping[str, float],
    *,
    joined: bool,
) -> int:
    """Return how many cohorts run at once; on a joined cluster, which may grow, some may wait."""
    room = min(
        int(cluster.get(name.upper(), 0.0) / amount)
        for name, amount in per_cohort.items()
        if amount > 0
    )
    if joined:
        return max(1, room) if wanted.concurrent_cohorts == "auto" else wanted.concurrent_cohorts
    return room if wanted.concurrent_cohorts == "auto" else min(room, wanted.concurrent_cohorts)


def _cohort_name(trial: Trial) -> str:
    return f"cohort-{trial.config[COHORT]:04d}"
