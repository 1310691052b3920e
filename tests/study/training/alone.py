"""A member that trains alone, and how far rounding may take it from that."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from study.training.flat import by_name
from tests.rounding import DISTURBANCES, TIMES, bits_are_promised, distance, moved_by_a_bit
from tests.study.tiny import MODEL, training_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from model.config import ModelConfig
    from study.data import DataSet
    from study.training.training import Member, Training

FIRST_WEIGHTS = "encoder.embed.hidden.linear.weight"


def begun_alone(
    data: DataSet,
    one: Member,
    *,
    noise_of: Member | None = None,
    moved_by: np.random.Generator | None = None,
    model: ModelConfig = MODEL,
) -> Training:
    """A member before its first epoch, if asked for with a wrong start: see `trained_alone`."""
    training = training_of(data, one, model=model)
    (state,) = training._cohort.states()
    if noise_of is not None:
        (other,) = training_of(data, noise_of, model=model)._cohort.states()
        state = replace(state, noise=other.noise)
    if moved_by is not None:
        weights = by_name(state.parameters, training._shapes)[FIRST_WEIGHTS]
        weights.copy_(moved_by_a_bit(weights, moved_by))
    training._cohort.put_together([state])
    return training


def trained_alone(
    data: DataSet,
    one: Member,
    epochs: int,
    *,
    noise_of: Member | None = None,
    moved_by: np.random.Generator | None = None,
    model: ModelConfig = MODEL,
) -> dict[str, Tensor]:
    """Weights of a member that trains alone, if asked for with a wrong start; nothing is validated.

    Args:
        data: what it sees.
        one: the member.
        epochs: how many.
        noise_of: whose noise it is given.
        moved_by: moves one weight of the first layer, through which all goes, by a bit.
        model: its architecture.
    """
    training = begun_alone(data, one, noise_of=noise_of, moved_by=moved_by, model=model)
    for clock in range(one.order_from, one.order_from + epochs):
        training._cohort.train(training._feed, training._feed.plan(clock), clock)
    return training.parameters(one.trial)


def bound(
    data: DataSet,
    one: Member,
    epochs: int,
    rng: np.random.Generator,
    model: ModelConfig = MODEL,
) -> float:
    """How far weights may end from those of the member alone if only rounding differs."""
    theirs = trained_alone(data, one, epochs, model=model)
    disturbed = (
        trained_alone(data, one, epochs, moved_by=rng, model=model) for _ in range(DISTURBANCES)
    )
    return TIMES * max(distance(ours, theirs) for ours in disturbed)


def assert_same(
    ours: Mapping[str, Tensor],
    theirs: Mapping[str, Tensor],
    data: DataSet,
    one: Member,
    epochs: int,
    seed: int,
) -> None:
    """Weights of a member trained in two ways: the same bits where promised, else within rounding.

    Args:
        ours: found in company.
        theirs: found in other company, or alone.
        data: what the member saw.
        one: the member.
        epochs: how many it trained.
        seed: of what is disturbed.
    """
    found = distance(ours, theirs)
    if bits_are_promised():
        assert found == 0.0, one
    else:
        assert found <= bound(data, one, epochs, np.random.default_rng(seed)), one
