"""How a study's front grew: what each trial that ended added to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from study.fronts.dominance import volume

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from study.base.records import TrialRecord


class Step(NamedTuple):
    """How a study stood when a trial had ended.

    Attributes:
        trial: the one that ended.
        ended: trials that had ended, with it, however they did.
        epochs: what they had trained, together. Those still in training count when they end.
        hypervolume: of the front, see `study.fronts.judged`.
        front_size: trials on it.
    """

    trial: int
    ended: int
    epochs: int
    hypervolume: float
    front_size: int


def progress(
    records: Iterable[TrialRecord],
    losses: Mapping[int, NDArray[np.float64]],
    reference: NDArray[np.float64],
) -> list[Step]:
    """Return a step for each trial that has ended, in the order in which they did.

    Trials that ended at once, or at a time that was not recorded, go by their number. Only a trial
    that nobody on the front dominates changes the volume, so the volume is taken anew for those
    alone: 10,000 trials of which few are on the front take a moment.

    Args:
        records: all trials.
        losses: of those that may be on the front, by number: (objectives,), to minimise.
        reference: what bounds the volume, to minimise.
    """
    ended = sorted(
        (record for record in records if record.state.is_final),
        key=lambda record: (record.ended_s or 0.0, record.number),
    )
    best, covered, epochs = np.empty((0, len(reference))), 0.0, 0
    steps = []
    for count, record in enumerate(ended, start=1):
        epochs += len(record.epochs)
        row = losses.get(record.number)
        if row is not None and not _dominates(best, row).any():
            best = np.vstack((best[~_dominates(row, best)], row))
            covered = volume(best, reference)
        steps.append(Step(record.number, count, epochs, covered, len(best)))
    return steps


def _dominates(some: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which rows dominate a point, or which a point dominates: one of the two is a row."""
    found: NDArray[np.bool_] = (some <= others).all(axis=1) & (some < others).any(axis=1)
    return found
