"""The training loop: independent members, exact resume, schedules, and that codecs learn."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from study.base.records import Fault
from study.families.dpcc.settings import TrainingConfig
from tests.study.tiny import (
    LOSS,
    SETTINGS,
    member,
    tiny_data_set,
    train,
    training_of,
    without_clocks,
)

if TYPE_CHECKING:
    from pathlib import Path

    from study.data import DataSet
    from study.training.training import Training

FINE = member(0, seed=11)
COARSE = member(1, seed=12, loss=LOSS.model_copy(update={"bpp_lambda": 0.1}))
OTHER = member(2, seed=13, loss=LOSS.model_copy(update={"chamfer_coe": 1.0}))
BROKEN = member(3, seed=14, loss=LOSS.model_copy(update={"bpp_lambda": 1e39}))
"""In single precision its weight is infinite."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    return tiny_data_set(tmp_path_factory.getbasetemp() / "tiny")


def test_resuming_after_two_of_four_epochs_changes_no_bit(data: DataSet, tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"decay_every": 2, "epochs": 4})
    members = [replace(each, training=settings) for each in (FINE, COARSE)]
    said: dict[str, list[dict[int, dict[str, float]]]] = {"whole": [], "parts": []}

    def go(training: Training, what: str, epochs: int) -> Training:
        train(
            training,
            tmp_path / what,
            lambda results: said[what].append(without_clocks(results)),
            epochs=epochs,
        )
        return training

    whole = go(training_of(data, *members), "whole", 4)
    go(training_of(data, *members), "parts", 2)
    resumed = training_of(data, *members)
    resumed.load(tmp_path / "parts")
    assert [resumed.epochs_done(trial) for trial in (0, 1)] == [2, 2]
    go(resumed, "parts", 2)
    assert said["parts"] == said["whole"]
    assert len(said["whole"]) == 4
    assert whole.finished == resumed.finished == (0, 1)
    for trial in (0, 1):
        for name, expected in whole.parameters(trial).items():
            assert resumed.parameters(trial)[name].equal(expected), name


def test_equal_trainings_are_equal_and_other_seeds_are_not(data: DataSet) -> None:
    def result(seed: int, order_seed: int) -> dict[str, float]:
        training = training_of(data, member(seed=seed), order_seed=order_seed)
        return without_clocks(training.run_epoch())[0]

    assert result(1, 1) == result(1, 1)
    assert result(1, 1)["d1_psnr_db"] != result(2, 1)["d1_psnr_db"]
    assert result(1, 1)["d1_psnr_db"] != result(1, 2)["d1_psnr_db"]


def test_codecs_learn(data: DataSet) -> None:
    """Validation PSNR rises in a few epochs (from where points that fly out are held in the cube),
    the distance halves, and the heavier rate weighs.
    """
    training = training_of(data, FINE, replace(COARSE, seed=11))
    epochs = [without_clocks(training.run_epoch()) for _ in range(8)]
    for trial in (0, 1):
        assert epochs[-1][trial]["d1_psnr_db"] > epochs[0][trial]["d1_psnr_db"] + 1.0
        assert epochs[-1][trial]["weighted_chamfer"] < epochs[0][trial]["weighted_chamfer"] / 2
    assert epochs[-1][1]["bpp_estimated"] < epochs[-1][0]["bpp_estimated"]


def test_an_epoch_tells_every_term_before_and_after_weighting(data: DataSet) -> None:
    metrics = without_clocks(training_of(data, COARSE).run_epoch())[COARSE.trial]
    weighted = {k: v for k, v in metrics.items() if k.startswith("weighted_")}
    assert metrics["weighted_bpp"] == pytest.approx(0.1 * metrics["term_bpp"])
    assert metrics["loss"] == pytest.approx(sum(weighted.values()), rel=1e-5)
    assert {f"term_{k.removeprefix('weighted_')}" for k in weighted} <= set(metrics)
    assert {"bpp_estimated", "patch_chamfer", "d1_psnr_db", "points_ratio"} <= set(metrics)
    assert {"chamfer", "density", "d2_psnr_db"}.isdisjoint(metrics)


