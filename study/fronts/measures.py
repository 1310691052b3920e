"""What a study asks of the metrics: estimates that stand in for them, and bounds on them.

The metrics themselves are those of `study.metrics.table`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from study.base.errors import StudyError
from study.base.spelling import did_you_mean
from study.metrics.measure import Measure
from study.metrics.table import MEASURES, measure_named

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Protocol

    class HasMetric(Protocol):
        """What names a metric: an objective, as the study file or the front has it."""

        @property
        def metric(self) -> str:
            """Its name."""


__all__ = [
    "MEASURES",
    "Constraint",
    "Measure",
    "broken",
    "cautions",
    "epoch_values",
    "epoch_violation",
    "estimate_name",
    "measure_named",
    "violations",
]


def estimate_name(metric: str) -> str | None:
    """Return the metric of an epoch that stands in for a measured one; None where nothing does.

    A metric that is none of `MEASURES` stands for itself.
    """
    return MEASURES[metric].estimate if metric in MEASURES else metric


def epoch_values(
    metrics: Mapping[str, float], objectives: Iterable[HasMetric]
) -> list[float] | None:
    """Return the objectives' values after an epoch, in order; None where one has no estimate.

    Args:
        metrics: of the epoch.
        objectives: what is wanted.
    """
    names = [estimate_name(objective.metric) for objective in objectives]
    values = [metrics.get(name) if name is not None else None for name in names]
    known = [value for value in values if value is not None]
    return known if len(known) == len(values) else None


_CONSTRAINT = re.compile(
    r"\s*(?P<metric>[A-Za-z_]\w*)\s*(?P<sign>[<>]=?|==?|!=)\s*(?P<bound>.*?)\s*"
)
_EXAMPLE = "write for instance 'bpp <= 2' or 'd1_psnr_db >= 30'"


@dataclass(frozen=True)
class Constraint:
    """A bound that a finished codec must keep: one of `least` and `most` is given."""

    metric: str
    least: float | None = None
    most: float | None = None

    @classmethod
    def parse(cls, text: str) -> Constraint:
        """Read ``bpp <= 2`` or ``d1_psnr_db >= 30``.

        Raises:
            StudyError: it is neither, its metric is unknown, or its bound is no finite number.
        """
        found = _CONSTRAINT.fullmatch(text)
        if found is None:
            raise StudyError(
                "a constraint must be a metric, <= or >=, and a number, but is "
                f"{text!r}; {_EXAMPLE}"
            )
        metric, sign, bound = found["metric"], found["sign"], _number(found["bound"])
        if metric not in MEASURES:
            hint = did_you_mean(metric, MEASURES)
            raise StudyError(f"the constraint {text!r} is on no metric that is recorded; {hint}")
        if sign not in {"<=", ">="}:
            raise StudyError(
                f"a constraint must be <= or >=, for metrics are measured, but {text!r} has "
                f"{sign}; {_EXAMPLE}"
            )
        if bound is None:
            raise StudyError(
                f"a constraint must end in a finite number, but {text!r} ends in "
                f"{found['bound']!r}; {_EXAMPLE}"
            )
        return cls(metric, most=bound) if sign == "<=" else cls(metric, least=bound)

    @property
    def bound(self) -> float:
        """The number that must be kept to."""
        bound = self.most if self.least is None else self.least
        assert bound is not None
        return bound

    def __str__(self) -> str:
        """Return it as a study file has it."""
        return f"{self.metric} {'<=' if self.least is None else '>='} {self.bound:g}"

    def violation(self, value: float) -> float:
        """Return how far a value is on the wrong side, as a share of the bound; <= 0: it is kept.

        A share, so that what breaks several constraints of several units can be added up. Of a
        bound of 0 it is the distance itself. A value that is not a number breaks every bound.
        `bpp <= 2` is violated by 0.5 at 3 bpp, and by -0.25 at 1.5 bpp.
        """
        beyond = value - self.bound if self.least is None else self.bound - value
        return math.inf if math.isnan(value) else beyond / (abs(self.bound) or 1.0)


def cautions(constraints: Iterable[Constraint]) -> list[str]:
    """Return what to say of constraints before a study starts: bounds on seconds are noisy."""
    timed = [str(each) for each in constraints if "seconds" in MEASURES[each.metric].needs]
    if not timed:
        return []
    are = "is a bound" if len(timed) == 1 else "are bounds"
    told = (
        f"{' and '.join(timed)} {are} on seconds, which depend on the machine and on what else it "
        "does: the fastest of several runs counts, and may still differ for equal codecs; leave "
        "room, or let nothing else run meanwhile"
    )
    return [told]


def violations(final: Mapping[str, float], constraints: Iterable[Constraint]) -> list[float]:
    """Return how far measured values are beyond each constraint; what is missing breaks it."""
    return [each.violation(final.get(each.metric, math.nan)) for each in constraints]


def broken(final: Mapping[str, float], constraints: Sequence[Constraint]) -> tuple[Constraint, ...]:
    """Return the constraints that measured values break."""
    beyond = violations(final, constraints)
    return tuple(each for each, by in zip(constraints, beyond, strict=True) if by > 0)


def epoch_violation(metrics: Mapping[str, float], constraints: Iterable[Constraint]) -> float:
    """Return by how much an epoch's estimates break the constraints, all together; 0: by nothing.

    What has no estimate is not held against a trial that still trains.
    """
    total = 0.0
    for constraint in constraints:
        name = estimate_name(constraint.metric)
        if name is not None and name in metrics:
            total += max(0.0, constraint.violation(metrics[name]))
    return total


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
