"""Padded patches of points, for modules that were written for one trial.

Legend: B patches, N points.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class PointBatch(NamedTuple):
    """Several patches, padded to the largest.

    Attributes:
        xyz: (B, N, 3) in [-1, 1], along a Morton curve; 0 in padding.
        sizes: (B,) int64.
    """

    xyz: Tensor
    sizes: Tensor

    @property
    def valid(self) -> Tensor:
        """(B, N) bool, false in padding."""
        return torch.arange(self.xyz.shape[1], device=self.xyz.device) < self.sizes[:, None]

    def evenly(self, count: int) -> Tensor:
        """Return so many points of each patch, (B, count, 3), evenly spaced on its Morton curve.

        For networks that read a fixed number. The same place on the curve is about the same place
        in the cube. Of patches with fewer points some are returned twice; padding never is.
        """
        place = 2 * torch.arange(count, device=self.sizes.device) + 1
        index = place * self.sizes[:, None] // (2 * count)
        return self.xyz.gather(1, index[..., None].expand(-1, -1, 3))


def collate(patches: Sequence[NDArray[np.float32]], device: str | torch.device) -> PointBatch:
    """Pad (n, 3) patches to the largest and put them on a device."""
    sizes = [len(points) for points in patches]
    xyz = np.zeros((len(patches), max(sizes), 3), np.float32)
    for row, points in zip(xyz, patches, strict=True):
        row[: len(points)] = points
    return PointBatch(
        torch.from_numpy(xyz).to(device, non_blocking=True),
        torch.tensor(sizes).to(device, non_blocking=True),
    )
