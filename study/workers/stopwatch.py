"""How long a training step of a cohort takes, by the number of trials in it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from study.data import open_data_set
from study.training.feeding import Feed
from study.training.memory import is_out_of_memory
from study.training.population import Population, fresh_states

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from model.patches import PatchBatch
    from study.config import TrialConfig
    from study.training.members import Member

_STEPS = 4
"""Batches whose steps are timed, after one that waits for pages, caches and compilers."""

_PASSES = 2
"""A batch's time is the least of so many: whatever else the machine does only makes it longer."""


def stopwatch(trial: TrialConfig, member: Member, device: str) -> Callable[[int], float | None]:
    """Return what measures the seconds of a step of a population of so many trials.

    All sizes are measured on the same batches, the first that a study trains on.

    Args:
        trial: its architecture, data and threads.
        member: what the population is made of, over and over.
        device: "cpu" or "cuda".
    """
    torch.set_num_threads(trial.threads)
    feed = Feed(
        open_data_set(Path(trial.data_folder)),
        trial.training.patches_per_step,
        trial.seed,
        device,
    )
    plan = feed.plan(0)[: 1 + _STEPS]
    batches, latents = list(feed.batches(plan)), [feed.latents(numbers) for numbers in plan]
    model = trial.model.build()

    def step_s(size: int) -> float | None:
        try:
            population = Population(model, fresh_states(model, [member] * size, device), device)
            population.begin_epoch(0)
            passes = [_pass(population, batches, latents, device) for _ in range(_PASSES)]
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
    batches: Sequence[PatchBatch],
    latents: Sequence[tuple[int, int]],
    device: str,
) -> list[float]:
    """Seconds of a step on each batch."""
    population.draw_noise(latents)
    seconds = []
    for batch in batches:
        started = time.perf_counter()
        population.step(batch)
        if device != "cpu":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return seconds
