"""Which trial of a study is taken home: the choice of one point of the front."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from study.errors import StudyError
from study.fronts.front import front, to_minimisation
from study.records import TrialState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from study.fronts.front import Objective
    from study.records import TrialRecord

RATE, QUALITY = "bpp", "d1_psnr_db"


@dataclass(frozen=True)
class Wish:
    """How an operating point is chosen; exactly one of the four is given.

    Attributes:
        trial: this trial, on the front or not.
        knee: the knee of the front, see :func:`knee`.
        max_bpp: the best D1 PSNR of those that need no more bits per input point than this.
        min_psnr_db: the lowest rate of those that reach this D1 PSNR.
    """

    trial: int | None = None
    knee: bool = False
    max_bpp: float | None = None
    min_psnr_db: float | None = None


def choose(
    records: Sequence[TrialRecord], objectives: Sequence[Objective], wish: Wish
) -> TrialRecord:
    """Return the trial that a wish means.

    Raises:
        StudyError: no trial qualifies; the sentence says what the front offers.
    """
    if wish.trial is not None:
        return _numbered(records, wish.trial)
    best = front(records, objectives)
    if not best:
        raise StudyError(
            "an operating point is chosen from the front, and the front is empty: none of the "
            f"{len(records)} trials is complete{_and_feasible(records)}; wait for one, or run a "
            "longer study"
        )
    if wish.max_bpp is not None:
        measured = _measured(best)
        within = [record for record in measured if record.final[RATE] <= wish.max_bpp]
        if not within:
            lowest = min(measured, key=lambda record: record.final[RATE])
            raise StudyError(
                f"no point of the front needs at most {wish.max_bpp:g} bpp; the lowest rate there "
                f"is {_describe(lowest)}"
            )
        return max(within, key=lambda record: record.final[QUALITY])
    if wish.min_psnr_db is not None:
        measured = _measured(best)
        reaching = [record for record in measured if record.final[QUALITY] >= wish.min_psnr_db]
        if not reaching:
            highest = max(measured, key=lambda record: record.final[QUALITY])
            raise StudyError(
                f"no point of the front reaches {wish.min_psnr_db:g} dB D1 PSNR; the best there is "
                f"{_describe(highest)}"
            )
        return min(reaching, key=lambda record: record.final[RATE])
    return knee(best, objectives)


def knee(best: Sequence[TrialRecord], objectives: Sequence[Objective]) -> TrialRecord:
    """Return the front's knee: where giving up more of one objective stops buying much of another.

    Every objective is scaled to [0, 1] over the front, 0 the best, so that units do not matter.
    Of two objectives the ends of the front then lie at (0, 1) and (1, 0), and the knee is the
    member farthest below the chord between them (the normal-boundary intersection of Das, 1999),
    at the distance ``(1 - x - y) / sqrt(2)``: the least sum of the scaled objectives. Of more
    objectives it is the least sum too: the member farthest below the plane in which they trade
    evenly. The ends, each the best in one objective, are taken only where there is nothing between
    them; a tie goes to the better first objective. An example: (0.5 bpp, 30 dB), (1 bpp, 38 dB),
    (2.5 bpp, 40 dB) becomes (0, 1), (0.25, 0.2), (1, 0), and the knee is the second.

    Args:
        best: the front, best first objective first, at least one.
        objectives: what spans it.
    """
    losses = to_minimisation([[r.final[o.metric] for o in objectives] for r in best], objectives)
    low, high = losses.min(axis=0), losses.max(axis=0)
    # An objective in which all are equal tells nothing, and must not divide by zero.
    sums = ((losses - low) / np.where(high > low, high - low, 1.0)).sum(axis=1)
    ends = set(losses.argmin(axis=0).tolist())
    between_ends = [index for index in range(len(best)) if index not in ends] or range(len(best))
    return best[min(between_ends, key=lambda index: sums[index])]


def _measured(best: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return those whose rate and quality are known, or refuse to choose by them."""
    measured = [record for record in best if {RATE, QUALITY} <= record.final.keys()]
    if not measured:
        raise StudyError(
            f"a point is chosen by {RATE} and {QUALITY}, and no trial of the front has both "
            "measured; take the knee, or a trial by its number"
        )
    return measured


def _numbered(records: Sequence[TrialRecord], number: int) -> TrialRecord:
    for record in records:
        if record.number != number:
            continue
        if record.state is TrialState.COMPLETE:
            return record
        raise StudyError(
            f"only a complete trial can be chosen, for only its codec was measured, and trial "
            f"{number} is {record.state.value}; {_complete(records)}"
        )
    raise StudyError(f"there is no trial {number} in this study; {_complete(records)}")


def _complete(records: Sequence[TrialRecord]) -> str:
    numbers = [str(r.number) for r in records if r.state is TrialState.COMPLETE]
    return f"choose one of {', '.join(numbers)}" if numbers else "none is complete yet"


def _and_feasible(records: Sequence[TrialRecord]) -> str:
    return " and feasible" if any(not record.feasible for record in records) else ""


def _describe(record: TrialRecord) -> str:
    rate, quality = record.final[RATE], record.final[QUALITY]
    return f"trial {record.number} with {rate:.3f} bpp and {quality:.2f} dB"
