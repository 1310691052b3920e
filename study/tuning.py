"""Lets Ray Tune run the trials of a study."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import ray
from ray import tune
from ray.tune import Callback

from study.cluster import Stopped
from study.errors import StudyError
from study.interrupts import noted_interrupts
from study.search import AskTellSearcher, FailureNotes
from study.space import trial_config
from study.trainable import CodecTrainable

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ray.tune.experiment import Trial

    from study.config import Geometry, ResourcesSection, StudyConfig
    from study.folder import StudyFolder
    from study.search import Observer
    from study.storage import TrialStore
    from study.trainable import TrialTrainable

_MAX_FAILURES = 2
"""How often a trial whose worker crashed or was lost goes on from its last checkpoint."""

_SAVING_S = 2.0
"""How long an interrupt waits for checkpoints that are being written."""

_TRIALS_PER_GPU = 4
"""Most trials that share a GPU by default. Sharing beyond the gaps between one trial's small
operations only slows all of them down."""


class StopBetweenSteps(Callback):
    """Ends Tune's loop once an event is set, where nothing is half-written.

    Tune's own way out writes snapshots that nobody reads here, and hangs for a minute when Ray was
    stopped by the same signal.
    """

    def __init__(self, event: threading.Event) -> None:
        self._event = event
        self._latest_s: float | None = None

    def __getstate__(self) -> dict[str, object]:
        """Give Ray's pickle nothing, as in `AskTellSearcher`."""
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
    data: Mapping[Geometry, Path],
    observers: Sequence[Observer],
    trainable: type[TrialTrainable] | None,
    *,
    joined: bool,
) -> None:
    """Run the study's trials, as many at once as there is room for.

    Args:
        config: the study.
        folder: where Tune keeps its files.
        store: asked for each trial's settings, and told what becomes of it.
        data: the prepared data set of every geometry that a trial may have.
        observers: who is shown each change of a trial.
        trainable: what a trial does; None trains the codec.
        joined: whether the cluster was running already. It may grow, so a trial need not fit yet.

    Raises:
        Stopped: the study was interrupted (Ctrl-C). The trials that ran are left unfinished in the
            store, with every epoch that they finished.
        StudyError: Ray was started for this study, and one trial does not fit.
    """
    there = ray.cluster_resources()
    resources = resources_per_trial(config.resources, there)
    if joined:
        at_once = slots_when_joined(config.resources, resources, there)
    else:
        check_fit(resources, there)
        at_once = slots(config.resources, resources, there)
    make_config = partial(trial_config, config, data_folders=data)
    with noted_interrupts() as interrupted:
        tune.Tuner(
            tune.with_resources(trainable or CodecTrainable, resources),
            tune_config=tune.TuneConfig(
                search_alg=AskTellSearcher(store, make_config, observers),
                num_samples=config.search.trials,
                max_concurrent_trials=at_once,
                reuse_actors=True,
                trial_name_creator=_trial_name,
                trial_dirname_creator=_trial_name,
            ),
            run_config=tune.RunConfig(
                name=folder.ray.name,
                storage_path=str(folder.ray.parent),
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=_MAX_FAILURES),
                checkpoint_config=tune.CheckpointConfig(num_to_keep=1, checkpoint_frequency=1),
                callbacks=[FailureNotes(store, observers), StopBetweenSteps(interrupted)],
            ),
        ).fit()


def resources_per_trial(wanted: ResourcesSection, cluster: Mapping[str, float]) -> dict[str, float]:
    """Return the CPUs and GPUs of one trial."""
    gpus = wanted.gpus_per_trial
    if gpus == "auto":
        gpus = 1 / _TRIALS_PER_GPU if cluster.get("GPU", 0.0) else 0.0
    return {"cpu": float(wanted.cpus_per_trial), "gpu": gpus}


def check_fit(per_trial: Mapping[str, float], cluster: Mapping[str, float]) -> None:
    """Raise StudyError if the cluster is smaller than one trial."""
    for name, amount in per_trial.items():
        there = cluster.get(name.upper(), 0.0)
        if amount > there:
            message = (
                f"one trial must fit the machine, but resources.{name}s_per_trial asks for "
                f"{amount:g} and there are {there:g}; ask for less"
            )
            raise StudyError(message)


def slots(
    wanted: ResourcesSection, per_trial: Mapping[str, float], cluster: Mapping[str, float]
) -> int:
    """Return how many trials run at once on a machine that stays as it is."""
    room = _room(per_trial, cluster)
    return room if wanted.concurrent_trials == "auto" else min(room, wanted.concurrent_trials)


def slots_when_joined(
    wanted: ResourcesSection, per_trial: Mapping[str, float], cluster: Mapping[str, float]
) -> int:
    """Return how many trials run, or wait for a machine, at once on a cluster that may grow."""
    if wanted.concurrent_trials == "auto":
        return max(1, _room(per_trial, cluster))
    return wanted.concurrent_trials


def _room(per_trial: Mapping[str, float], cluster: Mapping[str, float]) -> int:
    return min(
        int(cluster.get(name.upper(), 0.0) / amount)
        for name, amount in per_trial.items()
        if amount > 0
    )


def _trial_name(trial: Trial) -> str:
    return f"trial-{trial.config['trial']:04d}"
