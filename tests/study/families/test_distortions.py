"""D-PCC's further distortions in training: what they weigh, and that nobody else notices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from study.families.dpcc.objective import DISTORTIONS
from study.training.population import stacked
from tests.rounding import distance
from tests.study.tiny import LOSS, member, tiny_data_set, training_of, without_clocks
from tests.study.training.alone import assert_same, bound, trained_alone

if TYPE_CHECKING:
    from study.data import DataSet
    from study.training.training import Member

WEIGHT = 0.3


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    return tiny_data_set(tmp_path_factory.getbasetemp() / "tiny")


def with_weights(trial: int, **weights: float) -> Member:
    settings = member().training.model_copy(update={"patches_per_step": 1, "epochs": 1})
    loss = LOSS.model_copy(update=weights)
    return member(trial, seed=trial, loss=loss, training=settings)


@pytest.mark.parametrize("name", [*DISTORTIONS, "last_chamfer"])
def test_each_weight_is_counted_in_the_loss(data: DataSet, name: str) -> None:
    """That it changes what is learned is asked in tests/study/training/test_training_knobs.py."""
    weighed = with_weights(0, **{f"{name}_coe": WEIGHT})
    (epoch,) = without_clocks(training_of(data, weighed).run_epoch()).values()
    term = "chamfer" if name == "last_chamfer" else name
    assert epoch[f"weighted_{term}"] == pytest.approx(WEIGHT * epoch[f"term_{term}"])
    weighted = [value for key, value in epoch.items() if key.startswith("weighted_")]
    assert epoch["loss"] == pytest.approx(sum(weighted))


def test_a_term_that_nobody_weighs_is_not_there(data: DataSet) -> None:
    (epoch,) = without_clocks(training_of(data, with_weights(0)).run_epoch()).values()
    assert not {f"term_{name}" for name in DISTORTIONS} & epoch.keys()


ROUNDED = ("sinkhorn_coe", "sliced_coe")
"""Of the terms whose last bits company may change, everywhere."""


@pytest.mark.parametrize("name", ROUNDED)
def test_terms_that_company_rounds_stay_within_rounding(
    data: DataSet, seed: int, name: str
) -> None:
    members = [with_weights(0, **{name: WEIGHT}), with_weights(1, **{name: 0.1}), with_weights(2)]
    together = training_of(data, *members)
    together.run_epoch()
    for one in members:
        found = distance(together.parameters(one.trial), trained_alone(data, one, 1))
        assert found <= bound(data, one, 1, np.random.default_rng(seed)), one
        if one.trial == 2:
            assert_same(together.parameters(2), trained_alone(data, one, 1), data, one, 1, seed)


def test_members_with_different_terms_end_as_alone_and_tell_their_own(
    data: DataSet, seed: int
) -> None:
    members = [
        with_weights(0, accuracy_coe=0.2, shape_coe=0.01),
        with_weights(1, shape_coe=0.02, coverage_coe=0.4, density_aware_coe=WEIGHT),
        with_weights(2),
    ]
    together = training_of(data, *members)
    told = without_clocks(together.run_epoch())
    owned: list[set[str]] = [
        {"accuracy", "shape"},
        {"coverage", "density_aware", "shape"},
        set(),
    ]
    for one, own in zip(members, owned, strict=True):
        further = {f"term_{name}" for name in DISTORTIONS} & told[one.trial].keys()
        assert further == {f"term_{name}" for name in own}
        assert_same(together.parameters(one.trial), trained_alone(data, one, 1), data, one, 1, seed)


def test_weights_are_stacked_in_the_familys_order_without_what_nobody_weighs() -> None:
    weights = [{"a": 0.0, "b": 0.0, "c": 1.0, "d": 0.0}, {"a": 2.0, "b": 0.0, "c": 0.0, "d": 0.0}]
    found = stacked(weights, "cpu", {"b", "c", "d"})
    assert {name: values.tolist() for name, values in found.items()} == {
        "a": [0.0, 2.0],
        "c": [1.0, 0.0],
    }
