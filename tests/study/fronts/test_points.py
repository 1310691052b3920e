"""The points of a front that have names, by worked examples."""

from __future__ import annotations

from dataclasses import replace

from study.base.records import TrialRecord, TrialState
from study.fronts.front import Direction, Objective
from study.fronts.judged import JudgedStudy

RATE = Objective("bpp", Direction.MINIMIZE, reference=5.0)
QUALITY = Objective("d1_psnr_db", Direction.MAXIMIZE, reference=20.0)
TIME = Objective("decode_s", Direction.MINIMIZE, reference=9.0)

# The last is dominated by trial 2. Scaled over the front, the sums of the others are 1, 0.45, 1.
VALUES = [(2.5, 40.0, 3.0), (0.5, 30.0, 5.0), (1.0, 38.0, 4.0), (1.4, 33.0, 4.5)]
TRIALS = [
    TrialRecord(
        number,
        TrialState.COMPLETE,
        {},
        final=dict(zip(("bpp", "d1_psnr_db", "decode_s"), of, strict=True)),
    )
    for number, of in enumerate(VALUES)
]


def names(trials: list[TrialRecord], *objectives: Objective) -> dict[str, int]:
    return {
        name: record.number for name, record in JudgedStudy(trials, objectives).named_points.items()
    }


def test_rate_and_quality_have_plain_names() -> None:
    assert names(TRIALS, RATE, QUALITY) == {"low-rate": 1, "high-rate": 0, "knee": 2}
    assert names(TRIALS, QUALITY, RATE) == {"low-rate": 1, "high-rate": 0, "knee": 2}


def test_other_objectives_name_their_ends() -> None:
    ends = {"best-bpp": 1, "best-d1-psnr-db": 0, "best-decode-s": 0}
    assert names(TRIALS, RATE, QUALITY, TIME) == {**ends, "knee": 2}
    assert names(TRIALS, RATE) == {"best-bpp": 1, "knee": 1}


def test_copies_of_an_end_are_not_between_the_ends() -> None:
    low, high, knee = TRIALS[1], TRIALS[0], TRIALS[2]
    copies = [replace(low, number=7), replace(high, number=8)]
    plane = (RATE, QUALITY)
    assert names([low, *copies, high], *plane) == {"low-rate": 1, "high-rate": 8, "knee": 1}
    assert names([low, *copies, high, knee], *plane)["knee"] == 2
    assert set(names([low, copies[0]], *plane).values()) == {1}


def test_one_trial_has_all_names_and_none_has_none() -> None:
    assert set(names(TRIALS[:1], RATE, QUALITY).values()) == {0}
    assert names([], RATE, QUALITY) == {}
