"""A critic of patches, as a population: what it says of a cloud is the log odds of its being true.

Legend: L = T trials or 1 where all share the points; B patches, N points, K neighbours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from model.layers import Linear, affine
from model.nearest import nearest
from model.points import gather

if TYPE_CHECKING:
    from collections.abc import Sequence

    from model.points import Points

HIDDEN = 32
"""Width of its layers: 2,401 parameters, beside the 87,662 of a codec of D-PCC's."""
NEIGHBOURS = 8
"""Half of those that D-PCC's encoder looks at: what is asked is how evenly points are spread."""
LEAST_SPREAD2 = 1e-6
"""Squared patch units, added under the root: points in one place have a spread's gradient too."""
_LOCAL = 7


class Critic(nn.Module):
    """PointNet (Qi et al., CVPR 2017) with a mean for its maximum, and a look at neighbours.

    Of each point it takes its place, the mean offset to its nearest points, and their spread; so it
    sees where mass is, and whether it is in heaps. A mean over points, unlike a maximum, learns
    from each of them. It is exact under padding, and has no normalisation: the gradient penalty
    wants patches independent of each other.
    """

    def __init__(self, trials: int = 1) -> None:
        super().__init__()
        self.trials = trials
        self.point = Linear(trials, _LOCAL, HIDDEN)
        self.feature = Linear(trials, HIDDEN, HIDDEN)
        self.patch = Linear(trials, HIDDEN, HIDDEN)
        self.score = Linear(trials, HIDDEN, 1)

    def reset(self, seeds: Sequence[int]) -> None:
        """Initialise each trial from its own seed."""
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        for layer in (self.point, self.feature, self.patch, self.score):
            layer.reset(generators)

    def forward(self, xyz: Tensor, valid: Tensor, neighbours: Tensor) -> Tensor:
        """Return scores, (T, B), differentiable twice.

        Args:
            xyz: (T, B, N, 3); padding may hold anything finite.
            valid: (L, B, N) bool.
            neighbours: of `neighbours_of`.
        """
        described = _described(torch.where(valid[..., None], xyz, 0.0), valid, neighbours)
        of_points = _relu(self.feature, _relu(self.point, described))
        total = torch.where(valid[..., None], of_points, 0.0).sum(dim=2, keepdim=True)
        pooled = total / valid.sum(dim=-1, dtype=xyz.dtype)[..., None, None]
        score: Tensor = self.score(_relu(self.patch, pooled))
        return score.flatten(1)


def neighbours_of(points: Points) -> Tensor:
    """(L, B, N, K) indices of each point's nearest, itself among them; not differentiable."""
    return nearest(points, points, NEIGHBOURS)


def _described(xyz: Tensor, valid: Tensor, neighbours: Tensor) -> Tensor:
    """Place, mean offset and spread of every point, (T, B, N, 7)."""
    there = torch.arange(neighbours.shape[-1], device=xyz.device) < valid.sum(-1)[..., None, None]
    count = there.sum(dim=-1, dtype=xyz.dtype)[..., None]
    offsets = torch.where(there[..., None], gather(xyz, neighbours) - xyz[:, :, :, None], 0.0)
    spread2 = offsets.square().sum(dim=(3, 4))[..., None] / count
    return torch.cat([xyz, offsets.sum(dim=3) / count, (spread2 + LEAST_SPREAD2).sqrt()], dim=-1)


def _relu(layer: Linear, x: Tensor) -> Tensor:
    return affine(x, layer.weight, layer.bias, relu=True)
