"""A batch of patches: hierarchies of different sizes, padded into tensors.

Legend: B patches, N points, M samples, K neighbours, E owned pairs. All trials share the
geometry, so the leading axis is 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from model.layers import moments
from model.points import Points, gather

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from model.hierarchy import Hierarchy, Level


@dataclass(frozen=True)
class LevelBatch:
    """The same encoder stage of several patches.

    A pair is a sample and one of its K neighbours; E of the M * K pairs are owned: the neighbour's
    nearest sample is this one. Statistics run over all pairs, attention over the owned ones.

    Attributes:
        samples: (1, B, M) int64, indices into the entering points.
        neighbours: (1, B, M, K) int64, indices into the entering points.
        owned_pairs: (1, B, E) int64, indices into the M * K pairs, in order; 0 in padding.
        owner: (1, B, E) int64, the sample of each owned pair; M in padding.
        first_of_samples: (B, M + 1) int64, each sample's first owned pair, and where they end.
        slots: M, or M + 1 where there are padded pairs, which need a place to go.
        child_count: (1, B, M), points owned.
        mean_distance: (1, B, M), to the owned neighbours.
        offsets: (1, B, M * K, 3), sample minus neighbour.
        sample_valid: (B, M) of 0 and 1, None where no sample is padding.
        pair_valid: (B, M * K) of 0 and 1, None where no pair is padding.
        owned_valid: (B, E) of 0 and 1, None where no owned pair is padding.
    """

    samples: Tensor
    neighbours: Tensor
    owned_pairs: Tensor
    owner: Tensor
    first_of_samples: Tensor
    slots: int
    child_count: Tensor
    mean_distance: Tensor
    offsets: Tensor
    sample_valid: Tensor | None
    pair_valid: Tensor | None
    owned_valid: Tensor | None

    def slot(self, trials: int) -> Tensor:
        """(T * B * E,) int64, the owner of every pair, counted over all trials and patches."""
        patches = self.owner.shape[1]
        if trials * patches == 1:
            return self.owner.flatten()
        first = torch.arange(trials * patches, device=self.owner.device) * self.slots
        return (self.owner + first.view(trials, patches, 1)).flatten()

    @cached_property
    def owner_or_first(self) -> Tensor:
        """The owner as an index that is safe to gather with: padding gathers sample 0."""
        return self.owner % self.samples.shape[2]

    @cached_property
    def owned_neighbours(self) -> Tensor:
        """(1, B, E) int64, indices into the entering points."""
        return self.neighbours.flatten(2).gather(2, self.owned_pairs)

    @cached_property
    def owned_offsets(self) -> Tensor:
        """(1, B, E, 3)."""
        return gather(self.offsets, self.owned_pairs)

    @cached_property
    def directions(self) -> Tensor:
        """(1, B, M * K, 4): unit direction from sample to neighbour, and the distance."""
        distance = self.offsets.norm(dim=-1, keepdim=True)
        # The sample is among its own neighbours: its direction is the zero vector.
        direction = -self.offsets / distance.clamp_min(1e-12)
        return torch.cat([direction, distance], dim=-1)

    @cached_property
    def owned_directions(self) -> Tensor:
        """(1, B, E, 4)."""
        return gather(self.directions, self.owned_pairs)

    @cached_property
    def offset_moments(self) -> Tensor:
        """Second moments of ``[offset, 1]`` over all pairs, (1, B, 4, 4)."""
        return moments(self.offsets, self.pair_valid)

    @cached_property
    def direction_moments(self) -> Tensor:
        """Second moments of ``[direction, distance, 1]`` over all pairs, (1, B, 5, 5)."""
        return moments(self.directions, self.pair_valid)


@dataclass(frozen=True)
class PatchBatch:
    """Several patches and their hierarchies on one device.

    Attributes:
        stages: stages + 1 sets of points: what enters each encoder stage, and the latent points.
        levels: one per encoder stage.
        normals: (1, B, N, 3) of the input points, or None.
    """

    stages: tuple[Points, ...]
    levels: tuple[LevelBatch, ...]
    normals: Tensor | None = None

    @property
    def point_counts(self) -> Tensor:
        """(B,) int64, input points per patch."""
        return self.stages[0].sizes[0]


def collate(hierarchies: Sequence[Hierarchy], device: str | torch.device = "cpu") -> PatchBatch:
    """Pad hierarchies of equal depth to the largest and put them on a device."""
    depth = len(hierarchies[0].levels)
    stages = []
    for stage in range(depth + 1):
        clouds = [hierarchy.stage_points(stage) for hierarchy in hierarchies]
        counts = [len(cloud) for cloud in clouds]
        sizes = _moved(torch.tensor([counts]), device)
        stages.append(Points(_padded(clouds, device), sizes, full=len(set(counts)) == 1))
    levels = [
        _collate_level([hierarchy.levels[stage] for hierarchy in hierarchies], stages[stage])
        for stage in range(depth)
    ]
    normals = [patch.normals for patch in hierarchies if patch.normals is not None]
    assert len(normals) in {0, len(hierarchies)}, "all patches of a batch have normals, or none"
    return PatchBatch(tuple(stages), tuple(levels), _padded(normals, device) if normals else None)


def _collate_level(levels: Sequence[Level], entering: Points) -> LevelBatch:
    device = entering.xyz.device

    def pad(arrays: Sequence[NDArray[np.generic]], fill: int = 0) -> Tensor:
        return _padded(arrays, device, fill)

    samples = pad([level.samples for level in levels]).long()
    neighbours = pad([level.neighbours for level in levels]).long()
    sample_count, neighbour_count = neighbours.shape[2:]
    at_samples = gather(entering.xyz, samples)[..., None, :]
    pairs = [np.nonzero(level.owned) for level in levels]
    owner = pad([sample for sample, _ in pairs], fill=sample_count)
    return LevelBatch(
        samples=samples,
        neighbours=neighbours,
        owned_pairs=pad([sample * neighbour_count + column for sample, column in pairs]),
        owner=owner,
        first_of_samples=torch.searchsorted(
            owner[0], torch.arange(sample_count + 1, device=device).repeat(len(levels), 1)
        ),
        slots=sample_count + (len({len(sample) for sample, _ in pairs}) > 1),
        child_count=pad([level.child_count for level in levels]),
        mean_distance=pad([level.mean_distance for level in levels]),
        offsets=(at_samples - gather(entering.xyz, neighbours)).flatten(2, 3),
        sample_valid=_validity([level.samples.shape for level in levels], device),
        pair_valid=_validity([level.owned.shape for level in levels], device),
        owned_valid=_validity([sample.shape for sample, _ in pairs], device),
    )


def _padded(
    arrays: Sequence[NDArray[np.generic]], device: str | torch.device, fill: int = 0
) -> Tensor:
    """Stack arrays of equal rank and different extents, filled up after each, as (1, B, ...)."""
    extents = np.max([array.shape for array in arrays], axis=0)
    stacked = np.full((1, len(arrays), *extents), fill, dtype=arrays[0].dtype)
    for row, array in zip(stacked[0], arrays, strict=True):
        row[tuple(slice(extent) for extent in array.shape)] = array
    return _moved(torch.from_numpy(stacked), device)


def _validity(extents: Sequence[tuple[int, ...]], device: str | torch.device) -> Tensor | None:
    """(B, R) of 1 and 0 for R rows, those of a patch and then padding; None where none is padding.

    Args:
        extents: of each patch; R is the product of the largest.
        device: where to put it.
    """
    if len(set(extents)) == 1:
        return None
    return _padded([np.ones(extent, np.float32) for extent in extents], device)[0].flatten(1)


def _moved(made: Tensor, device: str | torch.device) -> Tensor:
    """A new tensor of the CPU, moved: without waiting for what a GPU is doing.

    Ordinary memory is read before the call returns, so it may be freed.
    """
    return made.to(device, non_blocking=True)
