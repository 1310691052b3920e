"""Padded sets of points.

Legend: L = T trials, or 1 where all trials share the points; B patches; N points; C channels.
Valid points come first, padding after them.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import torch
from pykdtree.kdtree import KDTree

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

FARTHEST = 1e15
"""Beyond any codec that has not diverged; squared distances of such points are float32 numbers."""


class Points:
    """Points of several patches and trials, padded to one size.

    Attributes:
        xyz: (L, B, N, 3) coordinates; differentiable where a decoder made them.
        sizes: (L, B) int64, how many leading points are valid.
    """

    def __init__(self, xyz: Tensor, sizes: Tensor, *, full: bool | None = None) -> None:
        """Note them.

        Args:
            xyz: coordinates.
            sizes: how many are valid.
            full: whether all are, where that is known: a GPU that is asked makes the caller wait.
        """
        assert xyz.shape[:2] == sizes.shape, f"{xyz.shape} does not go with {sizes.shape}"
        self.xyz = xyz
        self.sizes = sizes
        self._full = full

    @cached_property
    def valid(self) -> Tensor:
        """(L, B, N) bool."""
        return torch.arange(self.xyz.shape[2], device=self.sizes.device) < self.sizes[..., None]

    @cached_property
    def full(self) -> bool:
        """Whether no point is padding."""
        return bool(self.valid.all()) if self._full is None else self._full

    @cached_property
    def valid_rows(self) -> Tensor | None:
        """(B, N) of 0 and 1, for points of which all trials have equally many; None where full."""
        return None if self.full else self.valid[0].float()

    @cached_property
    def arrays(self) -> list[list[NDArray[np.float32]]]:
        """The valid points as NumPy arrays, per trial and patch.

        A diverged trial's NaN become zeros: a tree refuses them, and the loss, which keeps them,
        is what ends that trial. Its huge numbers are bounded: their squares would overflow.
        """
        finite = torch.nan_to_num(self.xyz.detach(), posinf=0.0, neginf=0.0)
        xyz = finite.clamp(-FARTHEST, FARTHEST).contiguous().numpy()
        return [
            [xyz[row, patch, :size] for patch, size in enumerate(sizes)]
            for row, sizes in enumerate(self.sizes.tolist())
        ]

    @cached_property
    def trees(self) -> list[list[KDTree]]:
        """One k-d tree per trial and patch."""
        return [[KDTree(points) for points in row] for row in self.arrays]


def gather(values: Tensor, index: Tensor) -> Tensor:
    """Rows of (L, B, N, C) at (L', B, ...) indices, as (max of both L, B, ..., C).

    L and L' are each the number of trials or 1.
    """
    trials = max(values.shape[0], index.shape[0])
    patches, points, channels = values.shape[1:]
    if trials * patches == 1:
        return values.reshape(points, channels)[index]
    first = torch.arange(trials * patches, device=index.device) * points
    rows = index + first.view(trials, patches, *[1] * (index.dim() - 2))
    return values.expand(trials, *values.shape[1:]).reshape(-1, channels)[rows]
