"""Adversarial loss: does a critic that learns to tell decoded patches from true ones believe them?

Legend: T trials, B patches, N true points.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812  the name everyone knows

from losses.clouds import masked_mean

if TYPE_CHECKING:
    from torch import Tensor

PENALTY = 1.0
"""Weight of the steepness. 256 free points that a critic alone pulls onto a ring end, after 1,200
steps of both, at 7 % of their sliced distance with 1, at 3 % with 10 and at 18 % with 0.1."""


def disbelief(of_decoded: Tensor) -> Tensor:
    """What a codec minimises: ``-log`` of the probability that a decoded patch is a true one.

    Goodfellow et al. 2014, the form whose gradient does not vanish while the critic is right:
    ``softplus(-score)``. It is log 2 = 0.69 where the critic cannot tell, and grows with its score
    where it can. The critic's parameters are not to learn from it.

    Args:
        of_decoded: (T, B) scores: log odds of being true.

    Returns:
        (T, B), in nats.
    """
    return F.softplus(-of_decoded)


def critic_error(of_decoded: Tensor, of_true: Tensor, slope: Tensor, valid: Tensor) -> Tensor:
    """What a critic minimises: how wrong it is, and how steep among true patches.

    The logistic loss of both, and half `PENALTY` times the squared gradient at the true patches
    (R1: Mescheder et al., "Which Training Methods for GANs do actually Converge?", ICML 2018), with
    which training both at once, a step each, converges near its end. The codec is not to learn from
    it.

    Args:
        of_decoded: (T, B) scores.
        of_true: (T, B) scores.
        slope: (T, B, N, D), the gradient of each true patch's score with respect to its points,
            itself differentiable.
        valid: (1 or T, B, N) bool.

    Returns:
        (T, B), in nats.
    """
    wrong = F.softplus(of_decoded) + F.softplus(-of_true)
    return wrong + PENALTY / 2 * steepness(slope, valid)


def steepness(slope: Tensor, valid: Tensor) -> Tensor:
    """The squared gradient of a score with respect to where a patch's mass is, (T, B).

    Of N points each carries 1/N of the mass, so that a point's gradient is N times smaller than
    that of all: ``mean over points of |N slope|^2``, which does not depend on their number. A score
    that is the mean of one coordinate has steepness 1. Per squared patch unit.
    """
    count = valid.sum(dim=-1, dtype=slope.dtype)
    return masked_mean(slope.square().sum(dim=-1), valid) * count.square()


def slope_of(score: Tensor, points: Tensor) -> Tensor:
    """The gradient of scores (T, B) with respect to points (T, B, N, D), itself differentiable."""
    (slope,) = torch.autograd.grad(score.sum(), points, create_graph=True)
    return slope
