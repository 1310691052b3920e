"""Sinkhorn divergence: the cost of moving one cloud onto the other, blurred and debiased.

Legend: T trials, B patches, P decoded points, N true points.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from geomloss import SamplesLoss

if TYPE_CHECKING:
    from torch import Tensor

    from losses.clouds import Cloud

BLUR = 0.05
"""In patch units, a fortieth of a patch: GeomLoss's default, for clouds of its size."""
ANNEALING = 0.5
"""Each round of the descent to the blur halves its scale: GeomLoss's default."""
DIAGONAL = 2 * math.sqrt(3)
"""Of a patch, in patch units. Measured per batch instead, a patch would depend on its company."""


def sinkhorn_divergence(
    decoded: Cloud, true: Cloud, blur: float = BLUR, annealing: float = ANNEALING
) -> Tensor:
    """Squared 2-Wasserstein distance between uniform weights, entropic and without its bias.

    Feydy et al. 2019, by their library GeomLoss. It is 0 for equal clouds only, tends to the
    Wasserstein distance as the blur goes to 0, and sees what chamfer does not: how much mass is
    where. Numbers of points may differ. Time and memory are ``P N`` for each of some
    ``log(diagonal / blur) / log(1 / annealing)`` rounds, of which only the last is differentiated:
    gradients are exact as far as the rounds have converged. Who else is in the batch may change
    last bits.

    Args:
        decoded: (T, B, P).
        true: (1 or T, B, N).
        blur: the scale below which differences are smoothed over, in patch units.
        annealing: the ratio of the scales of two rounds; nearer to 1 is slower and more exact.

    Returns:
        (T, B), in squared patch units.
    """
    solve = SamplesLoss(
        "sinkhorn",
        p=2,
        blur=blur,
        diameter=DIAGONAL,
        scaling=annealing,
        cost=_half_dist2,
        backend="tensorized",
    )
    trials = max(len(decoded.xyz), len(true.xyz))
    weights, points = [], []
    for cloud in (decoded, true):
        of_cloud, xyz = _as_measure(cloud)
        weights.append(of_cloud.expand(trials, -1, -1).flatten(0, 1))
        points.append(xyz.expand(trials, -1, -1, -1).flatten(0, 1))
    half: Tensor = solve(weights[0], points[0], weights[1], points[1])
    divergence: Tensor = 2 * half.unflatten(0, (trials, -1))
    return divergence


def _as_measure(cloud: Cloud) -> tuple[Tensor, Tensor]:
    """Weights (L, B, N) of sum 1, and points; padding lies on a valid point and has no weight.

    Anywhere else its potential, divided by the squared blur, could outgrow its missing weight.
    """
    weights = cloud.valid.to(cloud.xyz.dtype)
    weights = weights / weights.sum(dim=-1, keepdim=True)
    return weights, torch.where(cloud.valid[..., None], cloud.xyz, cloud.xyz[:, :, :1].detach())


def _half_dist2(x: Tensor, y: Tensor) -> Tensor:
    """Halved squared distances of all pairs, (C, P, D) and (C, N, D) to (C, P, N)."""
    return (x[:, :, None] - y[:, None]).square().sum(dim=-1) / 2
