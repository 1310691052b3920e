"""Other codecs against a front, on the very clouds that the study's codecs were measured on.

A front says which settings beat each other, and not whether any is worth having: a rival that
dominates all of them says so. Rates are compared by Bjøntegaard's average, with an interval by the
bootstrap over clouds: each is drawn for both codecs at once, for clouds differ more than codecs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, stdtrit

from study.base.errors import StudyError
from study.fronts.comparing import LEVEL, RESAMPLES, SEED, curve, interval, quality_of
from study.fronts.front import to_minimisation
from study.metrics import RateCurve, bd_rate_percent
from study.metrics.measurement import over_clouds
from study.metrics.table import MEASURES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from study.base.records import TrialRecord
    from study.fronts.comparing import Interval
    from study.fronts.judged import JudgedStudy
    from study.metrics import BdDelta
    from study.metrics.measurement import CloudResult

    ByTrial = Mapping[int, Sequence[CloudResult]]
    """The results of trials cloud by cloud, of those for which they were kept."""
    Table = NDArray[np.float64]
    """(operating points, clouds, 3): bits, points and quality."""

RATE = "bpp"
FEWEST_CLOUDS = 5
"""For an interval. Simulated with log rates that differ by 0.26 from cloud to cloud, it holds the
truth in 90 % of the cases for 5 clouds, in 92 for 12 and in 94 from 21 on; without the widening of
`_level` it would be 81, 89 and 91."""


@dataclass(frozen=True)
class Rival:
    """Another codec on a study's validation clouds.

    Attributes:
        key: what files and pages call it, such as "octree".
        name: what readers are told.
        counts: what its rate counts, in a few words.
        settings: of each operating point.
        results: of each operating point, cloud by cloud.
    """

    key: str
    name: str
    counts: str
    settings: tuple[str, ...]
    results: tuple[tuple[CloudResult, ...], ...]

    @cached_property
    def values(self) -> Mapping[str, tuple[float | None, ...]]:
        """By metric, of each operating point: over the clouds, as a trial's measured values are."""
        return {name: tuple(over_clouds(each, name) for each in self.results) for name in MEASURES}

    def places(self, metrics: tuple[str, str]) -> tuple[tuple[float, float], ...]:
        """Return its operating points in the plane of two metrics, those that are finite."""
        pairs = zip(*(self.values.get(metric, ()) for metric in metrics), strict=True)
        return tuple(
            (x, y)
            for x, y in pairs
            if x is not None and y is not None and math.isfinite(x) and math.isfinite(y)
        )


@dataclass(frozen=True)
class Against:
    """A front against a rival.

    Attributes:
        dominated: members of the front that one of the rival's operating points dominates; None
            where the rival lacks an objective.
        quality: the PSNR at which rates are compared; None where the objectives have none.
        rate: by how much more rate the front needs, in percent; None where that cannot be told.
        interval: 95 %, over clouds; None where it cannot be told.
        clouds: how many.
        why: why there is no rate, or no interval; empty where there are both.
    """

    dominated: tuple[TrialRecord, ...] | None
    quality: str | None = None
    rate: BdDelta | None = None
    interval: Interval | None = None
    clouds: int = 0
    why: str = ""


def against(study: JudgedStudy, rival: Rival, measured: ByTrial) -> Against:
    """Compare a study's front with a rival.

    Args:
        study: its trials.
        rival: measured on its validation clouds.
        measured: results of the front's members by cloud, for the interval.
    """
    dominated, quality = dominated_by(study, rival), quality_of(study.objectives)
    clouds = len(rival.results[0])
    if quality is None or not study.front:
        return Against(dominated, clouds=clouds)
    ours = curve("the front", np.array([[r.final[RATE], r.final[quality]] for r in study.front]))
    try:
        theirs = _curve(rival, quality)
        rate = bd_rate_percent(theirs, ours)
    except StudyError as error:
        return Against(dominated, quality, clouds=clouds, why=str(error))
    found, why = _interval(study, rival, measured, quality)
    return Against(dominated, quality, rate, found, clouds, why)


