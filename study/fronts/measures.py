"""The recorded metrics: everything that objectives, constraints, tables and pictures say of them.

One place for names, units and directions; `study explain objectives` and docs/metrics.md teach the
same list. What measures them is `study.training.evaluation`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from study.errors import StudyError
from study.nearest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Literal, Protocol

    class HasMetric(Protocol):
        """What names a metric: an objective, as the study file or the front has it."""

        @property
        def metric(self) -> str:
            """Its name."""


@dataclass(frozen=True)
class Measure:
    """One metric of a finished codec.

    Attributes:
        name: its key in `TrialRecord.final`.
        unit: what its number counts.
        meaning: what it is, in a few words.
        heading: of a column.
        axis_title: of an axis, with all that a number needs to be compared.
        digits: its format.
        phrase: its number among other things, in a sentence.
        direction_hint: which way is better; None where neither is (of a ratio, 1 is).
        estimate: the metric of an epoch that stands in for it while the trial trains; None where
            nothing does.
        is_extra: an epoch has it only where the study asks for it, since it costs time.
        label: what it is called in a sentence, where its heading has a unit that stands elsewhere.
    """

    name: str
    unit: str
    meaning: str
    heading: str
    axis_title: str
    digits: str
    phrase: str
    direction_hint: Literal["minimize", "maximize"] | None
    estimate: str | None
    is_extra: bool = False
    label: str = ""

    @property
    def name_in_text(self) -> str:
        """What it is called in a sentence."""
        return self.label or self.heading


_PSNR = "in dB,  10 log₁₀(3 peak² / MSE),  peak = longest side"
_UNIT_FRAME = "where the original's longest side is 2"

_ALL = (
    Measure(
        "bpp",
        "bits per input point",
        "length of all files, headers included, over all input points",
        heading="bpp",
        axis_title="rate: measured bytes, in bits per input point",
        digits=".3f",
        phrase="{:.3f} bpp",
        direction_hint="minimize",
        estimate="bpp_estimated",
    ),
    Measure(
        "d1_psnr_db",
        "dB, factor 3, peak = longest side",
        "point-to-point PSNR, mean over clouds",
        heading="D1 PSNR dB",
        label="D1 PSNR",
        axis_title=f"D1 PSNR {_PSNR}",
        digits=".2f",
        phrase="{:.2f} dB D1 PSNR",
        direction_hint="maximize",
        estimate="d1_psnr_db",
    ),
    Measure(
        "d2_psnr_db",
        "dB, factor 3, peak = longest side",
        "point-to-plane PSNR, mean over clouds; needs data.normals: true",
        heading="D2 PSNR dB",
        label="D2 PSNR",
        axis_title=f"D2 PSNR {_PSNR}",
        digits=".2f",
        phrase="{:.2f} dB D2 PSNR",
        direction_hint="maximize",
        estimate="d2_psnr_db",
        is_extra=True,
    ),
    Measure(
        "chamfer",
        f"squared length {_UNIT_FRAME}",
        "mean squared nearest distance, both ways summed, mean over clouds",
        heading="chamfer dist.",
        axis_title=f"chamfer distance (squared),  {_UNIT_FRAME}",
        digits=".3g",
        phrase="chamfer distance {:.3g}",
        direction_hint="minimize",
        estimate="chamfer",
        is_extra=True,
    ),
    Measure(
        "density",
        f"no unit, {_UNIT_FRAME}",
        "D-PCC's density metric, mean over clouds",
        heading="density diff.",
        axis_title=f"D-PCC's density metric,  {_UNIT_FRAME}",
        digits=".3g",
        phrase="density metric {:.3g}",
        direction_hint="minimize",
        estimate="density",
        is_extra=True,
    ),
    Measure(
        "points_ratio",
        "no unit, 1 is as many",
        "decoded over input points",
        heading="points",
        axis_title="decoded over input points",
        digits=".3f",
        phrase="{:.3f} decoded points for one",
        direction_hint=None,
        estimate="points_ratio",
    ),
    Measure(
        "encode_s",
        "seconds per cloud",
        "time to write a cloud's file, on the worker that measures",
        heading="encode s",
        axis_title="time to encode a cloud, in seconds",
        digits=".3g",
        phrase="{:.3g} s to encode a cloud",
        direction_hint="minimize",
        estimate=None,
    ),
    Measure(
        "decode_s",
        "seconds per cloud",
        "time to read a cloud's file, on the worker that measures",
        heading="decode s",
        axis_title="time to decode a cloud, in seconds",
        digits=".3g",
        phrase="{:.3g} s to decode a cloud",
        direction_hint="minimize",
        estimate=None,
    ),
)
MEASURES: Mapping[str, Measure] = {measure.name: measure for measure in _ALL}
"""By name, in the order of tables. All are measured on the finished codec, in real files."""


def measure_named(name: str) -> Measure:
    """Return a metric.

    Raises:
        StudyError: there is none of this name; the nearest one is named.
    """
    if name not in MEASURES:
        raise StudyError(f"there is no metric '{name}'; {did_you_mean(name, MEASURES)}")
    return MEASURES[name]


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
