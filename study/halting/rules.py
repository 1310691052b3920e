"""Which trials stop before their last epoch.

At some epochs, the rungs, a trial is compared with all that ever reached the same rung, and goes on
if it is among the best 1 / reduction of them. The rules know nothing of Ray or Optuna: they decide
from (trial, rung, values) and nothing else, so that the same history always leads to the same
decisions, and a restarted study needs no more than its records.

Source: Schmucker et al., Multi-objective Asynchronous Successive Halving (arXiv 2106.12639).
Differs: there a trial waits at a rung until it is found to be among the best of those that came.
Here, as in Syne Tune, it goes on or stops at once, for a codec that trains in a cohort cannot wait.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from study.base.errors import StudyError
from study.base.spelling import did_you_mean
from study.config.derived import most_epochs
from study.fronts.front import to_minimisation
from study.fronts.measures import estimate_name
from study.fronts.ranking import coverage, places
from study.halting.halving import NO_VIOLATIONS, Halving

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from study.config import HaltingSection, StudyConfig
    from study.fronts.front import Objective
    from study.fronts.ranking import Losses


_LEAST_GRACE = 2
_LEAST_EPOCHS = 12
"""There is no evidence that stopping trials pays where trainings are shorter."""


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
        epochs: how many the longest trial trains; there is no rung at the last one.

    Raises:
        StudyError: the rule `single` names none of the objectives.
    """
    rungs = rungs_of(halting, epochs)
    match rule_of(halting, [objective.metric for objective in objectives], epochs):
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

    Rounded (a half goes up), and at least one epoch apart where the reduction is small; no more
    than are asked for.
    """
    rungs: list[int] = []
    exact: float = first_rung(halting, epochs)
    while len(rungs) < halting.rungs and (rung := math.floor(exact + 0.5)) < epochs:
        rungs.append(rung)
        exact = max(exact * halting.reduction, rung + 1)
    return tuple(rungs) if halting.rule != "none" else ()


def first_rung(halting: HaltingSection, epochs: int) -> int:
    """Return how many epochs every trial trains: what is asked for, or else a sixth of all.

    The evidence is in docs/simulation.md: after one epoch of twelve all rates are still alike, and
    after two trials rank nearly as they do in the end.
    """
    return halting.grace or max(_LEAST_GRACE, math.floor(epochs / 6 + 0.5))


def rule_of(
    halting: HaltingSection, metrics: Sequence[str], epochs: int
) -> Literal["none", "pareto", "single"]:
    """Return the rule; for `auto`, the one that it stands for."""
    if halting.rule != "auto":
        return halting.rule
    estimated = all(estimate_name(metric) is not None for metric in metrics)
    return "pareto" if estimated and epochs >= _LEAST_EPOCHS else "none"


def check_halting(config: StudyConfig) -> None:
    """Check the halting rule against the rest of the study, before anything starts.

    Raises:
        StudyError: the rule ranks by something that is no objective or that no epoch estimates, or
            has a setting that it would never use.
    """
    halting, epochs = config.halting, most_epochs(config)
    metrics = [objective.metric for objective in config.objectives]
    rule = rule_of(halting, metrics, epochs)
    unknown = [metric for metric in metrics if estimate_name(metric) is None]
    if unknown and rule != "none":
        message = (
            f"the rule '{halting.rule}' needs every objective after every epoch, but "
            f"{' and '.join(unknown)} can be measured on a finished codec only; take it out of the "
            "objectives (a constraint may hold it), or set halting.rule: none"
        )
        raise StudyError(message)
    _check_metric(halting, metrics)
    if rule != "none" and not rungs_of(halting, epochs):
        message = (
            f"halting.grace must be less than the {epochs} epochs that trials train, or the rule "
            f"'{rule}' would never stop one, but is {first_rung(halting, epochs)}; make it less, "
            "or set halting.rule: none"
        )
        raise StudyError(message)


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

    By the one alone, a trial that dominates others but ties with them might stop in their place.
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
