"""A batch of patches: hierarchies of different sizes, padded into tensors.

Legend: B patches, N points, M samples, K neighbours. All trials share the geometry, so the leading
axis is 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from model.layers import Moments, moments
from model.points import Points, gather

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from model.hierarchy import Hierarchy, Level


@dataclass(frozen=True)
class LevelBatch:
    """The same encoder stage of several patches.

    Attributes:
        samples: (1, B, M) int64, indices into the entering points.
        neighbours: (1, B, M, K) int64, indices into the entering points.
        owned: (1, B, M, K) bool: the neighbour's nearest sample is this one.
        child_count: (1, B, M), points owned.
        mean_distance: (1, B, M), to the owned neighbours.
        offset: (1, B, M, K, 3), sample minus neighbour.
        sample_valid: (B, M) of 0 and 1, None where no sample is padding.
        pair_valid: (B, M * K) of 0 and 1, None where no pair is padding.
    """

    samples: Tensor
    neighbours: Tensor
    owned: Tensor
    child_count: Tensor
    mean_distance: Tensor
    offset: Tensor
    sample_valid: Tensor | None
    pair_valid: Tensor | None

    @cached_property
    def offset_rows(self) -> Tensor:
        """(1, B, M * K, 3)."""
        return self.offset.flatten(2, 3)

    @cached_property
    def offset_moments(self) -> Moments:
        """Of the offsets, for the normalised layer that reads them."""
        return moments(self.offset_rows, self.pair_valid)

    @cached_property
    def direction_rows(self) -> Tensor:
        """(1, B, M * K, 4): unit direction from sample to neighbour, and the distance."""
        distance = self.offset_rows.norm(dim=-1, keepdim=True)
        # The sample is among its own neighbours: its direction is the zero vector.
        direction = -self.offset_rows / distance.clamp_min(1e-12)
        return torch.cat([direction, distance], dim=-1)

    @cached_property
    def direction_moments(self) -> Moments:
        """Of directions and distances."""
        return moments(self.direction_rows, self.pair_valid)


@dataclass(frozen=True)
class PatchBatch:
    """Several patches and their hierarchies on one device.

    Attributes:
        stages: stages + 1 sets of points: what enters each encoder stage, and the latent points.
        levels: one per encoder stage.
    """

    stages: tuple[Points, ...]
    levels: tuple[LevelBatch, ...]

    @property
    def point_counts(self) -> Tensor:
        """(B,) int64, input points per patch."""
        return self.stages[0].sizes[0]

    def valid_rows(self, stage: int) -> Tensor | None:
        """(B, N) of 0 and 1 over the points of a stage, None where none is padding."""
        points = self.stages[stage]
        return _none_if_full(points.valid[0])


def collate(hierarchies: Sequence[Hierarchy], device: str | torch.device = "cpu") -> PatchBatch:
    """Pad hierarchies of equal depth to the largest and put them on a device."""
    depth = len(hierarchies[0].levels)
    stages = []
    for stage in range(depth + 1):
        clouds = [hierarchy.stage_points(stage) for hierarchy in hierarchies]
        sizes = torch.tensor([[len(cloud) for cloud in clouds]], device=device)
        stages.append(Points(_padded(clouds, device), sizes))
    levels = [
        _collate_level([hierarchy.levels[stage] for hierarchy in hierarchies], stages[stage])
        for stage in range(depth)
    ]
    return PatchBatch(tuple(stages), tuple(levels))


def _collate_level(levels: Sequence[Level], entering: Points) -> LevelBatch:
    device = entering.xyz.device
    pad: Callable[[str], Tensor] = lambda name: _padded(  # noqa: E731
        [getattr(level, name) for level in levels], device
    )
    samples, neighbours = pad("samples").long(), pad("neighbours").long()
    offset = gather(entering.xyz, samples)[..., None, :] - gather(entering.xyz, neighbours)
    sample_valid = _padded([np.ones(len(level.samples), dtype=bool) for level in levels], device)
    pair_valid = _padded([np.ones_like(level.owned) for level in levels], device)
    return LevelBatch(
        samples=samples,
        neighbours=neighbours,
        owned=pad("owned"),
        child_count=pad("child_count"),
        mean_distance=pad("mean_distance"),
        offset=offset,
        sample_valid=_none_if_full(sample_valid[0]),
        pair_valid=_none_if_full(pair_valid[0].flatten(1)),
    )


def _padded(arrays: Sequence[NDArray[np.generic]], device: str | torch.device) -> Tensor:
    """Stack arrays of equal rank and different extents, zeros after each, as (1, B, ...)."""
    extents = np.max([array.shape for array in arrays], axis=0)
    stacked = np.zeros((1, len(arrays), *extents), dtype=arrays[0].dtype)
    for row, array in zip(stacked[0], arrays, strict=True):
        row[tuple(slice(extent) for extent in array.shape)] = array
    return torch.from_numpy(stacked).to(device)


def _none_if_full(valid: Tensor) -> Tensor | None:
    return None if bool(valid.all()) else valid.float()