def test_an_epoch_measures_what_it_is_asked_for_besides(data: DataSet) -> None:
    plain = training_of(data).run_epoch()[0].metrics
    asked = training_of(data, extra_metrics=("chamfer", "density")).run_epoch()[0].metrics
    assert set(asked) - set(plain) == {"chamfer", "density"}
    assert {name: asked[name] for name in plain if not name.endswith("_s")} == {
        name: value for name, value in plain.items() if not name.endswith("_s")
    }


def test_learning_rates_fall_by_the_factor_each_member_by_its_own(data: DataSet) -> None:
    one = TrainingConfig(patches_per_step=6, learning_rate=0.004, decay_every=2, decay_factor=0.5)
    other = TrainingConfig(patches_per_step=6, learning_rate=0.001, decay_every=1, decay_factor=0.1)
    training = training_of(data, member(0, training=one), member(1, training=other))
    epochs = [training.run_epoch() for _ in range(5)]
    rates = [[epoch[trial].metrics["learning_rate"] for epoch in epochs] for trial in (0, 1)]
    assert rates[0] == [0.004, 0.004, 0.002, 0.002, 0.001]
    assert rates[1] == pytest.approx([1e-3, 1e-4, 1e-5, 1e-6, 1e-7])


def test_learning_rates_fall_along_a_cosine(data: DataSet) -> None:
    settings = TrainingConfig(patches_per_step=6, learning_rate=0.004, epochs=4, schedule="cosine")
    training = training_of(data, member(0, training=settings))
    rates = [training.run_epoch()[0].metrics["learning_rate"] for _ in range(4)]
    angles = [math.pi * share for share in (1 / 8, 3 / 8, 5 / 8, 7 / 8)]
    assert rates == pytest.approx([0.002 * (1 + math.cos(angle)) for angle in angles])


@pytest.mark.parametrize("cut", [{"decay_every": 3}, {"decay_factor": 0.1}])
def test_cuts_that_a_cosine_would_not_read_are_refused(cut: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be left out where schedule is cosine"):
        TrainingConfig.model_validate({"schedule": "cosine", **cut})


def test_a_diverged_member_ends_with_a_sentence_and_no_other_with_it(data: DataSet) -> None:
    both = training_of(data, FINE, BROKEN)
    results = both.run_epoch()
    fine, broken = results[FINE.trial], results[BROKEN.trial]
    assert broken.metrics == {}
    assert broken.failure is not None
    assert broken.failure.fault is Fault.DIVERGED
    sentence = broken.failure.sentence
    assert sentence.startswith("diverged: its loss, parameters or validation stopped")
    assert "in epoch 1" in sentence
    assert "a smaller learning_rate" in sentence
    assert fine.failure is None
    assert both.living == (FINE.trial,)
    assert both.known == (FINE.trial, BROKEN.trial)
    assert both.epochs_done(BROKEN.trial) == 1
    assert both.run_epoch().keys() == {FINE.trial}


def test_nobody_is_left_when_every_member_has_diverged(data: DataSet, tmp_path: Path) -> None:
    training = training_of(data, BROKEN, replace(BROKEN, trial=4))
    train(training, tmp_path)
    assert (training.living, training.finished, training.epochs_done(4)) == ((), (), 1)
    resumed = training_of(data)
    resumed.load(tmp_path)
    assert (resumed.living, resumed.known) == ((), (3, 4))


def test_a_learning_rate_that_is_far_too_large_diverges(data: DataSet) -> None:
    settings = TrainingConfig(learning_rate=1e10, patches_per_step=2)
    result = training_of(data, member(training=settings)).run_epoch()[0]
    assert result.failure is not None


def test_measuring_counts_bytes_and_leaves_the_training_alone(data: DataSet) -> None:
    once = replace(COARSE, training=SETTINGS.model_copy(update={"epochs": 1}))
    training = training_of(data, FINE, once)
    training.run_epoch()
    assert (training.living, training.finished) == ((0,), (1,))
    before = training.parameters(0)
    measured = training.measure(1).metrics
    assert (training.living, training.finished) == ((0,), ())
    assert {"bpp", "bpp_estimated", "d1_psnr_db", "patch_chamfer", "encode_s", "decode_s"} <= set(
        measured
    )
    estimated = measured["bpp_estimated"]
    # A cloud of 150 points, whose file ends with a whole word: 32 bits are 0.2 bpp.
    assert measured["bpp"] == pytest.approx(estimated, abs=0.15)
    for name, parameter in training.parameters(0).items():
        assert parameter.equal(before[name]), name
