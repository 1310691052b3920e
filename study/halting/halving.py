"""Successive halving without waiting: a trial is compared with all that came to the same rung.

The ranking is passed in. `study.halting.rules` chooses it, and cites the paper.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from study.fronts.ranking import Losses

    Ranking = Callable[[Losses, Sequence[int]], list[int]]
    """Returns the places, from 0, of the asked rows among all of them."""

NO_VIOLATIONS: Mapping[int, float] = MappingProxyType({})


class _Arrival(NamedTuple):
    values: tuple[float, ...]
    violation: float
    """0 where the constraints are kept, infinite where a value is no finite number."""


class _Verdict(NamedTuple):
    place: int
    """From 0."""
    came: int
    go_on: int
    """How many of those that came are good enough."""


@dataclass
class Halving:
    """Of those that came to a rung, the best 1 / reduction go on, and always the very best.

    Attributes:
        rungs: epochs after which trials are judged.
        reduction: one in so many goes on.
        rank: what better means, among those that keep the constraints.
    """

    rungs: tuple[int, ...]
    reduction: float
    rank: Ranking
    _came: dict[int, dict[int, _Arrival]] = field(default_factory=dict, init=False)
    _verdicts: dict[tuple[int, int], _Verdict] = field(default_factory=dict, init=False)

    def is_rung(self, epoch: int) -> bool:
        """Tell whether trials are judged after this epoch."""
        return epoch in self.rungs

    def recall(
        self,
        rung: int,
        values: Mapping[int, Sequence[float]],
        violations: Mapping[int, float] = NO_VIOLATIONS,
    ) -> None:
        """Note trials that reached the rung."""
        assert self.is_rung(rung), f"{rung} is none of the rungs {self.rungs}"
        came = self._came.setdefault(rung, {})
        for trial, row in values.items():
            came[trial] = _arrival(row, violations.get(trial, 0.0))

    def decide(
        self,
        rung: int,
        arrivals: Mapping[int, Sequence[float]],
        violations: Mapping[int, float] = NO_VIOLATIONS,
    ) -> frozenset[int]:
        """Note all arrivals, and then say which of them stop: those not among the best."""
        self.recall(rung, arrivals, violations)
        came = self._came[rung]
        # The authors' code keeps int(n / reduction) trials, and none where that is 0. Here no trial
        # waits for others, and the first, or one that dominates all before it, must not stop.
        # The small number: a quotient may be rounded to just below a whole number.
        go_on = max(1, math.floor(len(came) / self.reduction + 1e-9))
        for trial, place in zip(arrivals, self._places(came, list(arrivals)), strict=True):
            self._verdicts[rung, trial] = _Verdict(place, len(came), go_on)
        return frozenset(t for t in arrivals if self._verdicts[rung, t].place >= go_on)

    def explain(self, rung: int, trial: int) -> str:
        """Return what was decided about the trial when it came to the rung, and why."""
        place, came, go_on = self._verdicts[rung, trial]
        if came == 1:
            return f"goes on after epoch {rung}: the first that came so far"
        arrival = self._came[rung][trial]
        why = ""
        if arrival.violation == math.inf:
            why = " (behind all whose values are numbers)"
        elif arrival.violation > 0:
            why = " (behind all that keep the constraints)"
        return (
            f"{'stopped' if place >= go_on else 'goes on'} after epoch {rung}: ranked "
            f"{_ordinal(place + 1)} of {came} that came so far{why}, of whom the best "
            f"{go_on if go_on > 1 else 'one'} {'go' if go_on > 1 else 'goes'} on"
        )

    def _places(self, came: Mapping[int, _Arrival], asked: Sequence[int]) -> list[int]:
        """Return places among all that came, in the order of their numbers where they are equal.

        Trials that break the constraints follow those that keep them, the least violation first.
        """
        found: dict[int, int] = {}
        before = 0
        for violation in sorted({arrival.violation for arrival in came.values()}):
            trials = sorted(t for t, arrival in came.items() if arrival.violation == violation)
            rows = [row for row, trial in enumerate(trials) if trial in asked]
            if rows and violation == math.inf:
                found.update((trials[row], before + row) for row in rows)
            elif rows:
                losses = np.array([came[trial].values for trial in trials], dtype=np.float64)
                ranked = zip(rows, self.rank(losses, rows), strict=True)
                found.update((trials[row], before + place) for row, place in ranked)
            before += len(trials)
        return [found[trial] for trial in asked]


def _arrival(values: Sequence[float], violation: float) -> _Arrival:
    """Return what is noted of a trial. One whose values are not finite ranks behind all others."""
    if not all(math.isfinite(value) for value in (*values, violation)):
        return _Arrival(tuple(values), math.inf)
    return _Arrival(tuple(values), max(violation, 0.0))


def _ordinal(number: int) -> str:
    """Return 1st, 2nd, 3rd, 4th, 11th, 21st, ..."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10)
    return f"{number}{ending or 'th'}"
