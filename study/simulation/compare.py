"""Runs many simulated studies, and says how soon each strategy is as good as the yardstick."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import TYPE_CHECKING

import numpy as np

from study.base.children import child_variables, environment
from study.base.errors import StudyError
from study.config.derived import asked_metrics
from study.fronts.measures import estimate_name
from study.simulation.clock import Course, simulate
from study.simulation.strategies import YARDSTICK, variant
from study.simulation.surrogate import Surrogate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from study.config import StudyConfig
    from study.simulation.recording import Recording
    from study.simulation.strategies import Strategy

QUARTILES = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class Plan:
    """What is simulated.

    Attributes:
        base: the study that strategies are variants of.
        strategies: the yardstick first.
        epochs: how many each study may spend.
        seeds: how many studies of each strategy.
        workers: cohorts that train at once.
        size: trials in a cohort.
    """

    base: StudyConfig
    strategies: Sequence[Strategy]
    epochs: int
    seeds: int
    workers: int
    size: int


@dataclass(frozen=True)
class Result:
    """What became of one strategy.

    Attributes:
        strategy: which one.
        courses: those of its studies, by seed.
        volumes: (seeds, epochs + 1), the hypervolume by the number of epochs spent.
        reached: (seeds,), epochs after which each study was as good as the target; inf: never.
    """

    strategy: Strategy
    courses: tuple[Course, ...]
    volumes: NDArray[np.float64]
    reached: NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """What became of all strategies.

    Attributes:
        plan: what was simulated.
        target: the hypervolume that half of the yardstick's studies have reached at their end.
        results: the yardstick first.
    """

    plan: Plan
    target: float
    results: tuple[Result, ...]


def surrogate_of(recording: Recording, base: StudyConfig) -> Surrogate:
    """Return a surrogate for all metrics that a study reads.

    Raises:
        StudyError: an objective or a constraint was not recorded.
    """
    measured = asked_metrics(base)
    there = recording.trials[0].final
    for name in measured:
        if name not in there:
            raise StudyError(
                f"objectives and constraints must have been recorded, but {name} was not; there "
                f"are {', '.join(there)}"
            )
    estimates = [estimate for name in measured if (estimate := estimate_name(name)) is not None]
    return Surrogate(recording, [*measured, *estimates])


def compare(
    plan: Plan,
    surrogate: Surrogate,
    on_progress: Callable[[int, int], None],
    *,
    processes: int | None = None,
) -> Comparison:
    """Simulate all strategies with all seeds.

    Args:
        plan: what to simulate.
        surrogate: gives the learning curves of trials.
        on_progress: called with the numbers of studies done and in all.
        processes: how many simulate at once; None: one for each processor.

    Raises:
        StudyError: a strategy cannot be simulated.
    """
    studies = [
        variant(plan.base, strategy, epochs=plan.epochs, seed=seed)
        for strategy in plan.strategies
        for seed in range(plan.seeds)
    ]
    courses: dict[int, Course] = {}
    at_once = min(len(studies), processes or os.cpu_count() or 1)
    for number, course in _courses(
        studies, _Simulator(surrogate, plan.workers, plan.size), at_once
    ):
        courses[number] = course
        on_progress(len(courses), len(studies))
    by_strategy = [
        tuple(courses[first + seed] for seed in range(plan.seeds))
        for first in range(0, len(studies), plan.seeds)
    ]
    assert plan.strategies[0] == YARDSTICK
    volumes = [np.array([volume_by_epoch(each, plan.epochs) for each in of]) for of in by_strategy]
    target = float(np.median(volumes[0][:, -1]))
    return Comparison(
        plan,
        target,
        tuple(
            Result(strategy, of, each, np.array([reaches(row, target) for row in each]))
            for strategy, of, each in zip(plan.strategies, by_strategy, volumes, strict=True)
        ),
    )


def volume_by_epoch(course: Course, epochs: int) -> NDArray[np.float64]:
    """Return the hypervolume after 0, 1, ... `epochs` epochs were spent, (epochs + 1,)."""
    at = np.array([moment.epochs for moment in course.moments])
    volumes = np.array([0.0, *(moment.hypervolume for moment in course.moments)])
    return volumes[np.searchsorted(at, np.arange(epochs + 1), side="right")]


def reaches(volumes: NDArray[np.float64], target: float) -> float:
    """Return after how many epochs a hypervolume is first as large as the target; inf: never."""
    enough = np.flatnonzero(volumes >= target)
    return float(enough[0]) if len(enough) else float("inf")


def quantile(values: NDArray[np.float64], share: float) -> float:
    """Return the least value that at least this share of all values does not exceed, or inf."""
    return float(np.quantile(values, share, method="inverted_cdf"))


@dataclass(frozen=True)
class _Simulator:
    surrogate: Surrogate
    workers: int
    size: int

    def __call__(self, numbered: tuple[int, StudyConfig]) -> tuple[int, Course]:
        number, config = numbered
        course = simulate(config, self.surrogate, workers=self.workers, size=self.size)
        return number, replace(course, records=())


def _courses(
    studies: Sequence[StudyConfig], simulator: _Simulator, at_once: int
) -> Iterator[tuple[int, Course]]:
    """Simulate in several processes, and yield each study when it is done."""
    if at_once == 1:
        yield from map(simulator, enumerate(studies))
        return
    # Not forked from this process, which may have threads: a fork would lack them.
    context = get_context("forkserver")
    context.set_forkserver_preload(["study.simulation.clock"])
    with environment(child_variables()):
        processes = context.Pool(at_once, initializer=_begin_process)
    with processes as pool:
        yield from pool.imap_unordered(simulator, enumerate(studies))


def _begin_process() -> None:
    # Ctrl-C goes to all processes of the terminal; the first one ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Each has a processor of its own: a sampler with threads would take the others'.
    os.environ["OMP_NUM_THREADS"] = "1"
