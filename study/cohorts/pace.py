"""How fast populations of different sizes train, and which size is worth having."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LEAST_GAIN = 1.1
"""A population twice as large is worth it where it trains at least so much faster per trial. Below
that it gains little, and costs memory and rounds that the sampler learns in."""

_REFILL_GAIN = 1.05
"""Epochs of one and the same population vary by a few per cent."""


@dataclass
class Pace:
    """Seconds that an epoch took, by the number of trials that trained in it.

    The least are kept: the first epoch of a process also waits for pages, caches and compilers.
    """

    seconds: dict[int, float] = field(default_factory=dict)

    def note(self, population: int, seconds: float) -> None:
        """Take note of an epoch."""
        self.seconds[population] = min(seconds, self.seconds.get(population, math.inf))

    def worth_refilling(self, living: int, size: int) -> bool:
        """Tell whether a full population is known to train more trials a second than the living.

        Both must have been measured. Where fewer trials keep the machine busy, refilling gains
        nothing: the living train faster without company.
        """
        if not 0 < living < size or not {living, size} <= self.seconds.keys():
            return False
        return size / self.seconds[size] > _REFILL_GAIN * living / self.seconds[living]


@dataclass(frozen=True)
class Tried:
    """What trying larger and larger populations showed.

    Attributes:
        seconds: of a training step, by the number of trials in the population.
        best: the size beyond which a trial trains hardly any faster.
        ended: whether that holds for all larger ones; otherwise it does up to the largest tried.
    """

    seconds: dict[int, float]
    best: int
    ended: bool

    def says(self, most: int) -> bool:
        """Return whether it holds for populations of up to so many trials."""
        return self.ended or most <= max(self.seconds)


def try_sizes(step_s: Callable[[int], float | None], most: int, longest_s: float) -> Tried:
    """Double a population while that is worth it.

    Args:
        step_s: the seconds of a training step of so many trials; None where memory runs out.
        most: trials in the largest population that is of use.
        longest_s: a population whose step takes longer is the last tried. Only steps count:
            compilers and a GPU's start are paid once.
    """
    seconds: dict[int, float] = {}
    best, size = 1, 1
    while True:
        taken = step_s(size)
        if taken is None:
            return Tried(seconds, best, ended=True)
        seconds[size] = taken
        gain = (size / taken) / (best / seconds[best])
        if gain < LEAST_GAIN ** math.log2(size / best):
            # The last of all may be less than twice as large, and then says nothing of that.
            return Tried(seconds, best, ended=size == 2 * best)
        best = size
        if size >= most:
            return Tried(seconds, best, ended=False)
        if taken > longest_s:
            return Tried(seconds, best, ended=True)
        size = min(2 * size, most)


def even_size(trials: int, most: int, at_once: int) -> int:
    """Return the size of cohorts that deal trials evenly over those that run at once.

    20 trials, at most 8 in a cohort and 2 cohorts at once: 4 cohorts of 5, for after two of 8 the
    last two of 2 would leave the machine to a few.
    """
    rounds = math.ceil(trials / (most * at_once))
    return math.ceil(trials / (rounds * at_once))


def learning_size(trials: int, at_once: int) -> int:
    """Return the largest size of cohorts with which there are two rounds of them.

    All trials of a round are proposed before any has ended: in a single round the sampler would
    learn nothing.
    """
    return max(1, math.ceil(trials / (2 * at_once)))
