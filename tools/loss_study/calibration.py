"""Weights with which distortions pull a network equally hard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from study.families.dpcc.adversarial import ADVERSARIAL, CodecAndCritic, play
from study.families.dpcc.objective import loss_terms
from study.training.feeding import Feed
from study.training.members import Member
from study.training.population import Population, fresh_states

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from study.config import StudyConfig
    from study.data import DataSet
    from study.families.dpcc.architecture import DpccArchitecture

TERMS = ("density_aware", "sliced", "shape", "sinkhorn")
"""Those that are compared with the last stage's chamfer distance, beside the adversarial one."""
HARDLY = 1e-6
"""The adversarial term's weight meanwhile: its critic learns, and the codec does not notice."""


def pulls(
    config: StudyConfig,
    architecture: DpccArchitecture,
    data: DataSet,
    seed: int,
    patches: int | None = None,
) -> dict[str, float]:
    """How long the gradients of the terms are, of a network that chamfer trained for one epoch.

    Args:
        config: a study of D-PCC; its own loss trains the network, and a critic beside it.
        architecture: of its model.
        data: its patches.
        seed: of the network's weights, its noise and the order of patches.
        patches: how many training patches to train on and to look at; None for all.

    Returns:
        By term, the root of the mean, over training patches, of the squared norm of its gradient
        with respect to all parameters of the codec.
    """
    loss = config.loss.model_copy(update={"adversarial_coe": HARDLY})
    member = Member(0, seed, loss, config.training)
    population = Population(architecture, fresh_states(architecture, [member], "cpu"), "cpu")
    feed = Feed(architecture, data, 1, seed, "cpu")
    plan = feed.plan(0)[:patches]
    population.begin_epoch(0)
    population.draw_noise([feed.noise_shape(numbers) for numbers in plan])
    for batch in feed.batches(plan):
        population.step(batch)
    network = population.network
    assert isinstance(network, CodecAndCritic), "the adversarial term has a weight"
    parameters = list(network.codec.parameters())
    generator = torch.Generator().manual_seed(seed)
    squares = dict.fromkeys(("chamfer", *TERMS, ADVERSARIAL), 0.0)
    for numbers, batch in zip(plan, feed.batches(plan), strict=True):
        noise = torch.rand((1, *feed.noise_shape(numbers)), generator=generator) - 0.5
        output = network.codec(batch, noise)
        found: Mapping[str, Tensor] = {
            **loss_terms(output, batch, architecture.config.k, further=TERMS),
            ADVERSARIAL: play(network.critic, output.decoded, batch.stages[0])[0],
        }
        for name in squares:
            squares[name] += _square(found[name].mean(), parameters)
    return {name: (total / len(plan)) ** 0.5 for name, total in squares.items()}


def _square(value: Tensor, parameters: Sequence[Tensor]) -> float:
    found = torch.autograd.grad(value, parameters, retain_graph=True, allow_unused=True)
    return sum(float(each.square().sum()) for each in found if each is not None)
