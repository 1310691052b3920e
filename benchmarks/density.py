"""The density metric of two clouds, against a k-d tree asked for a hundred neighbours.

The clouds lie on a closed surface, once as they are, once with the decoded one on a lattice so
coarse that most of its points are equal, and once in the whole cube, where neighbours are few.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import plain_density
from benchmarks.measuring import Bar, Way, take_turns
from study.metrics import density_metric

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from benchmarks.measuring import Lap

    Pair = tuple[NDArray[np.float64], NDArray[np.float64]]

SIZES = {8_192: 9, 1_000_000: 2}
"""Points to the most rounds: one of a million points takes the tree a minute."""
BARS = {1_000_000: 4.0}
"""By points: how many times as fast it is to be, in each case."""
STEPS = 64
"""Of the coarse lattice, along a side of 1."""


def run(pairs: int) -> bool:
    """Measure and print; whether the bars held."""
    held = True
    for points, most_rounds in SIZES.items():
        for name, pair in clouds(points):
            ways = (Way("study", partial(_ours, pair)), Way("tree", partial(_plain, pair)))
            turns = take_turns(ways, max(2, min(pairs, most_rounds)), warm_up=int(points < 100_000))
            print(f"  {points:,} points, {name}")
            print("\n".join(turns.lines()))
            if points in BARS:
                bar = Bar(name, BARS[points], 1 / turns.ratio(0, 1).median)
                print(f"  {bar}")
                held = held and bar.held
    return held


def clouds(points: int) -> Iterator[tuple[str, Pair]]:
    """An original and a decoded cloud of each kind, of so many points each."""
    first, second = _surface(points, 0), _surface(points, 1)
    yield "a surface", (first, second)
    yield "a surface, decoded on a coarse lattice", (first, np.round(first * STEPS) / STEPS)
    spread = np.random.default_rng(2).uniform(-1, 1, (points, 3))
    yield "spread in a cube", (spread, spread + 0.01 * np.random.default_rng(3).normal(size=(1, 3)))


def _surface(points: int, seed: int) -> NDArray[np.float64]:
    """(points, 3) of a closed surface with bumps, at random, within [-1, 1]."""
    direction = np.random.default_rng(seed).normal(size=(points, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    found: NDArray[np.float64] = direction * (0.8 + 0.2 * np.sin(5 * direction[:, :1]))
    return found


def _ours(pair: Pair, _: Lap) -> float:
    return density_metric(*pair)


def _plain(pair: Pair, _: Lap) -> float:
    return plain_density.density_metric(*pair)
