"""Other codecs against a front: dominance, rates at equal quality and intervals in closed form."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from study.base.records import TrialRecord, TrialState
from study.fronts.front import Direction, Objective
from study.fronts.judged import JudgedStudy
from study.fronts.rivals import Rival, against, dominated_by, rates_at
from study.metrics.measurement import CloudResult
from study.report.against import standings
from study.report.standing import Rivals
from study.report.terminal import fitting_front_table, front_table

OBJECTIVES = (
    Objective("bpp", Direction.MINIMIZE, reference=4.0),
    Objective("d1_psnr_db", Direction.MAXIMIZE, reference=20.0),
)
QUALITIES = (30.0, 33.0, 36.0, 39.0, 42.0)
CLOUDS = tuple(f"cloud {number}" for number in range(8))
POINTS = 1000


def result(cloud: str, bpp: float, quality: float, **more: float) -> CloudResult:
    values = {"bpp": bpp, "d1_psnr_db": quality, **more}
    counts = {"bpp": bpp * POINTS, "points_ratio": more.get("points_ratio", 1.0) * POINTS}
    return CloudResult(cloud, POINTS, round(bpp * POINTS / 8), values, counts)


def rate(quality: float) -> float:
    """4 dB an octave."""
    return float(0.1 * 2 ** ((quality - 30) / 4))


def rival(**more: float) -> Rival:
    results = tuple(tuple(result(c, rate(q), q, **more) for c in CLOUDS) for q in QUALITIES)
    return Rival("octree", "octree", "measured bytes", tuple(map(str, QUALITIES)), results)


def trials(factor: float, qualities: tuple[float, ...] = QUALITIES) -> list[TrialRecord]:
    """Trials that need so many times the rival's rate."""
    return [
        TrialRecord(
            number=number,
            state=TrialState.COMPLETE,
            params={},
            final={"bpp": factor * rate(quality), "d1_psnr_db": quality},
        )
        for number, quality in enumerate(qualities)
    ]


def test_who_needs_more_for_the_same_is_dominated() -> None:
    other = rival()
    assert len(dominated_by(JudgedStudy(trials(1.5), OBJECTIVES), other) or ()) == 5
    assert dominated_by(JudgedStudy(trials(0.9), OBJECTIVES), other) == ()
    # Equal points do not dominate each other.
    pairs = zip(other.values["bpp"], QUALITIES, strict=True)
    equal = [
        replace(trial, final={"bpp": bpp or 0.0, "d1_psnr_db": quality})
        for trial, (bpp, quality) in zip(trials(1.0), pairs, strict=True)
    ]
    assert dominated_by(JudgedStudy(equal, OBJECTIVES), other) == ()


def test_an_operating_point_that_lacks_an_objective_dominates_nothing() -> None:
    other = rival()
    unknown = tuple(replace(each, values={"bpp": 0.0}) for each in other.results[0])
    lacking = replace(other, results=(unknown, *other.results[1:]))
    dominated = dominated_by(JudgedStudy(trials(1.5), OBJECTIVES), lacking)
    assert [record.number for record in dominated or ()] == [1, 2, 3, 4]


def test_between_its_points_a_rival_dominates_nothing() -> None:
    """A little better than the next point below, at a little less than the next above."""
    study = JudgedStudy(trials(1.01, (31.0, 34.0)), OBJECTIVES)
    assert dominated_by(study, rival()) == ()


def test_without_an_objective_nothing_can_be_told() -> None:
    three = (*OBJECTIVES, Objective("density", Direction.MINIMIZE, reference=3.0))
    found = [replace(t, final={**t.final, "density": 0.5}) for t in trials(2.0)]
    study = JudgedStudy(found, three)
    assert dominated_by(study, rival()) is None
    assert dominated_by(study, rival(density=1.0)) == ()
    assert len(dominated_by(study, rival(density=0.5)) or ()) == 5
    (told,) = standings(study, Rivals((rival(),)))
    assert told.sentence.startswith("nothing is known of its density")
    assert told.dominated is None


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.7])
def test_a_constant_factor_is_the_difference_and_its_interval(factor: float) -> None:
    """Clouds that differ in rate alone, both codecs alike, leave no doubt about a factor."""
    scales = np.linspace(0.5, 2.0, len(CLOUDS))

    def spread(times: float) -> list[tuple[CloudResult, ...]]:
        return [
            tuple(result(c, times * rate(q) * s, q) for c, s in zip(CLOUDS, scales, strict=True))
            for q in QUALITIES
        ]

    study = JudgedStudy(trials(factor), OBJECTIVES)
    other = replace(rival(), results=tuple(spread(1 / scales.mean())))
    measured = dict(enumerate(spread(factor / scales.mean())))
    found = against(study, other, measured)
    assert found.rate is not None
    assert found.rate.value == pytest.approx(100 * (factor - 1), abs=1e-6)
    assert (found.rate.low, found.rate.high) == (30.0, 42.0)
    assert found.interval is not None
    assert found.interval[:2] == pytest.approx([100 * (factor - 1)] * 2, abs=1e-6)
    assert (found.clouds, found.why) == (8, "")


def test_clouds_that_disagree_widen_the_interval(seed: int) -> None:
    random = np.random.default_rng(seed)
    factors = np.exp(random.normal(scale=0.3, size=len(CLOUDS)))
    ours = {
        number: tuple(result(c, rate(q) * f, q) for c, f in zip(CLOUDS, factors, strict=True))
        for number, q in enumerate(QUALITIES)
    }
    study = JudgedStudy(trials(float(factors.mean())), OBJECTIVES)
    found = against(study, rival(), ours)
    assert found.interval is not None
    assert found.rate is not None
    low, high = found.interval[:2]
    assert low < found.rate.value < high
    # Of a mean of 8 factors: Student's t of 7 degrees of freedom times standard errors.
    width = 2 * 2.365 * 100 * factors.std(ddof=1) / np.sqrt(len(CLOUDS))
    assert high - low == pytest.approx(width, rel=0.35)


