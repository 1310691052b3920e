"""What the pictures of a front show: who stands where, who is labelled, what is left out."""

from __future__ import annotations

from itertools import pairwise
from math import nan

import numpy as np
import pytest

from study.front import Direction, Objective
from study.records import EpochRecord, TrialRecord, TrialState
from study.report.picture import LABEL_ROOM, Dot, Picture, draw_up

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


def numbers(dots: tuple[Dot, ...]) -> list[int]:
    return [dot.record.number for dot in dots]


def is_shown(picture: Picture, x: float, y: float) -> bool:
    (left, right), (bottom, top) = picture.x_range, picture.y_range
    return left <= x <= right and bottom <= y <= top


def test_every_trial_stands_in_its_group() -> None:
    picture = draw_up(
        "s",
        [
            trial(0, 1.4, 37.5),
            trial(1, 0.5, 35.0),
            trial(2, 1.5, 36.0),
            trial(3, 0.8, 35.5, TrialState.RUNNING),
            TrialRecord(number=4, state=TrialState.FAILED, params={}),
        ],
        OBJECTIVES,
    )
    assert numbers(picture.front) == [1, 0]
    assert numbers(picture.beaten) == [2]
    assert numbers(picture.apart) == [3]
    assert picture.baseline is picture.front[1]
    assert picture.footnote.startswith("1 trial is not shown")
    assert all(is_shown(picture, dot.x, dot.y) for dot in picture.dots)
    assert picture.front[0].path == ((1.0, 33.0), (0.5, 35.0), (0.5, 35.0))


def test_axes_say_what_is_measured_and_the_peak() -> None:
    picture = draw_up("s", [trial(0, 1.0, 36.0)], OBJECTIVES)
    assert "bits per input point" in picture.x_title
    assert "peak = longest side" in picture.y_title
    assert "3 peak²" in picture.y_title
    assert picture.subtitle.startswith("up and to the left is better")


def test_a_diverged_trial_does_not_squeeze_the_front() -> None:
    complete = [trial(0, 0.5, 35.0), trial(1, 1.5, 38.0)]
    picture = draw_up("s", [*complete, trial(2, 40.0, -12.0, TrialState.FAILED)], OBJECTIVES)
    assert picture.apart == ()
    assert picture.footnote.startswith("1 trial is not shown")
    assert picture.x_range[1] - picture.x_range[0] < 4 * (1.5 - 0.5)
    assert picture.y_range[1] - picture.y_range[0] < 4 * (38.0 - 35.0)


@pytest.mark.parametrize("bad", [nan, float("inf")])
def test_values_that_are_not_finite_are_left_out(bad: float) -> None:
    picture = draw_up("s", [trial(0, 1.0, 36.0), trial(1, bad, 36.0)], OBJECTIVES)
    assert numbers(picture.dots) == [0]
    assert np.isfinite([*picture.x_range, *picture.y_range]).all()


@pytest.mark.parametrize("state", [TrialState.RUNNING, TrialState.COMPLETE])
def test_one_trial_is_in_the_middle_of_something(state: TrialState) -> None:
    picture = draw_up("s", [trial(0, 1.0, 36.0, state)], OBJECTIVES)
    assert is_shown(picture, 1.0, 36.0)
    assert picture.x_range[0] < picture.x_range[1]
    assert draw_up("s", [], OBJECTIVES).x_range == (0.0, 1.0)


def test_labels_never_overlap(seed: int) -> None:
    generator = np.random.default_rng(seed)
    rates = np.sort(generator.uniform(0.3, 1.5, 60))
    quality = np.sort(generator.uniform(33.0, 38.0, 60))
    records = [trial(i, float(rates[i]), float(quality[i])) for i in range(60)]
    picture = draw_up("s", records, OBJECTIVES)
    assert len(picture.front) == 60
    width = LABEL_ROOM[0] * (picture.x_range[1] - picture.x_range[0])
    height = LABEL_ROOM[1] * (picture.y_range[1] - picture.y_range[0])
    labelled = [dot for dot in picture.front if dot.record.number in picture.labels]
    assert len(labelled) > 5
    for a, b in pairwise(labelled):
        assert abs(a.x - b.x) >= width or abs(a.y - b.y) >= height
