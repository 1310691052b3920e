"""The decoder: what a voxel's surroundings say of the surface in it, and points on that surface.

Legend: v voxels, m points, W width, H heads.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from study.families.voxel.counting import Counting
from study.families.voxel.neighbourhoods import cube

if TYPE_CHECKING:
    from collections.abc import Iterator

    from study.families.voxel.neighbourhoods import Neighbourhoods

HEADS = 4
AT_ONCE = 1 << 13
"""Voxels of which all is computed at once: attention gathers 54 rows of width W for each."""
_SEED = 4
"""Numbers that tell the points of a voxel from each other (`neighbourhoods.seeds`)."""
_DENSITY_SCALE = 3.0
"""Logarithms of densities are divided by it: from 1 to 64 points in a voxel are 0 to 2."""


class Attention(nn.Module):
    """A round of attention among touching voxels (Vaswani et al. 2017), and a layer for each.

    Where a neighbour lies is added to its key and to its value. Keys have no bias: a softmax does
    not see it.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.value = nn.Linear(width, width), nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.place_keys = nn.Parameter(0.1 * torch.randn(27, width))
        self.place_values = nn.Parameter(0.1 * torch.randn(27, width))
        self.mixed = nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, known: Tensor, touching: Tensor) -> Tensor:
        """Return (v, W) of (v, W).

        Args:
            known: of each voxel.
            touching: (v, 27), v where there is none.
        """
        normed = self.before(known)
        nobody = normed.new_zeros(1, normed.shape[1])
        keys = torch.cat([self.key(normed), nobody])
        values = torch.cat([self.value(normed), nobody])
        heard = torch.cat(
            [self._attend(normed[at], keys, values, touching[at]) for at in _parts(len(known))]
        )
        known = known + self.mixed(heard)
        thought: Tensor = self.narrow(functional.gelu(self.wide(self.between(known))))
        return known + thought

    def _attend(self, normed: Tensor, keys: Tensor, values: Tensor, touching: Tensor) -> Tensor:
        query = self.query(normed).unflatten(-1, (1, HEADS, -1))
        key = (keys[touching] + self.place_keys).unflatten(-1, (HEADS, -1))
        value = (values[touching] + self.place_values).unflatten(-1, (HEADS, -1))
        scores = (query * key).sum(dim=-1) / math.sqrt(key.shape[-1])
        is_none = (touching == len(keys) - 1)[..., None]
        weights = scores.masked_fill(is_none, -torch.inf).softmax(dim=1)
        heard: Tensor = (weights[..., None] * value).sum(dim=1)
        return heard.flatten(1)


class VoxelNetwork(nn.Module):
    """What knows voxels by their surroundings, and makes any number of points of each.

    Points are a folded square (FoldingNet, Yang et al. 2018, arXiv 1712.07262), one for each voxel,
    so that a voxel has as many as it is asked for.
    """

    def __init__(self, width: int, point_width: int, layers: int, reach: int) -> None:
        super().__init__()
        self.reach = reach
        self.seen = nn.Linear(len(cube(reach)) + 1, width)
        self.thought = nn.Sequential(
            nn.GELU(), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width)
        )
        self.counting = Counting(reach)
        self.rounds = nn.ModuleList(Attention(width) for _ in range(layers))
        self.middle = nn.Linear(width, 3)
        self.surface = nn.Linear(width, point_width)
        self.seed = nn.Linear(_SEED, point_width, bias=False)
        self.fold = nn.Linear(point_width, point_width)
        self.offset = nn.Linear(point_width, 3, bias=False)

    def known(self, around: Neighbourhoods) -> Tensor:
        """Return (v, W) of the voxels of a cloud."""
        device = self.seen.weight.device
        touching = torch.from_numpy(around.touching).to(device)
        occupied = torch.from_numpy(around.occupied).to(device)
        parts = []
        for at in _parts(len(around)):
            seen = occupied[at].float()
            density = seen.new_full((len(seen), 1), math.log2(around.density + 1) / _DENSITY_SCALE)
            first = self.seen(torch.cat([seen, density], dim=1))
            parts.append(first + self.thought(first))
        known = torch.cat(parts)
        for attention in self.rounds:
            known = attention(known, touching)
        return known

    def forward(self, known: Tensor, voxel: Tensor, seeds: Tensor) -> Tensor:
        """Return (m, 3) points, in edges, from the centres of their voxels.

        Args:
            known: (v, W).
            voxel: (m,) of each point.
            seeds: (m, 4).
        """
        folded = functional.relu(self.surface(known)[voxel] + self.seed(seeds))
        folded = folded + functional.relu(self.fold(folded))
        middle: Tensor = self.middle(known)
        offset: Tensor = self.offset(folded)
        return middle[voxel] + offset


def _parts(count: int) -> Iterator[slice]:
    return (slice(begin, begin + AT_ONCE) for begin in range(0, count, AT_ONCE))
