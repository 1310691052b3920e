"""Training epochs per hour of the quick start, on one core or one GPU.

Whole epochs of `study.training.training` on the quick start's data and with its settings,
validation included: the first, in which fresh decoders make too many points, and the second, which
stands for all later ones. The plain twins, some steps into their training, take a number of steps
on the same patches; an epoch of theirs is extrapolated from those, without any validation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.measuring import Way, device, measure, on_gpu, take_turns
from benchmarks.members import members, quick_start
from benchmarks.patches import prepared
from benchmarks.step import plain_steps
from study.families.family import family_of
from study.training.training import Training

if TYPE_CHECKING:
    from benchmarks.measuring import Lap, Sample
    from study.config import DataRecipe
    from study.data import DataSet

COHORTS = (1, 8)
"""Alone, and all trials of the quick start together."""


def run(pairs: int) -> bool:
    """Measure and print; there is no bar. The twins take `pairs` steps."""
    data = prepared(recipe())
    steps, epochs = len(data.split("train")), quick_start().training.epochs
    print(
        f"  an epoch: {steps} steps, then {len(data.split('validation'))} patches to validate on; "
        f"times are {'wall' if on_gpu() else 'CPU'} time, in brackets wall time"
    )
    hourly = {}
    for size in COHORTS:
        first, second = epochs_of(data, size)
        trial_s = (first.counted_ms + (epochs - 1) * second.counted_ms) / size / 1e3
        hourly[size] = 3.6e6 * size / second.counted_ms
        print(
            f"  {size} together: first epoch {_seconds(first)}, second {_seconds(second)}: "
            f"{hourly[size]:,.0f} epochs per hour; a trial of {epochs} epochs in {trial_s:.1f} s, "
            "and the time to measure it"
        )
    twins = plain_steps(data)
    turns = take_turns([Way(step.tools.name, step) for step in twins], pairs)
    for place, step in enumerate(twins):
        twin = 3.6e6 / (steps * turns.counted_ms(place))
        ratios = ", ".join(f"ratio {twin / ours:.3f} to {n} together" for n, ours in hourly.items())
        print(
            f"  plain twin, {step.tools.name}: {twin:,.0f} epochs per hour, extrapolated from "
            f"{pairs} steps, without validation: {ratios}"
        )
    return True


def recipe() -> DataRecipe:
    """The quick start's data."""
    return quick_start().data


def epochs_of(data: DataSet, size: int) -> tuple[Sample, Sample]:
    """The first and the second epoch of a cohort."""
    config = quick_start()
    training = Training(
        architecture=family_of(config.family).architecture(config.model),
        members=members(size),
        data=data,
        order_seed=config.seed,
        device=device(),
    )

    def epoch(_: Lap) -> None:
        training.run_epoch()

    way = Way("an epoch", epoch)
    return measure(way), measure(way)


def _seconds(sample: Sample) -> str:
    return f"{sample.counted_ms / 1e3:.1f} s ({sample.wall_ms / 1e3:.1f} s)"
