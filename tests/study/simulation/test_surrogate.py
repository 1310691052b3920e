"""Curves between recorded settings: exact where recorded, bounded, and close where smooth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from study.base.errors import StudyError
from study.config.ranges import Range
from study.simulation.cube import Cube
from study.simulation.surrogate import Surrogate
from tests.study.simulation import curves

METRICS = ("bpp", "bpp_estimated", "d1_psnr_db")


@pytest.fixture(scope="module")
def surrogate() -> Surrogate:
    return Surrogate(curves.recording(), METRICS)


def draws(count: int, seed: int) -> list[dict[str, Any]]:
    rows = np.random.default_rng(seed).random((count, 2)).tolist()
    return [{"loss.bpp_lambda": 10 ** (-4 + 3 * x), "loss.chamfer_coe": y} for x, y in rows]


def test_recorded_settings_have_their_recorded_curves(surrogate: Surrogate) -> None:
    for trial in curves.recording().trials:
        curve = surrogate.curve(dict(sorted(trial.settings.items(), reverse=True)))
        assert list(curve.epochs) == list(trial.epochs)
        assert curve.final == {name: trial.final[name] for name in trial.final if name in METRICS}


def test_smooth_curves_are_met_between_recorded_settings(surrogate: Surrogate) -> None:
    off = []
    for settings in draws(50, seed=1):
        true, told = curves.trial(0, settings), surrogate.curve(settings)
        off += [
            abs(told.epochs[epoch][name] - true.epochs[epoch][name])
            for epoch in range(curves.EPOCHS)
            for name in ("bpp_estimated", "d1_psnr_db")
        ]
    assert np.median(off) < 0.02
    assert max(off) < 0.3


def test_no_value_leaves_what_was_recorded_at_its_epoch(surrogate: Surrogate) -> None:
    trials = curves.recording().trials
    corners = [
        {"loss.bpp_lambda": one, "loss.chamfer_coe": two}
        for one in (1e-4, 0.1)
        for two in (0.0, 1.0)
    ]
    for settings in [*corners, *draws(200, seed=2)]:
        told = surrogate.curve(settings)
        for epoch in range(curves.EPOCHS):
            for name, value in told.epochs[epoch].items():
                recorded = [each.epochs[epoch][name] for each in trials]
                assert min(recorded) <= value <= max(recorded)
        for name, value in told.final.items():
            recorded = [each.final[name] for each in trials]
            assert min(recorded) <= value <= max(recorded)


def test_the_way_that_is_off_least_is_chosen_and_told(surrogate: Surrogate) -> None:
    kinds = [rival.words for rival in surrogate.rivals]
    assert "spline" in kinds[0]
    assert any("inverse distance" in each for each in kinds)
    assert "nearest neighbour" in kinds
    errors = [rival.errors["final.bpp"] for rival in surrogate.rivals]
    assert errors[0] == min(errors)
    assert 0 < errors[0] < 0.02


def test_the_error_told_is_the_error_made(surrogate: Surrogate) -> None:
    """Of settings that nobody recorded: cross-validation says about the same."""
    off = [
        abs(surrogate.curve(each).final["d1_psnr_db"] - curves.trial(0, each).final["d1_psnr_db"])
        for each in draws(300, seed=3)
    ]
    told = surrogate.rivals[0].errors["final.d1_psnr_db"]
    assert 0.2 * told < np.median(off) < 2 * told


def test_a_metric_that_does_not_change_is_met_all_the_same() -> None:
    surrogate = Surrogate(curves.recording(), ["decode_s"])
    assert surrogate.curve(draws(1, seed=4)[0]).final == {"decode_s": 0.1}


def test_epochs_last_the_median_of_the_recorded(surrogate: Surrogate) -> None:
    assert (surrogate.epoch_s, surrogate.measuring_s) == (curves.EPOCH_S, curves.MEASURING_S)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"loss.bpp_lambda": 0.2, "loss.chamfer_coe": 0.5},
            r"loss.bpp_lambda is 0.2 where 0.0001 to 0.1 was recorded",
        ),
        ({"loss.bpp_lambda": 0.01}, "every recorded trial has loss.chamfer_coe"),
    ],
)
def test_outside_of_what_was_recorded_nothing_is_told(
    surrogate: Surrogate, settings: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(StudyError, match=sentence):
        surrogate.curve(settings)


def test_the_cube_is_logarithmic_where_the_search_is_and_choices_are_equally_far_apart() -> None:
    space = {
        "a": Range(low=1e-4, high=1.0, log=True),
        "b": Range(low=10, high=20),
        "two": Range(choices=("x", "y")),
        "three": Range(choices=(1, 2, 3)),
    }
    cube = Cube(space, [{"a": 1e-4, "b": 10, "two": "x", "three": 1}])
    point = cube.place({"a": 1e-2, "b": 12, "two": "y", "three": 3})
    assert point.tolist() == pytest.approx([0.5, 0.2, 0.0, 0.0, 0.0, 1.0])
    others = [cube.place({"a": 1e-2, "b": 12, "two": "y", "three": n}) for n in (1, 2)]
    assert np.linalg.norm(point - others[0]) == np.linalg.norm(others[0] - others[1])
    assert [point[group].tolist() for group in cube.groups][2:] == [[0.0], [0.0, 0.0, 1.0]]


def test_a_setting_that_does_not_always_apply_says_whether_it_does() -> None:
    space = {"a": Range(low=0.0, high=1.0), "b": Range(choices=(1, 2, 3))}
    cube = Cube(space, [{"a": 0.0}, {"b": 1}])
    assert cube.place({"a": 1.0}).tolist() == [1.0, 0.0, 0.0, 0.0, 0.0, 1.0]
    assert cube.place({"b": 2}).tolist() == [0.5, 1.0, 0.0, 1.0, 0.0, 0.0]
    with pytest.raises(StudyError, match="b is 4 where one of"):
        cube.place({"a": 0.5, "b": 4})
