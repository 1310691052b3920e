"""The front and its hypervolume against closed forms and naive twins."""

from __future__ import annotations

import dataclasses
import math
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest

from study.base.errors import StudyError
from study.base.records import EpochRecord, TrialRecord, TrialState
from study.fronts.front import Direction, Objective, to_minimisation
from study.fronts.judged import JudgedStudy

if TYPE_CHECKING:
    from collections.abc import Sequence

RATE = Objective("bpp", Direction.MINIMIZE, reference=2.0)
QUALITY = Objective("d1_psnr_db", Direction.MAXIMIZE, reference=30.0)
BOTH = (RATE, QUALITY)


def trial(
    number: int, bpp: float, psnr_db: float, state: TrialState = TrialState.COMPLETE
) -> TrialRecord:
    """Return a trial with these final values."""
    return TrialRecord(
        number=number, state=state, params={}, final={"bpp": bpp, "d1_psnr_db": psnr_db}
    )


def numbers(records: Sequence[TrialRecord]) -> list[int]:
    """Return the trials' numbers in order."""
    return [record.number for record in records]


def dominates(a: TrialRecord, b: TrialRecord) -> bool:
    """Say by the definition whether `a` is no worse in both values and better in one."""
    rate_a, rate_b = a.final["bpp"], b.final["bpp"]
    db_a, db_b = a.final["d1_psnr_db"], b.final["d1_psnr_db"]
    return rate_a <= rate_b and db_a >= db_b and (rate_a < rate_b or db_a > db_b)


def staircase_area(records: list[TrialRecord]) -> float:
    """Return the dominated area by sweeping the rate axis, one column between two rates."""
    inside = [r for r in records if r.final["bpp"] < 2.0 and r.final["d1_psnr_db"] > 30.0]
    edges = sorted({r.final["bpp"] for r in inside} | {2.0})
    return sum(
        (right - left)
        * (max(r.final["d1_psnr_db"] for r in inside if r.final["bpp"] <= left) - 30.0)
        for left, right in pairwise(edges)
    )


def random_trials(seed: int, count: int) -> list[TrialRecord]:
    """Return trials on a coarse grid, so that ties and duplicates occur."""
    generator = np.random.default_rng(seed)
    rates = generator.integers(2, 26, count) / 10
    quality = generator.integers(28, 42, count)
    return [trial(i, float(rates[i]), float(quality[i])) for i in range(count)]


def test_front_by_hand() -> None:
    records = [
        trial(0, 1.2, 36.5),
        trial(1, 0.5, 35.4),
        trial(2, 0.6, 35.0),  # 1 is cheaper and better
        trial(3, 1.5, 36.5),  # 0 is cheaper and as good
        trial(4, 1.4, 38.0),
    ]
    assert numbers(JudgedStudy(records, BOTH).front) == [1, 0, 4]


def test_equal_trials_are_both_on_the_front() -> None:
    records = [trial(0, 1.0, 36.0), trial(1, 1.0, 36.0), trial(2, 1.0, 35.0)]
    assert numbers(JudgedStudy(records, BOTH).front) == [0, 1]


@pytest.mark.parametrize("state", [s for s in TrialState if s is not TrialState.COMPLETE])
def test_only_complete_trials_take_part(state: TrialState) -> None:
    records = [trial(0, 1.0, 36.0), trial(1, 0.1, 60.0, state)]
    assert numbers(JudgedStudy(records, BOTH).front) == [0]
    assert JudgedStudy(records, BOTH).hypervolume == pytest.approx(1.0 * 6.0)


def test_estimates_of_the_epochs_are_never_the_front() -> None:
    unmeasured = TrialRecord(
        number=1,
        state=TrialState.COMPLETE,
        params={},
        epochs=(EpochRecord(1, {"bpp": 0.1, "bpp_estimated": 0.1, "d1_psnr_db": 60.0}),),
    )
    assert numbers(JudgedStudy([trial(0, 1.0, 36.0), unmeasured], BOTH).front) == [0]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_non_finite_values_are_left_out(bad: float) -> None:
    records = [trial(0, 1.0, 36.0), trial(1, bad, 40.0), trial(2, 0.5, bad)]
    assert numbers(JudgedStudy(records, BOTH).front) == [0]
    assert JudgedStudy(records, BOTH).hypervolume == pytest.approx(6.0)


def test_nothing_gives_nothing() -> None:
    assert JudgedStudy([], BOTH).front == ()
    assert JudgedStudy([], BOTH).hypervolume == 0.0


@pytest.mark.parametrize("seed", range(5))
def test_front_agrees_with_the_definition(seed: int) -> None:
    records = random_trials(seed, count=60)
    expected = {b.number for b in records if not any(dominates(a, b) for a in records)}
    found = JudgedStudy(records, BOTH).front
    assert set(numbers(found)) == expected
    rates = [r.final["bpp"] for r in found]
    assert rates == sorted(rates)


@pytest.mark.parametrize("seed", range(5))
def test_hypervolume_agrees_with_the_staircase(seed: int) -> None:
    records = random_trials(seed, count=40)
    assert JudgedStudy(records, BOTH).hypervolume == pytest.approx(
        staircase_area(records), rel=1e-12
    )


def test_hypervolume_in_closed_form() -> None:
    first, second = trial(0, 0.5, 35.0), trial(1, 1.0, 38.0)
    assert JudgedStudy([first], BOTH).hypervolume == pytest.approx(1.5 * 5.0)
    assert JudgedStudy([first, second], BOTH).hypervolume == pytest.approx(1.5 * 5.0 + 1.0 * 3.0)
    assert JudgedStudy([trial(0, 2.0, 60.0), trial(1, 0.1, 30.0)], BOTH).hypervolume == 0.0


def test_hypervolume_and_front_ignore_the_order_and_dominated_trials() -> None:
    records = random_trials(7, count=30)
    assert JudgedStudy(records[::-1], BOTH).hypervolume == pytest.approx(
        JudgedStudy(records, BOTH).hypervolume
    )
    assert JudgedStudy(JudgedStudy(records, BOTH).front, BOTH).hypervolume == pytest.approx(
        JudgedStudy(records, BOTH).hypervolume
    )


def test_the_order_of_the_objectives_decides_the_order_of_the_front() -> None:
    records = [trial(0, 0.5, 35.0), trial(1, 1.0, 38.0)]
    assert numbers(JudgedStudy(records, (QUALITY, RATE)).front) == [1, 0]


def test_signs_flip_for_maximised_objectives_only_and_the_input_stays() -> None:
    values = np.array([[0.5, 35.0], [1.0, 38.0]])
    values.setflags(write=False)
    np.testing.assert_array_equal(to_minimisation(values, BOTH), [[0.5, -35.0], [1.0, -38.0]])


def test_direction_and_reference_have_no_default() -> None:
    assert all(
        f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        for f in dataclasses.fields(Objective)
    )
    with pytest.raises(StudyError, match=r"reference of objective 'bpp' must be a finite number"):
        Objective("bpp", Direction.MINIMIZE, reference=math.nan)


def test_what_breaks_a_constraint_is_on_no_front_and_adds_no_volume() -> None:
    kept, better = trial(0, 1.0, 35.0), trial(1, 0.5, 36.0)
    records = [kept, dataclasses.replace(better, feasible=False)]
    assert JudgedStudy(records, BOTH).front == (kept,)
    assert JudgedStudy(records, BOTH).hypervolume == JudgedStudy([kept], BOTH).hypervolume
