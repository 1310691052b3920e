"""What the pictures of a front show: who stands where, who is labelled, what is left out."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import nan

import numpy as np
import pytest

from study.base.records import EpochRecord, TrialRecord, TrialState
from study.fronts.front import Direction, Objective
from study.fronts.judged import JudgedStudy
from study.report.picture import Dot, Picture, draw_planes, draw_up
from study.report.view import LABEL_ROOM

OBJECTIVES = (
    Objective("bpp", Direction.MINIMIZE, reference=2.0),
    Objective("d1_psnr_db", Direction.MAXIMIZE, reference=30.0),
)


def trial(
    number: int, bpp: float, psnr_db: float, state: TrialState = TrialState.COMPLETE
) -> TrialRecord:
    """Return a trial that ended (or, unfinished, stands after two epochs) at these values."""
    return TrialRecord(
        number=number,
        state=state,
        params={"loss.bpp_lambda": 0.1},
        epochs=(
            EpochRecord(1, {"bpp_estimated": 1.0, "d1_psnr_db": 33.0}),
            EpochRecord(2, {"bpp_estimated": bpp, "d1_psnr_db": psnr_db}),
        ),
        final={"bpp": bpp, "d1_psnr_db": psnr_db} if state is TrialState.COMPLETE else {},
        is_baseline=number == 0,
    )


DENSITY = Objective("density", Direction.MINIMIZE, reference=2.0)
SECONDS = Objective("decode_s", Direction.MINIMIZE, reference=1.0)


def measured(number: int, bpp: float, psnr_db: float, density: float) -> TrialRecord:
    """Return a complete trial of three objectives, whose epochs estimate them all."""
    plain = trial(number, bpp, psnr_db)
    epochs = [
        EpochRecord(each.epoch, {**each.metrics, "density": 2 * density}) for each in plain.epochs
    ]
    return replace(plain, epochs=tuple(epochs), final={**plain.final, "density": density})


def numbers(dots: tuple[Dot, ...]) -> list[int]:
    return [dot.record.number for dot in dots]


def is_shown(picture: Picture, x: float, y: float) -> bool:
    (left, right), (bottom, top) = picture.x_range, picture.y_range
    return left <= x <= right and bottom <= y <= top


def test_every_trial_stands_in_its_group() -> None:
    picture = draw_up(
        "s",
        JudgedStudy(
            [
                trial(0, 1.4, 37.5),
                trial(1, 0.5, 35.0),
                trial(2, 1.5, 36.0),
                trial(3, 0.8, 35.5, TrialState.RUNNING),
                TrialRecord(number=4, state=TrialState.FAILED, params={}),
            ],
            OBJECTIVES,
        ),
    )
    assert numbers(picture.front) == [1, 0]
    assert numbers(picture.beaten) == [2]
    assert numbers(picture.apart) == [3]
    assert picture.baseline is picture.front[1]
    assert picture.footnote.startswith("1 trial is not shown")
    assert all(is_shown(picture, dot.x, dot.y) for dot in picture.dots)
    assert picture.front[0].path == ((1.0, 33.0), (0.5, 35.0), (0.5, 35.0))


def test_axes_say_what_is_measured_and_the_peak() -> None:
    picture = draw_up("s", JudgedStudy([trial(0, 1.0, 36.0)], OBJECTIVES))
    assert "bits per input point" in picture.plane.horizontal.title
    assert "peak = longest side" in picture.plane.vertical.title
    assert "3 peak²" in picture.plane.vertical.title
    assert picture.subtitle.startswith("up and to the left is better")


def test_a_diverged_trial_does_not_squeeze_the_front() -> None:
    complete = [trial(0, 0.5, 35.0), trial(1, 1.5, 38.0)]
    picture = draw_up(
        "s", JudgedStudy([*complete, trial(2, 40.0, -12.0, TrialState.FAILED)], OBJECTIVES)
    )
    assert picture.apart == ()
    assert picture.footnote.startswith("1 trial is not shown")
    assert picture.x_range[1] - picture.x_range[0] < 4 * (1.5 - 0.5)
    assert picture.y_range[1] - picture.y_range[0] < 4 * (38.0 - 35.0)


@pytest.mark.parametrize("bad", [nan, float("inf")])
def test_values_that_are_not_finite_are_left_out(bad: float) -> None:
    picture = draw_up("s", JudgedStudy([trial(0, 1.0, 36.0), trial(1, bad, 36.0)], OBJECTIVES))
    assert numbers(picture.dots) == [0]
    assert np.isfinite([*picture.x_range, *picture.y_range]).all()


@pytest.mark.parametrize("state", [TrialState.RUNNING, TrialState.COMPLETE])
def test_one_trial_is_in_the_middle_of_something(state: TrialState) -> None:
    picture = draw_up("s", JudgedStudy([trial(0, 1.0, 36.0, state)], OBJECTIVES))
    assert is_shown(picture, 1.0, 36.0)
    assert picture.x_range[0] < picture.x_range[1]
    assert draw_up("s", JudgedStudy([], OBJECTIVES)).x_range == (0.0, 1.0)


def test_labels_never_overlap(seed: int) -> None:
    generator = np.random.default_rng(seed)
    rates = np.sort(generator.uniform(0.3, 1.5, 60))
    quality = np.sort(generator.uniform(33.0, 38.0, 60))
    records = [trial(i, float(rates[i]), float(quality[i])) for i in range(60)]
    picture = draw_up("s", JudgedStudy(records, OBJECTIVES))
    assert len(picture.front) == 60
    width = LABEL_ROOM[0] * (picture.x_range[1] - picture.x_range[0])
    height = LABEL_ROOM[1] * (picture.y_range[1] - picture.y_range[0])
    labelled = [dot for dot in picture.front if dot.record.number in picture.labels]
    assert len(labelled) > 5
    for a, b in pairwise(labelled):
        assert abs(a.x - b.x) >= width or abs(a.y - b.y) >= height


def test_a_front_in_three_objectives_is_whole_in_every_plane() -> None:
    # 2 is worse than 0 in rate and quality, but the best in density.
    records = [
        measured(0, 0.5, 36.0, 1.0),
        measured(1, 1.0, 37.0, 0.9),
        measured(2, 0.8, 35.0, 0.5),
    ]
    records.append(measured(3, 0.9, 34.0, 0.7))
    three = (*OBJECTIVES, DENSITY)
    planes = draw_planes("s", JudgedStudy(records, three))
    assert [picture.plane.metrics for picture in planes] == [
        ("bpp", "d1_psnr_db"),
        ("bpp", "density"),
        ("d1_psnr_db", "density"),
    ]
    for picture in planes:
        assert sorted(numbers(picture.front)) == [0, 1, 2]
        assert numbers(picture.beaten) == [3]
        assert picture.labels == {}
        assert "front in 3 objectives; this is the plane of" in picture.subtitle
        assert "(reference: bpp 2, d1_psnr_db 30, density 2)" in picture.subtitle
        assert all(is_shown(picture, dot.x, dot.y) for dot in picture.front)
    assert numbers(draw_up("s", JudgedStudy(records, OBJECTIVES)).front) == [0, 1]
    assert planes[1].front[0].path == ((1.0, 2.0), (0.5, 2.0), (0.5, 1.0))
    assert "down and to the left is better" in planes[1].subtitle
    assert "down and to the right is better" in planes[2].subtitle


def test_the_rate_is_the_horizontal_axis_whatever_comes_first() -> None:
    picture = draw_up("s", JudgedStudy([trial(0, 1.0, 36.0)], OBJECTIVES[::-1]))
    assert picture.plane.metrics == ("bpp", "d1_psnr_db")
    assert picture.subtitle.startswith("up and to the left is better")


def test_of_one_objective_the_best_is_shown_with_what_it_costs() -> None:
    records = [measured(0, 0.5, 36.0, 1.0), measured(1, 1.0, 37.0, 0.9)]
    picture = draw_up("s", JudgedStudy(records, [DENSITY]))
    assert picture.plane.metrics == ("bpp", "density")
    assert (numbers(picture.front), numbers(picture.beaten)) == ([1], [0])
    assert picture.subtitle.startswith("one objective, density: down is better")
    rate = draw_up("s", JudgedStudy(records, OBJECTIVES[:1]))
    assert rate.plane.metrics == ("bpp", "d1_psnr_db")
    assert numbers(rate.front) == [0]
    assert rate.subtitle.startswith("one objective, bpp: to the left is better")


def test_what_breaks_a_constraint_stands_apart() -> None:
    broken = replace(trial(1, 0.5, 36.0), feasible=False)
    picture = draw_up(
        "s", JudgedStudy([trial(0, 0.6, 35.0), trial(2, 1.0, 37.0), broken], OBJECTIVES)
    )
    assert (numbers(picture.front), numbers(picture.infeasible)) == ([0, 2], [1])
    assert picture.title.endswith("2 of 3 finished codecs on the front, 1 breaks a constraint")


def test_a_pruned_trial_stands_where_it_was_stopped_if_epochs_tell() -> None:
    pruned = trial(1, 0.4, 38.0, TrialState.PRUNED)
    records = [trial(0, 0.5, 36.0), trial(2, 1.0, 37.0), pruned]
    picture = draw_up("s", JudgedStudy(records, OBJECTIVES))
    assert (numbers(picture.front), numbers(picture.apart)) == ([0, 2], [1])
    seconds = draw_up(
        "s", JudgedStudy(records, [OBJECTIVES[0], SECONDS])
    )  # nothing estimates seconds
    assert seconds.apart == ()
    assert seconds.footnote.startswith("3 trials are not shown: not measured yet")
