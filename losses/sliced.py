"""Sliced Wasserstein distance: clouds as seen along lines, where moving mass is sorting.

Legend: T trials, B patches, P decoded points, N true points, S directions.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

import torch

from losses.clouds import masked_mean

if TYPE_CHECKING:
    from torch import Tensor

    from losses.clouds import Cloud

DIRECTIONS = 32
"""Evenly spread, they leave a standard deviation of 1.5 % over rotations of the frame, and random
ones 13 % (300 points, uniform against eight clusters)."""


@cache
def spread_directions(count: int, dimensions: int = 3) -> Tensor:
    """Unit vectors that cover all directions up to their sign, (count, dimensions) float64.

    In three dimensions they are a spherical Fibonacci lattice on half a sphere (Swinbank and
    Purser 2006), in two they are equally spaced.
    """
    assert dimensions in {2, 3}, f"no rule for {dimensions} dimensions"
    step = torch.arange(count, dtype=torch.float64) + 0.5
    if dimensions == 2:
        angle = math.pi * step / count
        return torch.stack([angle.cos(), angle.sin()], dim=1)
    height = 1 - step / count
    angle = math.pi * (1 + math.sqrt(5)) * step
    radius = (1 - height.square()).sqrt()
    return torch.stack([radius * angle.cos(), radius * angle.sin(), height], dim=1)


def sliced_wasserstein2(decoded: Cloud, true: Cloud, directions: int = DIRECTIONS) -> Tensor:
    """The squared 2-Wasserstein distance of the clouds' shadows on lines, averaged over lines.

    Bonneel et al. 2015. On a line the cheapest way to move one set onto another keeps their order,
    so it costs a sort: time ``S (P + N) log(P + N)``, memory ``S (P + N)``. All points have equal
    weight. Where the numbers differ, the decoded points' quantile function, linear between its
    values, is read at the levels of the true points. The lines are always the same ones: no noise
    in the loss. Who else is in the batch may change its last bits, through products of matrices.

    Args:
        decoded: (T, B, P).
        true: (1 or T, B, N).
        directions: S.

    Returns:
        (T, B), in squared patch units: at most the squared Wasserstein distance, and a third of it
        where one cloud is the other one moved.
    """
    lines = spread_directions(directions, decoded.xyz.shape[-1]).to(decoded.xyz)
    ours, theirs = (_quantiles(cloud, lines) for cloud in (decoded, true))
    sizes = [cloud.valid.sum(dim=-1)[..., None, None] for cloud in (decoded, true)]
    level = torch.arange(theirs.shape[-1], device=lines.device, dtype=lines.dtype) + 0.5
    at = (level * (sizes[0] / sizes[1]) - 0.5).clamp(min=0.0).minimum(sizes[0] - 1)
    at = at.expand(*ours.shape[:2], directions, -1)
    below = at.floor()
    above = (below + 1).minimum(sizes[0] - 1)
    lower, upper = (ours.gather(-1, index.long()) for index in (below, above))
    moved = torch.lerp(lower, upper, at - below) - theirs
    inside = true.valid[:, :, None]
    cost = torch.where(inside, moved, 0.0).square()
    return masked_mean(cost, inside).mean(dim=-1)


def _quantiles(cloud: Cloud, lines: Tensor) -> Tensor:
    """Sorted shadows, (L, B, S, N): padding comes last and has no gradient."""
    inside = torch.where(cloud.valid[..., None], cloud.xyz, 0.0)
    shadows = (inside @ lines.T).transpose(2, 3)
    last = torch.finfo(shadows.dtype).max
    return torch.where(cloud.valid[:, :, None], shadows, last).sort(dim=-1).values
