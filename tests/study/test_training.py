"""The training loop: independent members, exact resume, schedules, and that codecs learn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from study.config import TrainingConfig
from study.stepping import clip_per_trial
from study.training import EpochResult, Member, Training, train
from tests.study.tiny import LOSS, SETTINGS, tiny_data_set, training_of

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from study.data import DataSet

FINE = Member(seed=11, loss=LOSS)
COARSE = Member(seed=12, loss=LOSS.model_copy(update={"bpp_lambda": 0.1}))
OTHER = Member(seed=13, loss=LOSS.model_copy(update={"chamfer_coe": 1.0}))
BROKEN = Member(seed=14, loss=LOSS.model_copy(update={"bpp_lambda": 1e39}))
"""In single precision its weight is infinite."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    return tiny_data_set(tmp_path_factory.getbasetemp() / "tiny")


def parameters(training: Training) -> dict[str, Tensor]:
    """(T, entries) each."""
    trials = training.codec.trials
    return {n: p.detach().view(trials, -1) for n, p in training.codec.named_parameters()}


def without_clocks(results: list[EpochResult]) -> list[dict[str, float]]:
    return [{k: v for k, v in r.metrics.items() if not k.endswith("_s")} for r in results]


def test_three_steps_of_a_population_equal_three_trainings(data: DataSet) -> None:
    """One epoch of three steps.

    Adam turns the rounding of a gradient that is truly zero, such as that of a bias before a
    softmax, into steps of full length. Such entries have no effect, as the metrics show, but they
    differ; there are fewer than two in a hundred.
    """
    members = (FINE, COARSE, OTHER)
    together = training_of(data, *members)
    results = without_clocks(together.run_epoch())
    for trial, member in enumerate(members):
        alone = training_of(data, member)
        assert results[trial] == pytest.approx(without_clocks(alone.run_epoch())[0], rel=1e-5)
        ours = torch.cat([entries[trial] for entries in parameters(together).values()])
        theirs = torch.cat([entries[0] for entries in parameters(alone).values()])
        assert ((ours - theirs).abs() < 1e-6).double().mean() > 0.98


def test_resuming_after_two_of_four_epochs_changes_no_bit(data: DataSet, tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"decay_every": 2})
    said: dict[str, list[list[dict[str, float]]]] = {"whole": [], "parts": []}

    def go(training: Training, epochs: int, what: str) -> Training:
        train(
            training,
            epochs=epochs,
            folder=tmp_path / what,
            on_epoch=lambda _, results: said[what].append(without_clocks(results)),
        )
        return training

    def fresh() -> Training:
        return training_of(data, FINE, COARSE, settings=settings)

    whole = go(fresh(), 4, "whole")
    go(fresh(), 2, "parts")
    resumed = fresh()
    resumed.load(tmp_path / "parts")
    assert resumed.epoch == 2
    go(resumed, 4, "parts")
    assert said["parts"] == said["whole"]
    assert len(said["whole"]) == 4
    for name, expected in parameters(whole).items():
        assert parameters(resumed)[name].equal(expected), name


def test_equal_trainings_are_equal_and_other_seeds_are_not(data: DataSet) -> None:
    def result(seed: int, order_seed: int) -> dict[str, float]:
        training = training_of(data, Member(seed=seed, loss=LOSS), order_seed=order_seed)
        return without_clocks(training.run_epoch())[0]

    assert result(1, 1) == result(1, 1)
    assert result(1, 1)["d1_psnr_db"] != result(2, 1)["d1_psnr_db"]
    assert result(1, 1)["d1_psnr_db"] != result(1, 2)["d1_psnr_db"]


def test_codecs_learn(data: DataSet) -> None:
    """Validation PSNR rises in a few epochs (from where points that fly out are held in the cube),
    the distance halves, and the heavier rate weighs.
    """
    training = training_of(data, FINE, Member(seed=11, loss=COARSE.loss))
    epochs = [without_clocks(training.run_epoch()) for _ in range(8)]
    for trial in (0, 1):
        assert epochs[-1][trial]["d1_psnr_db"] > epochs[0][trial]["d1_psnr_db"] + 1.0
        assert epochs[-1][trial]["weighted_chamfer"] < epochs[0][trial]["weighted_chamfer"] / 2
    assert epochs[-1][1]["bpp_estimated"] < epochs[-1][0]["bpp_estimated"]


