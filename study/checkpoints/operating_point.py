"""Which trial of a study is taken home: the choice of one point of the front."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from study.base.errors import StudyError
from study.base.records import TrialState
from study.fronts.feasible import told_of_nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from study.base.records import TrialRecord
    from study.fronts.judged import JudgedStudy

RATE, QUALITY = "bpp", "d1_psnr_db"


@dataclass(frozen=True)
class Wish:
    """How an operating point is chosen; exactly one of the four is given.

    Attributes:
        trial: this trial, on the front or not.
        knee: the knee of the front, see :func:`study.fronts.points.knee_row`.
        max_bpp: the best D1 PSNR of those that need no more bits per input point than this.
        min_psnr_db: the lowest rate of those that reach this D1 PSNR.
    """

    trial: int | None = None
    knee: bool = False
    max_bpp: float | None = None
    min_psnr_db: float | None = None


def choose(study: JudgedStudy, wish: Wish) -> TrialRecord:
    """Return the trial that a wish means.

    Raises:
        StudyError: no trial qualifies; the sentence says what the front offers.
    """
    if wish.trial is not None:
        return _numbered(study.records, wish.trial)
    best = study.front
    if study.knee is None:
        raise StudyError(
            "an operating point is chosen from the front, and the front is empty: "
            f"{_why_empty(study)}"
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
    return study.knee


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


def _why_empty(study: JudgedStudy) -> str:
    records = study.records
    if nearest := study.least_infeasible:
        told = told_of_nearest(nearest, study.constraints)
        return f"{told}; take it by its number, or loosen the bound in a new study"
    feasible = " and feasible" if any(not record.feasible for record in records) else ""
    return (
        f"none of the {len(records)} trials is complete{feasible}; wait for one, or run a longer "
        "study"
    )


def _describe(record: TrialRecord) -> str:
    rate, quality = record.final[RATE], record.final[QUALITY]
    return f"trial {record.number} with {rate:.3f} bpp and {quality:.2f} dB"