def test_why_there_is_no_interval_is_told() -> None:
    study, other = JudgedStudy(trials(2.0000001), OBJECTIVES), rival()
    assert against(study, other, {}).why == "the trials' values by cloud were not kept"
    few = replace(other, results=tuple(each[:3] for each in other.results))
    ours = dict(enumerate(few.results))
    assert against(study, few, ours).why == "3 clouds are too few"
    (told,) = standings(study, Rivals((few,), ours))
    assert told.sentence == (
        "dominates 5 of the 5 points of the front, from 0.2 to 1.6 bpp; at equal D1 PSNR the front "
        "needs 2.0 times the rate, +100 % (no interval: 3 clouds are too few), over 30.0 to 42.0 dB"
    )
    assert told.dominated == 5
    assert told.rate_percent == pytest.approx(100.0, abs=1e-3)


def test_too_short_a_front_has_no_difference_in_rate() -> None:
    study = JudgedStudy(trials(0.5, (30.0, 33.0)), OBJECTIVES)
    (told,) = standings(study, Rivals((rival(),)))
    assert told.sentence.startswith("dominates none of the 2 points of the front; the difference")
    assert "must have 4 points or more to be compared, but 'the front' has 2" in told.sentence
    assert told.rate_percent is None
    one = JudgedStudy(trials(2.0, (30.0,)), OBJECTIVES)
    assert standings(one, Rivals((rival(),)))[0].sentence.startswith("dominates the point of the")
    assert standings(JudgedStudy([], OBJECTIVES), Rivals((rival(),))) == ()


def test_rates_between_points_lie_on_the_line() -> None:
    wanted = [29.0, 30.0, 31.7, 42.0, 42.1]
    truth = [None, *(pytest.approx(rate(q)) for q in (30.0, 31.7, 42.0)), None]
    assert rates_at(rival(), "d1_psnr_db", wanted) == truth
    assert rates_at(rival(), "d2_psnr_db", wanted) == [None] * 5


def test_of_other_objectives_only_dominance_is_told() -> None:
    pair = (OBJECTIVES[0], Objective("chamfer", Direction.MINIMIZE, reference=1.0))
    found = [replace(t, final={**t.final, "chamfer": 0.1}) for t in trials(2.0)]
    (told,) = standings(JudgedStudy(found, pair), Rivals((rival(chamfer=0.1),)))
    # One point is on that front: all are as good.
    assert told.sentence == "dominates the point of the front, at 0.2 bpp"
    assert told.rates == ()


def test_the_table_has_what_the_rival_needs_for_the_same() -> None:
    study = JudgedStudy([*trials(2.0), *trials(3.0, (29.0,))], OBJECTIVES)
    told = standings(study, Rivals((rival(),)))
    console = Console(file=io.StringIO(), width=200)
    console.print(fitting_front_table(study, console, None, told))
    assert isinstance(console.file, io.StringIO)
    rows = [line.split() for line in console.file.getvalue().splitlines()]
    assert ["3", "0.951", "39.00", "0.476"] in [row[:4] for row in rows]
    assert "octree bpp: what that codec needs for the same PSNR" in console.file.getvalue()
    assert "octree bpp" not in str(front_table(study).columns)


def test_a_rivals_points_next_to_the_knee_stand_at_the_tables_foot() -> None:
    """The knee is the trial of 36 dB at 0.566 bpp: of all it has the least sum of scaled losses."""
    study = JudgedStudy(trials(2.0), OBJECTIVES)
    assert study.knee is not None
    assert study.knee.final["d1_psnr_db"] == 36.0
    (told,) = standings(study, Rivals((rival(density=0.25),)))
    assert [(near.setting, near.at) for near in told.near] == [
        ("36.0", "knee's D1 PSNR"),
        ("39.0", "knee's rate"),
    ]
    console = Console(file=io.StringIO(), width=200)
    console.print(fitting_front_table(study, console, None, [told]))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    rows = [line.split() for line in text.splitlines()]
    # No trial has a density, so there is no such column.
    assert ["octree", "0.283", "36.00", "36.0"] in rows
    assert ["octree", "0.476", "39.00", "39.0"] in rows
    assert "octree: the first measured point that reaches the knee's PSNR" in text
    (same,) = standings(JudgedStudy(trials(1.0), OBJECTIVES), Rivals((rival(),)))
    assert [near.at for near in same.near] == ["knee's D1 PSNR and rate"]


def test_metrics_that_are_no_objectives_are_shown_and_go_before_objectives_do() -> None:
    more = {"d2_psnr_db": 38.25, "chamfer": 0.0125, "density": 0.375, "points_ratio": 0.975}
    found = [replace(trial, final={**trial.final, **more}) for trial in trials(2.0)]
    study = JudgedStudy(found, OBJECTIVES)
    told = standings(study, Rivals((rival(**more),)))
    shown = []
    for room in (None, 80, 40):
        console = Console(file=io.StringIO(), width=room or 200)
        console.print(fitting_front_table(study, console, room, told))
        assert isinstance(console.file, io.StringIO)
        text = console.file.getvalue()
        assert text.count("36.00") == 2
        shown.append([text.count(f" {value} ") for value in ("38.25", "0.0125", "0.375", "0.975")])
        hidden = text.partition("no room for ")[2]
    # Five trials and the rival's two points have each of them.
    assert shown[0] == [7, 7, 7, 7]
    assert shown[1] == [7, 7, 7, 7]
    assert shown[2][-1] == 0
    assert "points_ratio" in hidden
