"""Two fronts: a known shift is found exactly, a naive bootstrap agrees, and the interval covers."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np
import pytest

from study.base.errors import StudyError
from study.base.records import TrialRecord, TrialState
from study.fronts.comparing import (
    Difference,
    bootstrap,
    curve,
    difference,
    dominated,
    interval,
    leads,
    plane_of,
    quality_of,
    shared_objectives,
)
from study.fronts.front import Direction, Objective
from study.fronts.judged import JudgedStudy
from study.metrics import RateCurve, bd_psnr_db, bd_rate_percent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

RATE = Objective("bpp", Direction.MINIMIZE, reference=5.0)
QUALITY = Objective("d1_psnr_db", Direction.MAXIMIZE, reference=20.0)
PLANE = (RATE, QUALITY)
NAMES = ("a", "b")


def trials(values: Values) -> list[TrialRecord]:
    return [
        TrialRecord(number, TrialState.COMPLETE, {}, final={"bpp": bpp, "d1_psnr_db": psnr})
        for number, (bpp, psnr) in enumerate(values.tolist())
    ]


def drawn(random: np.random.Generator, count: int, scale: float = 1.0) -> Values:
    """Trials of a random search: 4 dB an octave at best, most of them worse."""
    rates = np.exp(random.uniform(np.log(0.5), np.log(2.0), count))
    quality = 30 + 4 * np.log2(rates / 0.5) - random.exponential(1.0, count)
    return np.column_stack((scale * rates, quality))


def compared(a: Values, b: Values) -> Difference:
    planes = tuple(plane_of(JudgedStudy(trials(each), PLANE), "d1_psnr_db") for each in (a, b))
    return difference(NAMES, (planes[0], planes[1]), "d1_psnr_db")


def test_ten_percent_less_rate_are_ten_percent(seed: int) -> None:
    a = drawn(np.random.default_rng(seed), 60)
    found = compared(a, a * (0.9, 1.0))
    assert found.rate.value == pytest.approx(-10.0)
    assert found.rate.share == 1.0
    assert found.rate_interval is not None
    assert found.rate_interval.low < -10.0 < found.rate_interval.high


def test_a_decibel_more_is_a_decibel(seed: int) -> None:
    a = drawn(np.random.default_rng(seed), 60)
    found = compared(a, a + np.array([0.0, 1.0]))
    assert found.psnr.value == pytest.approx(1.0)
    assert found.psnr_interval is not None
    assert found.psnr_interval.low < 1.0 < found.psnr_interval.high


def test_the_same_fronts_have_the_same_interval(seed: int) -> None:
    a, b = (drawn(np.random.default_rng(seed + n), 40) for n in range(2))
    assert compared(a, b) == compared(a, b)


def test_the_bootstrap_is_that_of_a_naive_twin(seed: int) -> None:
    """Lists, loops and another generator: the same distribution within what 300 resamples tell."""
    a, b = (drawn(np.random.default_rng(seed + n), 60, 1 - 0.2 * n) for n in range(2))
    fast = bootstrap((a, b), [bd_rate_percent, bd_psnr_db], resamples=300)
    naive = []
    dice = random.Random(seed)  # noqa: S311
    for _ in range(300):
        curves = []
        for points in (a.tolist(), b.tolist()):
            taken = [dice.choice(points) for _ in points]
            best = sorted(
                {
                    (bpp, psnr)
                    for bpp, psnr in taken
                    if not any(r <= bpp and q >= psnr and (r, q) != (bpp, psnr) for r, q in taken)
                }
            )
            curves.append(RateCurve("n", *zip(*best, strict=True)))
        first, second = curves
        naive.append([bd_rate_percent(first, second).value, bd_psnr_db(first, second).value])
    quartiles = [np.quantile(each, [0.25, 0.5, 0.75], axis=0) for each in (fast, naive)]
    spread = [q[2] - q[0] for q in quartiles]
    # The standard error of a median of 300 is 0.054 of the distance between the quartiles.
    assert (np.abs(quartiles[0][1] - quartiles[1][1]) < 0.4 * spread[0]).all()
    assert spread[1] == pytest.approx(spread[0], rel=0.5)


def test_the_interval_covers_the_truth() -> None:
    """Of studies that differ by 10 % of rate, in at least 95 of 100, give or take what 40 tell.

    By symmetry the logarithm of the average is right in the mean. Longer runs: docs/decisions/0023.
    """
    random = np.random.default_rng(7)
    covered = 0
    for _ in range(40):
        planes = (drawn(random, 40), drawn(random, 40, 0.9))
        found = interval(bootstrap(planes, [bd_rate_percent], resamples=50)[:, 0])
        assert found is not None
        covered += found.low <= -10.0 <= found.high
    assert covered >= 37


def test_worked_examples_of_domination_and_volume() -> None:
    a = trials(np.array([(1.0, 30.0), (2.0, 34.0), (3.0, 35.0), (4.0, 33.0)]))
    b = trials(np.array([(0.9, 31.0), (2.0, 34.0), (3.5, 34.5)]))
    first, second = JudgedStudy(a, PLANE), JudgedStudy(b, PLANE)
    assert [record.number for record in dominated(first, second)] == [0]
    assert [record.number for record in dominated(second, first)] == [2]
    elsewhere = (Objective("bpp", Direction.MINIMIZE, reference=2.5), QUALITY)
    assert JudgedStudy(a, elsewhere).hypervolume == pytest.approx(0.5 * 14 + 1.0 * 10)


def test_who_leads_where() -> None:
    """B is better below 2 bpp, where the two straight lines over the octaves cross."""
    a = RateCurve("a", (1.0, 2.0, 4.0), (30.0, 36.0, 42.0))
    b = RateCurve("b", (0.5, 4.0), (30.0, 39.0))
    first, second = leads(a, b)
    assert (first.second, second.second) == (True, False)
    assert (first.low, second.high) == pytest.approx((1.0, 4.0))
    assert first.high == pytest.approx(2.0, rel=0.01)
    assert first.mean_db == pytest.approx(1.5, rel=0.05)  # From 3 dB to none.
    assert second.mean_db == pytest.approx(1.5, rel=0.05)
    assert leads(a, a) == []
    assert leads(a, RateCurve("far", (5.0, 9.0), (30.0, 40.0))) == []


def test_a_front_becomes_a_curve_that_rises(seed: int) -> None:
    values = np.random.default_rng(seed).integers(1, 8, (30, 2)).astype(float)  # Many are equal.
    records = trials(values)
    best = {(r.final["bpp"], r.final["d1_psnr_db"]) for r in JudgedStudy(records, PLANE).front}
    found = curve("c", values)
    assert list(zip(found.bpp, found.psnr_db, strict=True)) == sorted(best)


def test_what_cannot_be_compared_is_refused() -> None:
    random = np.random.default_rng(3)
    a = drawn(random, 40)
    with pytest.raises(StudyError, match=r"must have 4 points or more.*'b' has 1"):
        compared(a, a[:1])
    with pytest.raises(StudyError, match=r"two curves must overlap.*'b' from"):
        compared(a, a + np.array([0.0, 20.0]))
    a = np.column_stack((np.arange(1.0, 11.0), np.arange(30.0, 40.0)))
    with pytest.raises(StudyError, match=r"'a' and 'b' share 38 to 39 dB, 6% of it"):
        compared(a, a + np.array([0.0, 8.0]))


def test_an_interval_of_few_resamples_is_none() -> None:
    assert interval(np.array([1.0] * 8 + [np.nan] * 2)) is None
    found = interval(np.array([*np.linspace(0.0, 1.0, 19), np.nan]))
    assert found is not None
    assert (found.low, found.high, found.resamples) == pytest.approx((0.025, 0.975, 19))


def test_both_studies_must_have_the_same_objectives() -> None:
    time = Objective("decode_s", Direction.MINIMIZE, reference=1.0)
    nearer = Objective("bpp", Direction.MINIMIZE, reference=2.0)
    assert shared_objectives(PLANE, (QUALITY, nearer), NAMES) == PLANE
    with pytest.raises(
        StudyError, match=r"'a' has minimize bpp, .* and 'b' minimize bpp, minimize"
    ):
        shared_objectives(PLANE, (RATE, time), NAMES)
    assert quality_of(PLANE) == "d1_psnr_db"
    assert quality_of((RATE, time)) is None
