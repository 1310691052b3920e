"""Lets Ray Tune run the trials of a study."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import ray
from ray import tune

from study.errors import StudyError
from study.search import AskTellSearcher, FailureNotes
from study.space import trial_config
from study.trainable import CodecTrainable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ray.tune.experiment import Trial

    from study.config import ResourcesSection, StudyConfig
    from study.folder import StudyFolder
    from study.search import Observer
    from study.storage import TrialStore
    from study.trainable import TrialTrainable

_MAX_FAILURES = 2
"""How often a trial whose worker crashed or was lost goes on from its last checkpoint."""

_TRIALS_PER_GPU = 4
"""Most trials that share a GPU by default. Sharing beyond the gaps between one trial's small
operations only slows all of them down."""


def run_trials(
    config: StudyConfig,
    folder: StudyFolder,
    store: TrialStore,
    data: Path,
    observers: Sequence[Observer],
    trainable: type[TrialTrainable] | None,
) -> None:
    """Run the study's trials, as many at once as there is room for.

    An interrupt (Ctrl-C) makes this return early; the trials that ran are left unfinished in the
    store, with every epoch that they finished.
    """
    resources = resources_per_trial(config.resources, ray.cluster_resources())
    searcher = AskTellSearcher(
        store, partial(trial_config, config, data_folder=str(data)), observers
    )
    tune.Tuner(
        tune.with_resources(trainable or CodecTrainable, resources),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            num_samples=config.search.trials,
            max_concurrent_trials=slots(config.resources, resources, ray.cluster_resources()),
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
            callbacks=[FailureNotes(store, observers)],
        ),
    ).fit()


def resources_per_trial(wanted: ResourcesSection, cluster: Mapping[str, float]) -> dict[str, float]:
    """Return the CPUs and GPUs of one trial.

    Raises:
        StudyError: the cluster is smaller than one trial.
    """
    gpus = wanted.gpus_per_trial
    if gpus == "auto":
        gpus = 1 / _TRIALS_PER_GPU if cluster.get("GPU", 0.0) else 0.0
    needed = {"cpu": float(wanted.cpus_per_trial), "gpu": gpus}
    for name, amount in needed.items():
        there = cluster.get(name.upper(), 0.0)
        if amount > there:
            message = (
                f"one trial must fit the machine, but resources.{name}s_per_trial asks for "
                f"{amount:g} and there are {there:g}; ask for less"
            )
            raise StudyError(message)
    return needed


def slots(
    wanted: ResourcesSection, per_trial: Mapping[str, float], cluster: Mapping[str, float]
) -> int:
    """Return how many trials run at once."""
    room = min(
        int(cluster[name.upper()] / amount) for name, amount in per_trial.items() if amount > 0
    )
    return room if wanted.concurrent_trials == "auto" else min(room, wanted.concurrent_trials)


def _trial_name(trial: Trial) -> str:
    return f"trial-{trial.config['trial']:04d}"