def test_an_epoch_tells_every_term_before_and_after_weighting(data: DataSet) -> None:
    (metrics,) = without_clocks(training_of(data, COARSE).run_epoch())
    weighted = {k: v for k, v in metrics.items() if k.startswith("weighted_")}
    assert metrics["weighted_bpp"] == pytest.approx(0.1 * metrics["term_bpp"])
    assert metrics["loss"] == pytest.approx(sum(weighted.values()), rel=1e-5)
    assert {f"term_{k.removeprefix('weighted_')}" for k in weighted} <= set(metrics)
    assert {"bpp_estimated", "chamfer", "d1_psnr_db", "points_ratio"} <= set(metrics)


def test_learning_rates_fall_by_the_factor(data: DataSet) -> None:
    settings = TrainingConfig(
        patches_per_step=6, learning_rate=0.004, decay_every=2, decay_factor=0.5
    )
    training = training_of(data, settings=settings)
    rates = [training.run_epoch()[0].metrics["learning_rate"] for _ in range(5)]
    assert rates == [0.004, 0.004, 0.002, 0.002, 0.001]


def test_a_diverged_member_ends_with_a_sentence_and_no_other_with_it(
    data: DataSet, tmp_path: Path
) -> None:
    both = training_of(data, FINE, BROKEN)
    fine, broken = both.run_epoch()
    assert broken.metrics == {}
    assert broken.diverged is not None
    assert broken.diverged.startswith("diverged: its loss, parameters or validation stopped")
    assert "in epoch 1" in broken.diverged
    assert "a smaller learning_rate" in broken.diverged
    assert fine.diverged is None
    (alone,) = training_of(data, FINE).run_epoch()
    assert without_clocks([fine])[0] == pytest.approx(without_clocks([alone])[0], rel=1e-4)
    train(both, epochs=3, folder=tmp_path)
    assert both.epoch == 3
    assert [result.diverged is None for result in both.run_epoch()] == [True, False]


def test_training_ends_when_every_member_has_diverged(data: DataSet, tmp_path: Path) -> None:
    training = training_of(data, BROKEN, BROKEN)
    train(training, epochs=5, folder=tmp_path)
    assert training.epoch == 1


def test_a_learning_rate_that_is_far_too_large_diverges(data: DataSet) -> None:
    settings = TrainingConfig(learning_rate=1e10)
    (result,) = training_of(data, settings=settings).run_epoch()
    assert result.diverged is not None


def test_gradients_are_clipped_per_trial() -> None:
    """Norms over two parameters: 5 and 0.5; shortened to 1 each, the second stays."""
    a, b = (torch.nn.Parameter(torch.zeros(3, n)) for n in (1, 2))
    without = torch.nn.Parameter(torch.zeros(3, 1))
    a.grad = torch.tensor([[3.0], [0.3], [torch.nan]])
    b.grad = torch.tensor([[0.0, 4.0], [0.4, 0.0], [1.0, 1.0]])
    clip_per_trial(torch.optim.SGD([a, b, without]), 3, 1.0)
    torch.testing.assert_close(a.grad[:2], torch.tensor([[0.6], [0.3]]))
    torch.testing.assert_close(b.grad[:2], torch.tensor([[0.0, 0.8], [0.4, 0.0]]))
    assert without.grad is None


def test_measuring_counts_bytes_and_leaves_the_training_alone(data: DataSet) -> None:
    training = training_of(data, FINE, COARSE)
    training.run_epoch()
    before = {name: p.clone() for name, p in parameters(training).items()}
    measured = training.measure(1).metrics
    assert {"bpp", "bpp_estimated", "d1_psnr_db", "chamfer", "encode_s", "decode_s"} <= set(
        measured
    )
    estimated = measured["bpp_estimated"]
    # A cloud of 150 points, whose file ends with a whole word: 32 bits are 0.2 bpp.
    assert measured["bpp"] == pytest.approx(estimated, abs=0.15)
    for name, parameter in parameters(training).items():
        assert parameter.equal(before[name]), name
