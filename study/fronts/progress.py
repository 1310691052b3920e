"""How a study's front grew: what each trial that ended added to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from study.fronts.dominance import nondominated, volume
from study.fronts.front import candidates, to_minimisation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from study.fronts.front import Objective
    from study.records import TrialRecord


class Step(NamedTuple):
    """How a study stood when a trial had ended.

    Attributes:
        trial: the one that ended.
        ended: trials that had ended, with it, however they did.
        epochs: what they had trained, together. Those still in training count when they end.
        hypervolume: of the front, see `study.fronts.front.hypervolume`.
        front_size: trials on it.
    """

    trial: int
    ended: int
    epochs: int
    hypervolume: float
    front_size: int


def progress(records: Sequence[TrialRecord], objectives: Sequence[Objective]) -> list[Step]:
    """Return a step for each trial that has ended, in the order in which they did.

    Trials that ended at once, or at a time that was not recorded, go by their number. Only a trial
    that nobody on the front dominates changes the volume, so the volume is taken anew for those
    alone: 10,000 trials of which few are on the front take a moment.
    """
    ended = sorted(
        (record for record in records if record.state.is_final),
        key=lambda record: (record.ended_s or 0.0, record.number),
    )
    taking_part = {record.number for record in candidates(ended, objectives)}
    reference = to_minimisation([o.reference for o in objectives], objectives)
    best, covered, epochs = np.empty((0, len(objectives))), 0.0, 0
    steps = []
    for count, record in enumerate(ended, start=1):
        epochs += len(record.epochs)
        if record.number in taking_part:
            row = to_minimisation([record.final[o.metric] for o in objectives], objectives)
            dominated = (best <= row).all(axis=1) & (best < row).any(axis=1)
            if not dominated.any():
                best = np.vstack((best, row))
                best = best[nondominated(best)]
                covered = volume(best, reference)
        steps.append(Step(record.number, count, epochs, covered, len(best)))
    return steps
