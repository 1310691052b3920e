"""How long a training step of a cohort takes, by the number of trials in it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from study.data import open_data_set
from study.training.feeding import Feed
from study.training.members import member_of
from study.training.memory import is_out_of_memory
from study.training.population import Population, fresh_states

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from study.config import TrialConfig
    from study.training.architecture import Architecture, Batch

_STEPS = 4
"""Batches whose steps are timed, after one that waits for pages, caches and compilers."""

_PASSES = 2
"""A batch's time is the least of so many: whatever else the machine does only makes it longer."""


def stopwatch(
    architecture: Architecture, trial: TrialConfig, device: str
) -> Callable[[int], float | None]:
    """Return what measures the seconds of a step of a population of so many trials.

    All sizes are measured on the same batches, the first that a study trains on.

    Args:
        architecture: of the population.
        trial: what it is made of, over and over; its data and threads.
        device: "cpu" or "cuda".
    """
    torch.set_num_threads(trial.threads)
    member = member_of(trial)
    feed = Feed(
        architecture,
        open_data_set(Path(trial.data_folder), architecture.form),
        trial.training.patches_per_step,
        trial.seed,
        device,
    )
    plan = feed.plan(0)[: 1 + _STEPS]
    batches, shapes = list(feed.batches(plan)), [feed.noise_shape(numbers) for numbers in plan]

    def step_s(size: int) -> float | None:
        try:
            states = fresh_states(architecture, [member] * size, device)
            population = Population(architecture, states, device)
            population.begin_epoch(0)
            passes = [_pass(population, batches, shapes, device) for _ in range(_PASSES)]
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            return None
        least: list[float] = [min(times) for times in zip(*passes, strict=True)]
        timed = least[1:] or least
        return sum(timed) / len(timed)

    return step_s


def _pass(
    population: Population,
    batches: Sequence[Batch],
    shapes: Sequence[tuple[int, ...]],
    device: str,
) -> list[float]:
    """Seconds of a step on each batch."""
    population.draw_noise(shapes)
    seconds = []
    for batch in batches:
        started = time.perf_counter()
        population.step(batch)
        if device != "cpu":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return seconds
