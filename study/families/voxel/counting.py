"""How many points of a cloud each of its voxels has, predicted from what surrounds it.

A decoder must come to the same numbers everywhere. So its two layers have whole numbers for weights
and inputs, and all sums are exact in float64 in whatever order they are taken.

Legend: v voxels, K voxels of a cube around one, J hidden numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from study.families.voxel.neighbourhoods import AT_ONCE, cube

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from study.families.voxel.neighbourhoods import Neighbourhoods

    Whole = NDArray[np.int64]

HIDDEN = 48
OCTAVES = 6
"""Of points, between the mean and the most or fewest that a voxel is predicted to have."""
_STEP = 256
"""Weights are multiples of its inverse."""
_MOST_WEIGHT = 64
_STEPS_PER_OCTAVE = 16
_POWERS = np.rint(
    2.0 ** (16 + np.arange(-OCTAVES * _STEPS_PER_OCTAVE, OCTAVES * _STEPS_PER_OCTAVE + 1) / 16)
).astype(np.int64)
"""Shares of points, relative to each other. None is near to a half before it is rounded."""


class Counting(nn.Module):
    """Two layers from a voxel's surroundings to the binary logarithm of its share of the points."""

    def __init__(self, reach: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(len(cube(reach)) + 1, HIDDEN)
        self.output = nn.Linear(HIDDEN, 1, bias=False)

    def forward(self, around: Neighbourhoods) -> Tensor:
        """Return (v,) binary logarithms, up to a constant."""
        device = self.output.weight.device
        seen = torch.from_numpy(_seen(around, 0, len(around))).float().to(device)
        logs: Tensor = self.output(functional.relu(self.hidden(seen)))[:, 0]
        return logs.clamp(-OCTAVES, OCTAVES)

    def shares(self, around: Neighbourhoods) -> Whole:
        """Return (v,) whole numbers that are as the points of voxels: the same on every machine."""
        first, bias = _whole(self.hidden.weight), _whole(self.hidden.bias)
        last = _whole(self.output.weight)[0]
        parts = []
        for begin in range(0, len(around), AT_ONCE):
            seen = _seen(around, begin, begin + AT_ONCE).astype(np.float64)
            # Below 2^53: 344 * 2^14 * 2^8 for a reach of 3, then 48 * 2^14 times as much.
            hidden = np.maximum(seen @ first.T + bias, 0.0)
            logs = hidden @ last
            steps = np.floor(logs * (_STEPS_PER_OCTAVE / _STEP**2) + 0.5)
            limit = OCTAVES * _STEPS_PER_OCTAVE
            parts.append(_POWERS[steps.clip(-limit, limit).astype(np.int64) + limit])
        return np.concatenate(parts)


def divided(total: int, shares: Whole) -> Whole:
    """Divide points among voxels by their shares: (v,) of at least 1 each, where that is possible.

    Args:
        total: to be divided; below 2^40.
        shares: (v,) above 0 and below 2^23.
    """
    voxels = len(shares)
    least = int(total >= voxels)
    rest = total - least * voxels
    each = least + shares * rest // int(shares.sum())
    left = total - int(each.sum())
    spread: Whole = each + np.diff(np.arange(voxels + 1) * left // voxels)
    return spread


def _seen(around: Neighbourhoods, begin: int, end: int) -> Whole:
    """(v, K + 1) whole numbers: what is occupied, and how dense the cloud is, in octaves."""
    occupied = around.occupied[begin:end]
    density = np.full((len(occupied), 1), around.density.bit_length())
    seen: Whole = np.concatenate([occupied, density], axis=1).astype(np.int64)
    return seen


def _whole(weights: Tensor) -> NDArray[np.float64]:
    bounded = torch.nan_to_num(weights.detach().cpu().double()).clamp(-_MOST_WEIGHT, _MOST_WEIGHT)
    rounded: NDArray[np.float64] = (bounded * _STEP).round().numpy()
    return rounded
