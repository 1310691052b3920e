"""Gaps, growth and the setting that moves along a front: worked examples and naive twins."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.stats import spearmanr

from study.base.records import TrialRecord, TrialState
from study.fronts.front import Direction, Objective
from study.fronts.gaps import late_growth
from study.fronts.growth import Step
from study.fronts.judged import JudgedStudy

OBJECTIVES = (
    Objective("bpp", Direction.MINIMIZE, reference=5.0),
    Objective("d1_psnr_db", Direction.MAXIMIZE, reference=20.0),
    Objective("decode_s", Direction.MINIMIZE, reference=9.0),
)
PLANE = OBJECTIVES[:2]


def trials(*values: tuple[float, ...], **params: list[float]) -> list[TrialRecord]:
    names = [objective.metric for objective in OBJECTIVES]
    return [
        TrialRecord(
            number,
            TrialState.COMPLETE,
            {f"loss.{name}": column[number] for name, column in params.items()},
            final=dict(zip(names, of, strict=False)),
        )
        for number, of in enumerate(values)
    ]


def test_the_example_of_the_docstring() -> None:
    found = JudgedStudy(trials((1.0, 38.0), (0.5, 30.0), (2.5, 40.0)), PLANE).gaps
    assert [(gap.better.number, gap.worse.number) for gap in found] == [(1, 0), (0, 2)]
    assert [gap.share for gap in found] == pytest.approx([1.05 / 2, 0.95 / 2])
    assert not any(gap.is_wide for gap in found)


def test_of_two_objectives_gaps_are_between_neighbours_along_the_rate(seed: int) -> None:
    random = np.random.default_rng(seed)
    rates, qualities = np.sort(random.random((2, 40)), axis=1)
    order = random.permutation(40)
    found = JudgedStudy(trials(*zip(rates[order], qualities[order], strict=True)), PLANE).gaps
    steps = [np.diff(column) / np.ptp(column) for column in (rates, qualities)]
    naive = sorted(((steps[0] + steps[1]) / 2).tolist(), reverse=True)
    assert [gap.share for gap in found] == pytest.approx(naive)
    assert sum(naive) == pytest.approx(1.0)
    by_rate = {rate: at for at, rate in enumerate(rates)}
    for gap in found:
        assert by_rate[gap.worse.final["bpp"]] - by_rate[gap.better.final["bpp"]] == 1


def test_of_three_objectives_they_are_the_shortest_tree(seed: int) -> None:
    points = np.random.default_rng(seed).dirichlet((1.0, 1.0, 1.0), size=60)  # None dominates.
    found = JudgedStudy(trials(*(points * (1.0, -1.0, 1.0)).tolist()), OBJECTIVES).gaps
    scaled = points / np.ptp(points, axis=0)
    tree = minimum_spanning_tree(np.abs(scaled[:, None] - scaled[None]).sum(axis=2)).data
    assert [gap.share for gap in found] == pytest.approx(np.sort(tree / tree.sum())[::-1].tolist())


def test_units_do_not_matter() -> None:
    values = [(0.5, 30.0), (0.6, 34.0), (1.0, 35.0), (1.4, 39.0)]
    in_other_units = [(1000 * bpp, psnr / 10 + 5) for bpp, psnr in values]
    shares = [
        [g.share for g in JudgedStudy(trials(*some), PLANE).gaps]
        for some in (values, in_other_units)
    ]
    assert shares[0] == pytest.approx(shares[1])


def test_a_hole_is_wide_and_evenly_spread_points_leave_none() -> None:
    even = [(0.5 + 0.1 * step, 30.0 + step) for step in range(10)]
    assert not any(gap.is_wide for gap in JudgedStudy(trials(*even), PLANE).gaps)
    widest, *others = JudgedStudy(trials(*even[:4], *even[7:]), PLANE).gaps
    assert (widest.better.final["bpp"], widest.worse.final["bpp"]) == (even[3][0], even[7][0])
    assert widest.share == pytest.approx(4 / 9)
    assert [gap.is_wide for gap in (widest, *others)] == [True, *(False for _ in others)]
    (only,) = JudgedStudy(trials(even[0], even[-1]), PLANE).gaps
    assert (only.share, only.is_wide) == (1.0, False)  # There is no other that it is wider than.


def test_fronts_without_gaps() -> None:
    assert JudgedStudy([], PLANE).gaps == ()
    assert JudgedStudy(trials((1.0, 30.0)), PLANE).gaps == ()
    (gap,) = JudgedStudy(trials((1.0, 30.0), (1.0, 30.0)), PLANE).gaps
    assert (gap.share, gap.is_wide) == (0.0, False)


def steps(*volumes: float) -> list[Step]:
    return [Step(n, n + 1, 5 * n, volume, 1) for n, volume in enumerate(volumes)]


def test_the_last_quarter_is_what_growth_is_judged_by() -> None:
    grown = late_growth(steps(1, 2, 3, 4, 5, 8, 9, 10))
    assert grown is not None
    assert (grown.trials, grown.ended) == (2, 8)
    assert grown.gained == pytest.approx(0.2)
    assert grown.goes_on
    still = late_growth(steps(1, 2, 3, 4, 5, 10, 10, 10.0))
    assert still is not None
    assert (still.gained, still.goes_on) == (0.0, False)


def test_few_trials_and_no_volume_tell_nothing() -> None:
    assert late_growth([]) is None
    assert late_growth(steps(*range(7))) is None
    assert late_growth(steps(*[0.0] * 12)) is None


def test_the_moving_setting_is_the_one_of_the_highest_rank_correlation(seed: int) -> None:
    random = np.random.default_rng(seed)
    rates = random.random(30)
    noisy = (rates**3 + random.normal(0, 0.1, 30)).round(1)  # Ties.
    columns = {"noise": random.random(30).tolist(), "bpp_lambda": noisy.tolist()}
    found = JudgedStudy(trials(*((rate, 30.0) for rate in rates), **columns), PLANE).moving_setting
    assert found is not None
    assert found[0] == "loss.bpp_lambda"
    assert found[1] == pytest.approx(spearmanr(noisy, rates).statistic)


def test_settings_that_tell_nothing_are_left_out() -> None:
    values = [(1.0, 30.0), (2.0, 31.0), (3.0, 32.0), (4.0, 33.0)]
    assert JudgedStudy(trials(*values), PLANE).moving_setting is None
    assert (
        JudgedStudy(
            trials(*values, same=[1.0] * 4, flag=[True, False, True, True]), PLANE
        ).moving_setting
        is None
    )
    assert JudgedStudy(trials(*values[:3], few=[1.0, 2.0, 3.0]), PLANE).moving_setting is None
