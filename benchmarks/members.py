"""Trials to measure: those of the quick start, some steps into their training.

A fresh decoder makes three times too many points, and nearly all of a training is not like that.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import study
from benchmarks.measuring import device
from benchmarks.patches import whole_objects
from model.codec import Codec
from model.config import ModelConfig
from study.families.dpcc.architecture import DpccArchitecture
from study.families.dpcc.settings import TrainingConfig
from study.search.space import apply
from study.storage.study_file import load_study
from study.training.feeding import Feed
from study.training.flat import Layout, by_name
from study.training.members import Member
from study.training.population import Population, fresh_states

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model.patches import PatchBatch
    from study.config import StudyConfig
    from study.data import DataSet
    from study.families.dpcc.settings import LossWeights
    from study.training.members import MemberState

STEPS_BEFORE = 100
"""Steps before anything is measured."""
HELD = 1e-12
"""A learning rate to measure at: the optimisers work as ever, and all ways, whose noise differs,
go on decoding the same number of points."""
PATCHES_PER_STEP = 1
"""As published."""


def quick_start() -> StudyConfig:
    """The study file that comes with the package."""
    assert study.__file__ is not None
    return load_study(Path(study.__file__).parent / "quickstart.yaml")


@cache
def trained_states(config: ModelConfig, trials: int) -> list[MemberState]:
    """Members some steps into their training, whose weights are held from there."""
    architecture = DpccArchitecture(config)
    population = Population(
        architecture, fresh_states(architecture, members(trials), device()), device()
    )
    steps = batches(whole_objects())
    population.begin_epoch(0)
    for _ in range(STEPS_BEFORE):
        shape, batch = next(steps)
        population.draw_noise([shape])
        population.step(batch)
    training = TrainingConfig(learning_rate=HELD, bottleneck_learning_rate=HELD)
    return [
        replace(state, member=replace(state.member, training=training))
        for state in population.states()
    ]


@cache
def settled_state(config: ModelConfig) -> MemberState:
    """One of them whose points keep 3 children each, as those of trained codecs do on average.

    Architectures that learn at different speed then decode the same number of points.
    """
    (state,) = trained_states(config, 1)
    settled = replace(state, parameters=state.parameters.clone())
    for name, values in by_name(
        settled.parameters, Layout(Codec(config), DpccArchitecture(config)).shapes
    ).items():
        if name.endswith("count.output.weight"):
            values.zero_()
        elif name.endswith("count.output.bias"):
            values.fill_(math.log(2 / 5))  # sigmoid: 2/7, of 7 more children than one
    return settled


def members(trials: int) -> list[Member]:
    """The quick start's: the published coefficients, then a seeded draw from its space."""
    training = quick_start().training
    return [
        Member(trial=trial, seed=trial, loss=weights, training=training)
        for trial, weights in zip(range(trials), _coefficients(), strict=False)
    ]


def numbers_of_steps(data: DataSet) -> Iterator[list[int]]:
    """The patches of every step, epoch after epoch, as a cohort sees them."""
    feed = _feed(data)
    for clock in count():
        yield from feed.plan(clock)


def batches(data: DataSet, *, keep: bool = True) -> Iterator[tuple[tuple[int, ...], PatchBatch]]:
    """The same as batches, and the shape of each one's noise.

    Args:
        data: whose training patches.
        keep: batches for the next epoch, as production does as far as there is room.
    """
    for clock in count():
        feed = _feed(data) if keep else _new_feed(data)
        plan = feed.plan(clock)
        for numbers, batch in zip(plan, feed.batches(plan), strict=True):
            yield feed.noise_shape(numbers), batch


@cache
def _feed(data: DataSet) -> Feed:
    """One for all who keep batches: so those that are measured find all of them kept."""
    return _new_feed(data)


def _new_feed(data: DataSet) -> Feed:
    return Feed(DpccArchitecture(ModelConfig()), data, PATCHES_PER_STEP, 0, device())


def _coefficients() -> Iterator[LossWeights]:
    config, random = quick_start(), np.random.default_rng(0)
    yield config.loss
    while True:
        drawn = {}
        for name, searched in config.search.space.items():
            low, high = searched.ends
            drawn[name] = math.exp(random.uniform(math.log(low), math.log(high)))
        yield apply(config, drawn).loss
