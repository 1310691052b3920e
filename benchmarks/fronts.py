"""The front of many points with three objectives, and its hypervolume.

Against what a user would take: moocore called directly for a million points, and Optuna's own
functions for as few as they can do. Ours shares the slabs of a large front among the cores; what a
user waits for is wall time, and that is what the bar is about. No GPU takes part.
"""

from __future__ import annotations

import statistics
from functools import partial
from typing import TYPE_CHECKING

import moocore
import numpy as np

from benchmarks.measuring import Way, take_turns
from study.fronts.dominance import nondominated, nondominated_and_volume

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from benchmarks.measuring import Lap

    Points = NDArray[np.float64]

MANY = 1_000_000
FEW = 500
"""For Optuna, whose hypervolume of points that are all on the front soon takes minutes."""
MOST_ROUNDS = 9
"""A round of a million points takes seconds."""
BAR_MS = 1000.0
"""Of wall time: front and hypervolume of MANY points."""
REFERENCE = (1.0, 1.0, 1.0)


def run(pairs: int) -> bool:
    """Measure and print; whether the bar is held for all clouds."""
    held = True
    for name, points in clouds(MANY):
        ours = Way("study", partial(by_study, points))
        moocores = Way("moocore", partial(by_moocore, points))
        turns = take_turns((ours, moocores), min(pairs, MOST_ROUNDS), warm_up=1)
        print(f"  {len(points):,} points, {name}: {nondominated(points).sum():,} on the front")
        print("\n".join(turns.lines()))
        wall_ms = statistics.median(samples[0].wall_ms for samples in turns.rounds)
        held = held and wall_ms <= BAR_MS
        told = "held" if wall_ms <= BAR_MS else "NOT HELD"
        print(f"  bar {BAR_MS:.0f} ms of wall time: {told} ({wall_ms:.0f} ms)")
    for name, points in clouds(FEW):
        ours = Way("study", partial(by_study, points))
        optunas = Way("Optuna", partial(by_optuna, points))
        print(f"  {len(points):,} points, {name}: {nondominated(points).sum():,} on the front")
        print("\n".join(take_turns((ours, optunas), min(pairs, MOST_ROUNDS), warm_up=1).lines()))
    return held


def clouds(count: int) -> Iterator[tuple[str, Points]]:
    """Points within the unit cube of which few, some, and all are on the front."""
    generator = np.random.default_rng(0)
    yield "spread evenly in a cube", generator.random((count, 3))
    directions = np.abs(generator.normal(size=(count, 3)))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    radii = np.cbrt(generator.random((count, 1)))
    yield "spread evenly in a ball", 1.0 - radii * directions
    yield "on a sphere", 1.0 - directions


def by_study(points: Points, _: Lap) -> tuple[NDArray[np.bool_], float]:
    """As `study.fronts.front` would, at once."""
    return nondominated_and_volume(points, REFERENCE)


def by_moocore(points: Points, _: Lap) -> tuple[NDArray[np.bool_], float]:
    """The volume of those on the front only, which is the faster order."""
    mask = moocore.is_nondominated(points, keep_weakly=True)
    return mask, moocore.hypervolume(points[mask], ref=REFERENCE)


def by_optuna(points: Points, _: Lap) -> tuple[NDArray[np.bool_], float]:
    """What `study.best_trials` and its hypervolume plots call."""
    from optuna._hypervolume import compute_hypervolume  # noqa: PLC0415  not for a million
    from optuna.study._multi_objective import _is_pareto_front  # noqa: PLC0415

    mask = _is_pareto_front(points, assume_unique_lexsorted=False)
    return mask, compute_hypervolume(points[mask], np.array(REFERENCE), assume_pareto=True)
