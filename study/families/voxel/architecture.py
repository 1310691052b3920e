"""The voxel codec's networks as training asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from study.families.stacked import SingleArchitecture
from study.families.voxel.codec import VoxelCodec
from study.families.voxel.patches import VoxelPatches, collate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import torch
    from torch import nn

    from model.partition import PartitionConfig
    from study.families.stacked import Stacked
    from study.families.voxel.patches import VoxelBatch, VoxelPatch


class VoxelArchitecture(SingleArchitecture):
    """A `study.training.architecture.Architecture`."""

    is_exact = False
    asked = SingleArchitecture.asked[:4]
    rates: tuple[str, ...] = ("learning_rate", "edge_learning_rate")

    def __init__(self, make: Callable[[], nn.Module], identity: Mapping[str, Any]) -> None:
        super().__init__(make, identity, VoxelPatches())

    def rate_of(self, parameter: str) -> str:
        """Return the edge's own rate for it."""
        return self.rates[parameter == "log_edge"]

    def collate(self, patches: Sequence[VoxelPatch], device: str | torch.device) -> VoxelBatch:
        """Note them."""
        return collate(patches, device)

    def coder(self, network: Stacked, partition: PartitionConfig, **_is_ours: bool) -> VoxelCodec:
        """Return what codes clouds with the only trial's module."""
        module: Any = network.module(0)
        return VoxelCodec(module, partition, self.identity)
