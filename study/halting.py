"""Which trials stop before their last epoch.

At some epochs, the rungs, a trial is held against all that ever reached the same rung, and goes on
if it is among the best 1 / reduction of them. The rules know nothing of Ray or Optuna: they decide
from (trial, rung, values) and nothing else, so that the same history always leads to the same
decisions, and a restarted study needs no more than its records.

Source: Schmucker et al., Multi-objective Asynchronous Successive Halving (arXiv 2106.12639).
Differs: there a trial waits at a rung until it is found to be among the best of those that came.
Here, as in Syne Tune, it goes on or stops at once, for a codec that trains in a cohort cannot wait.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from study.errors import StudyError
from study.front import to_minimisation
from study.nearest import did_you_mean
from study.ranking import coverage, places

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from study.config import HaltingSection, StudyConfig
    from study.front import Objective
    from study.ranking import Losses

    Ranking = Callable[[Losses, Sequence[int]], list[int]]
    """Returns the places, from 0, of the asked rows among all of them."""

NO_VIOLATIONS: Mapping[int, float] = MappingProxyType({})


class Rule(Protocol):
    """Says which trials stop. Values are the objectives', in order, to be minimised."""

    def is_rung(self, epoch: int) -> bool:
        """Tell whether trials are judged after this epoch."""
        ...

    def decide(
        self,
        rung: int,
        arrivals: Mapping[int, Sequence[float]],
        violations: Mapping[int, float] = NO_VIOLATIONS,
    ) -> frozenset[int]:
        """Note all arrivals at a rung together, and then say which of them stop.

        A trial that is already known at the rung is judged again, by its new values.

        Args:
            rung: the epoch.
            arrivals: trial to values. Values that are no finite numbers rank behind all others.
            violations: trial to how far it breaks the constraints; above 0, it ranks behind all
                that keep them. Trials that are not named keep them.
        """
        ...

    def recall(
        self,
        rung: int,
        values: Mapping[int, Sequence[float]],
        violations: Mapping[int, float] = NO_VIOLATIONS,
    ) -> None:
        """Note trials that reached a rung before a restart, and decide nothing."""
        ...

    def explain(self, rung: int, trial: int) -> str:
        """Return the sentence that tells a user what was decided, and why."""
        ...


def make_rule(halting: HaltingSection, objectives: Sequence[Objective], epochs: int) -> Rule:
    """Return the rule that a study file asks for.

    Args:
        halting: the study file's section.
        objectives: what every arrival's values are of, in this order.
        epochs: how many each trial trains; there is no rung at the last one.

    Raises:
        StudyError: the rule `single` names none of the objectives.
    """
    rungs = rungs_of(halting, epochs)
    match halting.rule:
        case "none":
            return NoHalting()
        case "pareto":
            reference = to_minimisation([o.reference for o in objectives], objectives)
            cover = coverage(halting.coverage, reference.tolist())
            return Halving(
                rungs, halting.reduction, lambda losses, asked: places(losses, asked, cover)
            )
        case "single":
            metrics = [objective.metric for objective in objectives]
            _check_metric(halting, metrics)
            first = metrics.index(halting.metric or "")
            return Halving(
                rungs, halting.reduction, lambda losses, asked: _sorted(losses, asked, first)
            )


def rungs_of(halting: HaltingSection, epochs: int) -> tuple[int, ...]:
    """Return the epochs after which trials are judged: grace, grace * reduction, ... below epochs.

    Rounded (a half goes up), and at least one epoch apart where the reduction is small.
    """
    rungs: list[int] = []
    exact: float = halting.grace
    while (rung := math.floor(exact + 0.5)) < epochs:
        rungs.append(rung)
        exact = max(exact * halting.reduction, rung + 1)
    return tuple(rungs) if halting.rule != "none" else ()


def check_halting(config: StudyConfig) -> None:
    """Hold the halting rule against the rest of the study, before anything starts.

    Raises:
        StudyError: the rule ranks by something that is no objective, or has a setting that it would
            never use.
    """
    halting, epochs = config.halting, _most_epochs(config)
    _check_metric(halting, [objective.metric for objective in config.objectives])
    if halting.rule != "none" and not rungs_of(halting, epochs):
        message = (
            f"halting.grace must be less than the {epochs} epochs that trials train, or the rule "
            f"'{halting.rule}' would never stop one, but is {halting.grace}; make it less, or set "
            "halting.rule: none"
        )
        raise StudyError(message)


def _most_epochs(config: StudyConfig) -> int:
    searched = config.search.space.get("training.epochs")
    if searched is None:
        return config.training.epochs
    values = searched.ends if searched.choices is None else searched.choices
    return max(value for value in values if isinstance(value, int))


def _check_metric(halting: HaltingSection, metrics: Sequence[str]) -> None:
    """Refuse a metric that is missing, is no objective, or would go unread."""
    if halting.rule != "single":
        if halting.metric is not None:
            message = (
                f"halting.metric is read by the rule 'single' only, but halting.rule is "
                f"'{halting.rule}' and halting.metric is '{halting.metric}'; remove it, or set "
                "halting.rule: single"
            )
            raise StudyError(message)
    elif halting.metric is None:
        message = (
            "halting.metric must name the objective that the rule 'single' ranks by, but is not "
            f"set; choose from {', '.join(metrics)}"
        )
        raise StudyError(message)
    elif halting.metric not in metrics:
        message = (
            f"halting.metric must be one of the study's objectives, but is '{halting.metric}'; "
            f"{did_you_mean(halting.metric, metrics)}"
        )
        raise StudyError(message)


def _sorted(losses: Losses, asked: Sequence[int], first: int) -> list[int]:
    """Return the places of the asked rows by one objective; the others decide among equals.

    Without the others, a trial that dominates all might stop for being as good as they in the one.
    """
    rest = [losses[:, column] for column in range(losses.shape[1]) if column != first]
    # lexsort takes its last key first, and keeps the order of equals.
    place_of = np.argsort(np.lexsort([*rest[::-1], losses[:, first]]))
    return [int(place_of[row]) for row in asked]


class NoHalting:
    """Every trial trains to its end."""

    def is_rung(self, epoch: int) -> bool:  # noqa: ARG002  a rule's signature
        """No epoch is."""
        return False

    def decide(
        self,
        rung: int,  # noqa: ARG002
        arrivals: Mapping[int, Sequence[float]],  # noqa: ARG002
        violations: Mapping[int, float] = NO_VIOLATIONS,  # noqa: ARG002
    ) -> frozenset[int]:
        """Nobody stops."""
        return frozenset()

    def recall(
        self,
        rung: int,
        values: Mapping[int, Sequence[float]],
        violations: Mapping[int, float] = NO_VIOLATIONS,
    ) -> None:
        """There is nothing to remember."""

    def explain(self, rung: int, trial: int) -> str:  # noqa: ARG002
        """Return why it goes on."""
        return f"goes on after epoch {rung}: every trial trains to its end"


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
        # The authors' code keeps int(n / reduction), and nobody where that is 0. To wait for more
        # is not possible here, and the first, or a newcomer that dominates all, must not stop.
        # A quotient may come out a hair below the whole number that it is.
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

        Trials that break the constraints follow those that keep them; the less, the further ahead.
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
    """Return what is noted of a trial; one that is no number has no place among the others."""
    if not all(math.isfinite(value) for value in (*values, violation)):
        return _Arrival(tuple(values), math.inf)
    return _Arrival(tuple(values), max(violation, 0.0))


def _ordinal(number: int) -> str:
    """Return 1st, 2nd, 3rd, 4th, 11th, 21st, ..."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10)
    return f"{number}{ending or 'th'}"
