"""Two studies' fronts against each other: how far apart they are, and how sure that is.

Both are judged by one study's objectives and references. Rate and quality are compared by
Bjøntegaard's averages (`study.metrics.bd`), with an interval by the bootstrap: what would the
average have been, had the searches drawn their trials anew?
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from study.base.errors import StudyError
from study.metrics import RateCurve, bd_psnr_db, bd_rate_percent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from study.base.records import TrialRecord
    from study.fronts.front import Objective
    from study.fronts.judged import JudgedStudy
    from study.metrics import BdDelta

    Plane = NDArray[np.float64]
    """(trials, 2): bits per input point, and dB."""

RATE, QUALITIES = "bpp", ("d1_psnr_db", "d2_psnr_db")

RESAMPLES = 500
"""From seed to seed the ends of an interval move by 3 % of its width (the standard error of a
normal distribution's 2.5 % quantile); they take about a second."""
SEED = 20260
"""Of the bootstrap: the same fronts have the same interval, whenever they are compared."""
LEVEL = 0.95

_LEAST_OVERLAP = 0.25
"""Of what either curve covers. Below it an average is one of the curves' ends alone."""
_COMPARABLE = 0.9
"""Of the resamples, as many must be comparable: an interval of the others alone would be biased."""
_STEPS = 200


class Interval(NamedTuple):
    """A 95 % interval by the bootstrap's percentiles."""

    low: float
    high: float
    resamples: int
    """How many of `RESAMPLES` could be compared."""


@dataclass(frozen=True)
class Difference:
    """How much a second front differs from a first one in rate and in quality.

    Attributes:
        quality: which metric.
        rate: BD-rate in percent; below 0 the second needs less.
        psnr: BD-PSNR in dB; above 0 the second is better.
        rate_interval, psnr_interval: None where too few resamples have comparable fronts.
    """

    quality: str
    rate: BdDelta
    psnr: BdDelta
    rate_interval: Interval | None
    psnr_interval: Interval | None


class Lead(NamedTuple):
    """A range of rates in which one of two fronts is the better one throughout.

    Attributes:
        second: whether it is the second.
        low, high: bits per input point.
        mean_db: by how much, on average over the logarithm of the rate.
    """

    second: bool
    low: float
    high: float
    mean_db: float


def shared_objectives(
    first: Sequence[Objective], second: Sequence[Objective], names: tuple[str, str]
) -> tuple[Objective, ...]:
    """Return the first study's objectives, by which both are compared.

    Raises:
        StudyError: the second has others.
    """
    theirs = [{o.metric: o.direction.value for o in some} for some in (first, second)]
    if theirs[0] != theirs[1]:
        a, b = (", ".join(f"{way} {metric}" for metric, way in each.items()) for each in theirs)
        raise StudyError(
            f"two fronts can be compared where both studies have the same objectives, but "
            f"'{names[0]}' has {a}, and '{names[1]}' {b}; compare it with another study"
        )
    return tuple(first)


def dominated(study: JudgedStudy, other: JudgedStudy) -> list[TrialRecord]:
    """Return the members of a front that a trial of another study dominates, by its objectives."""
    theirs = other.front_losses
    return [
        record
        for record, row in zip(study.front, study.front_losses, strict=True)
        if ((theirs <= row).all(axis=1) & (theirs < row).any(axis=1)).any()
    ]


def quality_of(objectives: Sequence[Objective]) -> str | None:
    """Return the PSNR that is compared over the rate; None where the objectives are others."""
    metrics = [objective.metric for objective in objectives]
    found = [metric for metric in metrics if metric in QUALITIES]
    return found[0] if RATE in metrics and found else None


def plane_of(study: JudgedStudy, quality: str) -> Plane:
    """Return rate and quality of every finished codec that keeps to the constraints."""
    found = study.candidates
    return np.array([[r.final[RATE], r.final[quality]] for r in found]).reshape(len(found), 2)


def curve(name: str, plane: Plane) -> RateCurve:
    """Return the front of rate and quality as a curve that rises: of equal points one is enough.

    Raises:
        StudyError: there are no points.
    """
    return _rising(name, _ordered(plane))


def _ordered(plane: Plane) -> Plane:
    """Return the points by their rate; of equal rates the best first."""
    ordered: Plane = plane[np.lexsort((-plane[:, 1], plane[:, 0]))]
    return ordered


def _rising(name: str, ordered: Plane) -> RateCurve:
    """Return what of ordered points is better than all before."""
    highest = np.maximum.accumulate(ordered[:, 1])
    kept = ordered[ordered[:, 1] > np.append(-np.inf, highest[:-1])]
    return RateCurve(name, tuple(kept[:, 0].tolist()), tuple(kept[:, 1].tolist()))


def difference(names: tuple[str, str], planes: tuple[Plane, Plane], quality: str) -> Difference:
    """Compare a second study's front with a first one's.

    Raises:
        StudyError: a front has too few points, or the two have too little in common; the sentence
            says which.
    """
    first, second = (curve(name, plane) for name, plane in zip(names, planes, strict=True))
    rate, psnr = bd_rate_percent(first, second), bd_psnr_db(first, second)
    for delta, unit in ((rate, "dB"), (psnr, "bpp")):
        if delta.share < _LEAST_OVERLAP:
            raise StudyError(
                f"two fronts must have {_LEAST_OVERLAP:.0%} of their range in common to be "
                f"averaged over it, but '{names[0]}' and '{names[1]}' share {delta.low:.4g} to "
                f"{delta.high:.4g} {unit}, {delta.share:.0%} of it; let a study search the rest"
            )
    drawn = bootstrap(planes, (bd_rate_percent, bd_psnr_db))
    return Difference(quality, rate, psnr, *(interval(column) for column in drawn.T))


def bootstrap(
    planes: tuple[Plane, Plane],
    measures: Sequence[Callable[[RateCurve, RateCurve], BdDelta]],
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> NDArray[np.float64]:
    """Return the measures of fronts of resampled studies, (resamples, measures).

    Each study's trials are drawn anew with replacement, as many as it has, and its front is found
    among them. NaN where two such fronts cannot be compared.
    """
    random = np.random.default_rng(seed)
    drawn = np.full((resamples, len(measures)), np.nan)
    ordered = [_ordered(plane) for plane in planes]
    for row in drawn:
        first, second = (_rising("resampled", _drawn_anew(plane, random)) for plane in ordered)
        for column, measure in enumerate(measures):
            try:
                row[column] = measure(first, second).value
            except StudyError:
                continue
    return drawn


def _drawn_anew(ordered: Plane, random: np.random.Generator) -> Plane:
    """Return what a resample holds, still in order: a front has no use for a point's copies."""
    held = np.zeros(len(ordered), dtype=bool)
    held[random.integers(len(ordered), size=len(ordered))] = True
    anew: Plane = ordered[held]
    return anew


def interval(drawn: NDArray[np.float64], level: float = LEVEL) -> Interval | None:
    """Return the percentiles of what was resampled; None where too little could be compared.

    Args:
        drawn: (resamples,), NaN where two could not be compared.
        level: the share of `drawn` between them.
    """
    known = drawn[np.isfinite(drawn)]
    if len(known) < _COMPARABLE * len(drawn):
        return None
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), len(known))


def leads(first: RateCurve, second: RateCurve) -> list[Lead]:
    """Return who is better where, from the lowest common rate to the highest.

    Between its points a front is taken straight over the logarithm of the rate. Ranges of less than
    one part in `_STEPS` of the common one are not looked for. Nothing in common, no leads.
    """
    low, high = max(first.bpp[0], second.bpp[0]), min(first.bpp[-1], second.bpp[-1])
    if low >= high:
        return []
    logs = np.linspace(math.log(low), math.log(high), _STEPS + 1)
    ours, theirs = (np.interp(logs, np.log(c.bpp), c.psnr_db) for c in (first, second))
    gain = theirs - ours
    found = []
    for sign, places in groupby(range(len(logs)), key=lambda at: np.sign(gain[at])):
        at = list(places)
        if sign and len(at) > 1:
            ends = math.exp(logs[at[0]]), math.exp(logs[at[-1]])
            found.append(Lead(bool(sign > 0), *ends, float(np.abs(gain[at]).mean())))
    return found