def dominated_by(study: JudgedStudy, rival: Rival) -> tuple[TrialRecord, ...] | None:
    """Return the members of a front that an operating point of a rival dominates, in its order.

    None where the rival lacks an objective. An operating point that lacks one dominates nothing.
    """
    columns = [rival.values.get(objective.metric, ()) for objective in study.objectives]
    rows = [row for row in zip(*columns, strict=False) if None not in row]
    if not rows:
        return None
    theirs = to_minimisation(np.array(rows, dtype=np.float64), study.objectives)
    return tuple(
        record
        for record, row in zip(study.front, study.front_losses, strict=True)
        if ((theirs <= row).all(axis=1) & (theirs < row).any(axis=1)).any()
    )


def rates_at(rival: Rival, quality: str, wanted: Sequence[float]) -> list[float | None]:
    """Return the rate that a rival needs for each quality, straight over the logarithm of the rate.

    None where it is measured at no such quality.
    """
    try:
        known = _curve(rival, quality)
    except StudyError:
        return [None] * len(wanted)
    logs = np.interp(wanted, known.psnr_db, np.log(known.bpp), left=math.nan, right=math.nan)
    return [None if math.isnan(log) else math.exp(log) for log in logs.tolist()]


def _curve(rival: Rival, quality: str) -> RateCurve:
    """Return what of a rival rises; it raises StudyError where nothing is known."""
    places = np.array(rival.places((RATE, quality))).reshape(-1, 2)
    if not len(places):
        raise StudyError(f"{quality} of {rival.name} is not known")
    return curve(rival.name, places)


def _interval(
    study: JudgedStudy, rival: Rival, measured: ByTrial, quality: str
) -> tuple[Interval | None, str]:
    """Return the interval of the difference in rate, or why there is none."""
    names = [result.cloud for result in rival.results[0]]
    ours = [measured.get(record.number, ()) for record in study.front]
    if any([result.cloud for result in each] != names for each in ours):
        return None, "the trials' values by cloud were not kept"
    if len(names) < FEWEST_CLOUDS:
        return None, f"{len(names)} clouds are too few"
    tables = [_table(some, quality) for some in (rival.results, ours)]
    if any(table is None for table in tables):
        return None, f"{quality} of some clouds is infinite or not known"
    random = np.random.default_rng(SEED)
    drawn = np.full(RESAMPLES, np.nan)
    for place in range(RESAMPLES):
        chosen = random.integers(len(names), size=len(names))
        theirs, mine = (_pooled(table, chosen) for table in tables if table is not None)
        try:
            drawn[place] = bd_rate_percent(theirs, mine).value
        except StudyError:
            continue
    found = interval(drawn, _level(len(names)))
    return found, "" if found else "too few of the resamples could be compared"


def _level(clouds: int) -> float:
    """Return which share of the resamples gives a 95 % interval: more of them for few clouds.

    T. Hesterberg, "What Teachers Should Know About the Bootstrap", 2015, section 4.1: percentiles
    that are expanded as Student's t is wider than a normal distribution, and by n / (n - 1).
    """
    t = float(stdtrit(clouds - 1, (1 + LEVEL) / 2))
    return 1 - 2 * float(ndtr(-t * math.sqrt(clouds / (clouds - 1))))


def _table(points: Sequence[Sequence[CloudResult]], quality: str) -> Table | None:
    """Return bits, points and quality of each operating point and cloud; None where one lacks."""
    rows = [
        [(each.counts.get(RATE), each.points, each.values.get(quality)) for each in same]
        for same in points
    ]
    table = np.array(rows, dtype=np.float64)
    return table if np.isfinite(table).all() else None


def _pooled(table: Table, chosen: NDArray[np.int64]) -> RateCurve:
    """Return the curve of the clouds chosen: bits over points, and the mean of the quality."""
    bits, points, quality = np.moveaxis(table[:, chosen], 2, 0)
    return curve(
        "resampled", np.stack([bits.sum(axis=1) / points.sum(axis=1), quality.mean(axis=1)], axis=1)
    )
