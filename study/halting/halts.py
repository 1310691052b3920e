"""Asks the halting rule about trials at a rung, on behalf of `study.cohorts.cohorts`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from study.config.derived import constraints_of, most_epochs, objectives_of
from study.fronts.front import to_minimisation
from study.fronts.measures import epoch_values, epoch_violation
from study.halting.rules import make_rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from study.base.records import TrialRecord
    from study.config import StudyConfig


BASELINE = 0
"""The first trial, with the published coefficients, always trains to its end: the others are
compared with it, at every rung and at the end."""


class Judged(NamedTuple):
    """What the rule said after an epoch.

    Attributes:
        asked: the trials that it was asked about after this epoch, now or when the same was
            reported before.
        stops: the sentence why, of each trial that stops.
    """

    asked: frozenset[int]
    stops: Mapping[int, str]


class Halts:
    """The halting rule of a study, and the metrics that it judges by.

    Args:
        config: the study.
    """

    def __init__(self, config: StudyConfig) -> None:
        self._objectives = objectives_of(config)
        self._constraints = constraints_of(config)
        self._rule = make_rule(config.halting, self._objectives, most_epochs(config))
        self._asked: set[tuple[int, int]] = set()

    def recall(self, records: Iterable[TrialRecord]) -> None:
        """Take note of what trials were worth at the rungs that they passed before a restart.

        A trial whose newest epoch is at a rung counts as asked where the record says so: a driver
        may have been killed between its report and the answer.
        """
        for record in records:
            for epoch in record.epochs:
                if epoch.judged:
                    self._asked.add((record.number, epoch.epoch))
                    values = self._values(epoch.metrics)
                    self._rule.recall(
                        epoch.epoch,
                        {record.number: values},
                        {record.number: epoch_violation(epoch.metrics, self._constraints)},
                    )

    def judge(
        self, epochs: Mapping[int, tuple[int, Mapping[str, float]]], last: Mapping[int, int]
    ) -> Judged:
        """Ask about the trials that have come to a rung, all of a cohort together.

        Args:
            epochs: by trial, the epoch that it has finished, and its metrics.
            last: by trial, the epoch after which it is measured: nobody is stopped there.
        """
        arrivals: dict[int, dict[int, Mapping[str, float]]] = {}
        for trial, (epoch, metrics) in epochs.items():
            is_new = (trial, epoch) not in self._asked
            if is_new and epoch < last[trial] and self._rule.is_rung(epoch):
                arrivals.setdefault(epoch, {})[trial] = metrics
                self._asked.add((trial, epoch))
        stops: dict[int, str] = {}
        for rung, came in arrivals.items():
            values = {trial: self._values(metrics) for trial, metrics in came.items()}
            beyond = {t: epoch_violation(metrics, self._constraints) for t, metrics in came.items()}
            for trial in self._rule.decide(rung, values, beyond) - {BASELINE}:
                stops[trial] = self._rule.explain(rung, trial)
        asked = frozenset(t for t, (epoch, _) in epochs.items() if (t, epoch) in self._asked)
        return Judged(asked, stops)

    def _values(self, metrics: Mapping[str, float]) -> list[float]:
        values = epoch_values(metrics, self._objectives)
        assert values is not None, "check_halting refuses objectives without estimates"
        return [float(value) for value in to_minimisation(values, self._objectives)]
