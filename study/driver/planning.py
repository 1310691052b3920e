"""How a study's trials are spread over processors and GPUs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import ray

from study.base.errors import StudyError
from study.driver.cluster import machines_there, resources_here
from study.driver.sizing import cohort_size

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from study.config import ResourcesSection, StudyConfig, TrialConfig

_SINGLE_TRIALS_PER_GPU = 4
"""Most cohorts of one trial that share a GPU by default. Sharing beyond the gaps between one
trial's small operations only slows all of them down."""


@dataclass(frozen=True)
class Plan:
    """How cohorts run.

    Attributes:
        resources: CPUs and GPUs of one.
        at_once: how many run at once.
        size: most trials in one.
    """

    resources: Mapping[str, float]
    at_once: int
    size: int


def check_machine(wanted: ResourcesSection) -> None:
    """Refuse cohorts that do not fit this machine, without starting Ray on it.

    Raises:
        StudyError: one cohort does not fit.
    """
    here = resources_here()
    check_fit(resources_per_cohort(wanted, here), here)


def plan(
    config: StudyConfig,
    first: TrialConfig,
    *,
    joined: bool,
    storeroom: str | None = None,
    tell: Callable[[str], None],
    look: Callable[[], None],
) -> Plan:
    """Decide how many trials a cohort holds, what one takes, and how many run at once.

    Args:
        config: the study.
        first: its first trial.
        joined: whether the cluster was running already. It may grow, so a cohort need not fit yet.
        storeroom: serves the driver's disk to workers that do not see it.
        tell: shows the user a line on what was measured, if anything was.
        look: called repeatedly during a measurement; may raise.

    Raises:
        StudyError: Ray was started for this study, and one cohort does not fit.
    """
    there, each = ray.cluster_resources(), machines_there()
    resources = resources_per_cohort(config.resources, there)
    if not joined:
        check_fit(resources, there)
    elif not room(resources, each):
        tell(waiting_for(resources, each))
    at_once = slots(config.resources, resources, each, joined=joined)
    size = cohort_size(
        config,
        first,
        at_once=at_once,
        resources=resources,
        storeroom=storeroom,
        tell=tell,
        look=look,
    )
    if size == 1:  # Then several may share a GPU.
        alone = config.resources.model_copy(update={"cohort": 1})
        resources = resources_per_cohort(alone, there)
        at_once = slots(alone, resources, each, joined=joined)
    return Plan(resources, at_once, size)


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
    machines: Sequence[Mapping[str, float]],
    *,
    joined: bool,
) -> int:
    """Return how many cohorts run at once; on a joined cluster, which may grow, some may wait."""
    there = room(per_cohort, machines)
    if joined:
        return max(1, there) if wanted.concurrent_cohorts == "auto" else wanted.concurrent_cohorts
    return there if wanted.concurrent_cohorts == "auto" else min(there, wanted.concurrent_cohorts)


def room(per_cohort: Mapping[str, float], machines: Sequence[Mapping[str, float]]) -> int:
    """Return how many cohorts the machines hold, each of them on one."""
    asked = {name.upper(): amount for name, amount in per_cohort.items() if amount > 0}
    return sum(
        min(int(machine.get(name, 0.0) / amount) for name, amount in asked.items())
        for machine in machines
    )


def waiting_for(per_cohort: Mapping[str, float], machines: Sequence[Mapping[str, float]]) -> str:
    """Say that no machine of a joined cluster can hold a cohort, and what would."""
    asked = " and ".join(
        f"resources.{name}s_per_cohort asks for {amount:g} (most on one machine: "
        f"{max((machine.get(name.upper(), 0.0) for machine in machines), default=0.0):g})"
        for name, amount in per_cohort.items()
        if amount > 0
    )
    return (
        f"no machine of the cluster has room for a cohort yet: {asked}; trials begin when one "
        "joins that has, or stop this with Ctrl-C and ask for less"
    )
