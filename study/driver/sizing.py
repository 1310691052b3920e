"""The size of cohorts: as the study file has it, or as measured once on this machine.

A measurement takes a worker, so its result is kept beside the studies, under what it depends on.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import ray
from ray.exceptions import RayError

from study.base.machine import processor_name
from study.cohorts.pace import Tried, even_size, learning_size, try_sizes
from study.config import TrialConfig
from study.data.version import code_version
from study.families.family import family_of
from study.workers.places import data_here
from study.workers.trainable import device_of_worker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from study.config import StudyConfig

FILE_NAME = "cohort-sizes.json"
"""In the root of all studies."""

_LONGEST_STEP_S = 0.5
"""No population is tried that is larger than one whose step takes longer: ten steps are timed of
each. A step of one trial takes a fifth of it on a processor core, and milliseconds on a GPU."""

UNKNOWN_GPU = "GPU"
"""A GPU that is not there yet, or that Ray cannot name: no measurement of it is kept."""

_LOOK_EVERY_S = 0.2
_GPU_PREFIX = "accelerator_type:"


@dataclass(frozen=True)
class Situation:
    """What the best size depends on, besides the code."""

    device: str
    threads: int
    trial: TrialConfig

    @property
    def key(self) -> str:
        """A name for it that can be read, and that no other situation has."""
        shape = self.trial.shape
        facts = {
            "data": Path(shape.data_folder).name,
            "family": shape.family,
            "model": shape.model.model_dump(mode="json"),
            "patches_per_step": shape.patches_per_step,
            "code": code_version(),
        }
        digest = sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        return f"{self.device}, {threads}, {digest}"


def cohort_size(
    config: StudyConfig,
    trial: TrialConfig,
    *,
    at_once: int,
    resources: Mapping[str, float],
    storeroom: str | None = None,
    tell: Callable[[str], None],
    look: Callable[[], None],
) -> int:
    """Return how many trials a cohort of this study holds.

    Args:
        config: the study.
        trial: its first trial.
        at_once: how many run at once.
        resources: CPUs and GPUs of one.
        storeroom: serves the driver's disk to workers that do not see it.
        tell: shows the user a line on what was measured, if anything was.
        look: called repeatedly during a measurement; may raise.
    """
    trials = config.search.trials
    if config.resources.cohort != "auto":
        return even_size(trials, config.resources.cohort, at_once)
    most = learning_size(trials, at_once)
    if most == 1:
        return 1
    device = device_name(ray.cluster_resources(), gpu=resources["gpu"] > 0)
    situation = Situation(device, trial.threads, trial)
    file = Path(config.root).resolve() / FILE_NAME
    tried = None if device == UNKNOWN_GPU else read_sizes(file).get(situation.key)
    if tried is None or not tried.says(most):
        try:
            tried = _measure(trial, most, resources, look, storeroom)
        except RayError as error:
            why = (str(error).strip().splitlines() or ["no reason given"])[-1]
            tell(f"trials train one by one, for no cohort could be measured: {why}")
            return 1
        if device != UNKNOWN_GPU:
            write_size(file, situation.key, tried)
        tell(told(situation.device, tried))
    return even_size(trials, min(tried.best, most), at_once)


def told(device: str, tried: Tried) -> str:
    """Say in one line what was measured."""
    if len(tried.seconds) < 2:
        return (
            f"trials train one by one on {device}: two at once do not fit into its memory, or "
            "their steps would take too long to be tried"
        )
    if tried.best == 1:
        return f"trials train one by one on {device}, which is measured to be as fast as together"
    gain = tried.best * tried.seconds[1] / tried.seconds[tried.best]
    return (
        f"{tried.best} trials train together on {device}, which is measured to be {gain:.1f} times "
        "as fast as one by one"
    )


def device_name(cluster: Mapping[str, float], *, gpu: bool) -> str:
    """Return what kind of processor cohorts run on; all kinds of GPU of a mixed cluster."""
    if gpu:
        kinds = sorted(
            name.removeprefix(_GPU_PREFIX) for name in cluster if name.startswith(_GPU_PREFIX)
        )
        return " and ".join(kinds) or UNKNOWN_GPU
    return f"{processor_name()}, {os.cpu_count()} cores"


def read_sizes(file: Path) -> dict[str, Tried]:
    """Return what was measured before; what cannot be read was not."""
    found = {}
    try:
        held = json.loads(file.read_text(encoding="utf-8"))
        for key, entry in held.items():
            seconds = {int(size): float(taken) for size, taken in entry["seconds"].items()}
            tried = Tried(seconds, int(entry["best"]), bool(entry["ended"]))
            if tried.best >= 1 and (tried.best in seconds or tried.ended):
                found[str(key)] = tried
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return found
    return found


def write_size(file: Path, key: str, tried: Tried) -> None:
    """Add what was measured; a file that cannot be written costs another measurement, no more."""
    held = {known: asdict(entry) for known, entry in read_sizes(file).items()}
    text = json.dumps({**held, key: asdict(tried)}, indent=2)
    partial = file.with_suffix(f".{os.getpid()}.partial")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text + "\n", encoding="utf-8")
        partial.replace(file)
    except OSError:
        partial.unlink(missing_ok=True)


def _measure(
    trial: TrialConfig,
    most: int,
    resources: Mapping[str, float],
    look: Callable[[], None],
    storeroom: str | None,
) -> Tried:
    """Try sizes in a worker with a cohort's resources."""
    task = ray.remote(_try_in_worker).options(
        num_cpus=resources["cpu"], num_gpus=resources["gpu"], max_retries=1
    )
    found = task.remote(trial.model_dump_json(), most, storeroom)
    look()
    while not ray.wait([found], timeout=_LOOK_EVERY_S)[0]:
        look()
    tried: Tried = ray.get(found)
    return tried


def _try_in_worker(text: str, most: int, storeroom: str | None) -> Tried:
    trial = TrialConfig.model_validate_json(text)
    folder = data_here(trial.data_folder, storeroom)
    trial = trial.model_copy(update={"data_folder": folder})
    step_s = family_of(trial.family).stopwatch(trial, device_of_worker())
    return try_sizes(step_s, most, _LONGEST_STEP_S)
