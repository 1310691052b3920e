"""Faults that a training once had: endless coding, silent NaN, damage and mismatches unnoticed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from model.config import ModelConfig
from study.base.errors import StudyError
from study.base.records import Fault
from study.families.dpcc.settings import TrainingConfig
from study.training.checkpoint import FILE_NAME
from tests.study.tiny import LOSS, SETTINGS, member, tiny_data_set, training_of

if TYPE_CHECKING:
    from pathlib import Path

    from study.data import DataSet
    from study.training.training import Training

FINE = member(0, seed=11)
BROKEN = member(1, seed=14, loss=LOSS.model_copy(update={"bpp_lambda": 1e39}))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    return tiny_data_set(tmp_path_factory.getbasetemp() / "tiny")


def test_an_exploded_codec_is_said_to_have_diverged(data: DataSet) -> None:
    """A bias of 10^9 after the last step: the loss never saw it."""
    once = SETTINGS.model_copy(update={"epochs": 1})
    training = training_of(data, member(training=once))
    training.run_epoch()
    training.parameters(0)["coordinate_analysis.output.bias"].fill_(1e9)
    measured = training.measure(0)
    assert measured.metrics == {}
    assert measured.failure is not None
    assert measured.failure.fault is Fault.DIVERGED
    assert measured.failure.sentence.startswith("diverged: latents must be within")
    assert training.finished == ()


def test_a_validation_that_is_not_finite_diverges(data: DataSet) -> None:
    """The last step of an epoch can leave parameters that are finite and give NaN."""
    settings = TrainingConfig(learning_rate=100.0, patches_per_step=6)
    result = training_of(data, member(training=settings)).run_epoch()[0]
    assert result.failure or all(map(math.isfinite, result.metrics.values()))


def test_a_flipped_bit_in_a_checkpoint_is_noticed(data: DataSet, tmp_path: Path, seed: int) -> None:
    training = training_of(data)
    training.save(tmp_path)
    path = tmp_path / FILE_NAME
    whole = path.read_bytes()
    rng = np.random.default_rng(seed)
    for _ in range(40):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        with pytest.raises(StudyError, match="is damaged"):
            training.load(tmp_path)


def other_order(data: DataSet) -> Training:
    return training_of(data, order_seed=1)


def other_model(data: DataSet) -> Training:
    return training_of(data, model=ModelConfig(k=8, hidden_dim=32))


@pytest.mark.parametrize("other", [other_order, other_model])
def test_a_checkpoint_of_another_training_is_refused_and_changes_nothing(
    data: DataSet, tmp_path: Path, other: object
) -> None:
    training_of(data).save(tmp_path)
    assert callable(other)
    training = other(data)
    with pytest.raises(StudyError, match="name the checkpoint of this training"):
        training.load(tmp_path)
    assert training.epochs_done(0) == 0


@pytest.mark.parametrize(
    "model",
    [
        ModelConfig(k=4, hidden_dim=16),
        ModelConfig(k=8, hidden_dim=16, downsample_rate=(0.5, 0.5, 0.5)),
        ModelConfig(k=8, hidden_dim=16, downsample_rate=(0.5, 0.5), max_upsample_num=(8, 8)),
    ],
)
def test_data_prepared_for_another_architecture_is_refused(
    data: DataSet, model: ModelConfig
) -> None:
    with pytest.raises(StudyError, match="prepare it anew"):
        training_of(data, model=model)
