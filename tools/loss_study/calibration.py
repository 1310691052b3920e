"""Weights with which distortions pull a network equally hard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from study.base.seeds import Purpose, derived_seed
from study.families.dpcc.objective import loss_terms
from study.training.members import Member
from study.training.training import Training

if TYPE_CHECKING:
    from collections.abc import Sequence

    from study.config import StudyConfig
    from study.data import DataSet
    from study.families.dpcc.architecture import DpccArchitecture

TERMS = ("density_aware", "sliced", "sinkhorn", "shape")
"""Those that are compared with the last stage's chamfer distance."""


def pulls(
    config: StudyConfig,
    architecture: DpccArchitecture,
    data: DataSet,
    seed: int,
    patches: int | None = None,
) -> dict[str, float]:
    """How long the gradients of the terms are, of a network that chamfer trained for one epoch.

    Args:
        config: a study of D-PCC; its own loss trains the network.
        architecture: of its model.
        data: its patches.
        seed: of the network's weights, its noise and the order of patches.
        patches: how many training patches to look at; None for all.

    Returns:
        By term, the root of the mean, over training patches, of the squared norm of its gradient
        with respect to all parameters.
    """
    member = Member(0, seed, config.loss, config.training)
    training = Training(
        architecture=architecture, members=[member], data=data, order_seed=seed, device="cpu"
    )
    training.run_epoch()
    network = architecture.network(1)
    network.restore(training.parameters(0))
    noise = torch.Generator().manual_seed(derived_seed(seed, Purpose.NOISE))
    split = data.split("train")
    count = len(split) if patches is None else patches
    squares = dict.fromkeys(("chamfer", *TERMS), 0.0)
    for number in range(count):
        patch = split[number]
        batch = architecture.collate([patch.contents], "cpu")
        shape = (1, *architecture.noise_shape([int(split.point_counts[number])]))
        drawn = torch.rand(shape, generator=noise) - 0.5
        found = loss_terms(network(batch, drawn), batch, architecture.config.k, further=TERMS)
        for name in squares:
            squares[name] += _square(found[name].mean(), list(network.parameters()))
    return {name: (total / count) ** 0.5 for name, total in squares.items()}


def _square(value: torch.Tensor, parameters: Sequence[torch.Tensor]) -> float:
    found = torch.autograd.grad(value, parameters, retain_graph=True, allow_unused=True)
    return sum(float(each.square().sum()) for each in found if each is not None)
