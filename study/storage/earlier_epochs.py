"""Which epochs of complete trials no epoch of another beats, and which of their codecs are kept.

A trial's last epoch is its best in quality as a rule, and not always the best bargain: rate settles
first, and grows again as quality does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import moocore
import numpy as np

from study.fronts.front import to_minimisation
from study.fronts.measures import epoch_values, epoch_violation
from study.records import TrialState
from study.training.codec_files import codec_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from study.fronts.front import Objective
    from study.fronts.measures import Constraint
    from study.records import TrialRecord

    Key = tuple[int, int]
    """Trial and epoch."""
    Points = dict[Key, NDArray[np.float64]]
    """Values to minimise, (objectives,), by trial and epoch."""


@dataclass(frozen=True)
class Candidate:
    """An earlier epoch of a complete trial that is on the front over all epochs, and kept.

    Attributes:
        trial, epoch: which.
        values: estimates of the objectives, in their order.
        path: the codec's file.
    """

    trial: int
    epoch: int
    values: tuple[float, ...]
    path: Path


def candidates(
    codecs: Path,
    records: Sequence[TrialRecord],
    objectives: Sequence[Objective],
    constraints: Sequence[Constraint] = (),
) -> list[Candidate]:
    """Return the earlier epochs that are on the front over all epochs, and are kept.

    Those that add most to the front come first.

    Args:
        codecs: the folder of the study's codecs.
        records: its trials, of which the complete ones take part.
        objectives: what spans the front.
        constraints: what a codec must keep to, or it is not on the front.
    """
    if not codecs.is_dir():
        return []
    complete = [record for record in records if record.state is TrialState.COMPLETE]
    points: Points = {}
    for record in complete:
        points |= points_of_complete(record, objectives, constraints)
    last = {(record.number, record.epochs[-1].epoch) for record in complete if record.epochs}
    best = front_of(points)
    if not best:
        return []
    reference = to_minimisation([o.reference for o in objectives], objectives)
    added = moocore.hv_contributions(np.stack(list(best.values())), ref=reference)
    order = sorted(zip(-added, best, strict=True))
    found = []
    for trial, epoch in (key for _, key in order):
        path = codec_file(codecs, trial, epoch)
        if (trial, epoch) not in last and path.exists():
            values = to_minimisation(best[trial, epoch], objectives)  # The sign back again.
            found.append(Candidate(trial, epoch, tuple(values.tolist()), path))
    return found


def points_of(
    record: TrialRecord, objectives: Sequence[Objective], constraints: Sequence[Constraint]
) -> Points:
    """Return the estimates of a trial's epochs that may be on a front."""
    points: Points = {}
    for epoch in record.epochs:
        values = epoch_values(epoch.metrics, objectives)
        if values is None or not all(map(math.isfinite, values)):
            continue
        if epoch_violation(epoch.metrics, constraints) <= 0:
            points[record.number, epoch.epoch] = to_minimisation(values, objectives)
    return points


def points_of_complete(
    record: TrialRecord, objectives: Sequence[Objective], constraints: Sequence[Constraint]
) -> Points:
    """Return `points_of` a complete trial, without its last epoch if the codec breaks a bound."""
    points = points_of(record, objectives, constraints)
    if not record.feasible and record.epochs:
        points.pop((record.number, record.epochs[-1].epoch), None)
    return points


def front_of(points: Points) -> Points:
    """Return the points that no other dominates; equals stay together."""
    if len(points) < 2:
        return points
    best = moocore.is_nondominated(np.stack(list(points.values())), keep_weakly=True)
    return {key: points[key] for key, is_best in zip(points, best, strict=True) if is_best}
