"""Patches as the voxel codec trains on them: points, and how large the cloud around them is.

Legend: B patches, n points.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from model.octree.coding import bits
from model.octree.frame import CODEC_ID_BYTES, Frame, Placing
from model.octree.general import general_tables
from model.octree.voxels import edge_of_share
from model.placement import LONGEST_SIDE
from study.families.point_patches import PointPatches

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from model.octree.voxels import Voxels
    from model.partition import Partition, PartitionConfig
    from model.placement import Placement

CHECKSUM_BYTES = 2


class VoxelPatch(NamedTuple):
    """A patch.

    Attributes:
        points: (n, 3) float64, in its own frame, [-1, 1].
        longest_side: of its cloud, in that frame.
    """

    points: NDArray[np.float64]
    longest_side: float


class VoxelBatch(NamedTuple):
    """Some patches: their geometry is worked out on the CPU, whatever the network is on.

    Attributes:
        patches: B of them.
        sizes: (B,) int64, on the network's device.
    """

    patches: tuple[VoxelPatch, ...]
    sizes: Tensor


class VoxelPatches(PointPatches):
    """A `study.data.patch_form.PatchForm` that adds nothing to the points."""

    parameters: Mapping[str, Any] = {"patches": "points of clouds that are coded whole"}

    def read(
        self, points: NDArray[Any], _normals: NDArray[Any] | None, row: Mapping[str, Any]
    ) -> VoxelPatch:
        """Return the points and what they are a part of."""
        return VoxelPatch(points.astype(np.float64), LONGEST_SIDE / row["half_width"])

    def overhead_bits(self, cut: Partition, placement: Placement, _config: PartitionConfig) -> int:
        """Return those of the frame: clouds are coded whole, however they are cut to train."""
        points = len(cut.voxel_members) + sum(len(cube.points) for cube in cut.patches)
        middle = (placement.side / 16, (0, 0, 0), (16, 16, 16))
        frame = Frame(points, *middle, placing=Placing.LEARNED, codec_id=bytes(CODEC_ID_BYTES))
        return 8 * (len(frame.to_bytes()) + CHECKSUM_BYTES)


def collate(patches: Sequence[VoxelPatch], device: str | torch.device) -> VoxelBatch:
    """Note patches; only their sizes go to the device."""
    sizes = torch.tensor([len(patch.points) for patch in patches])
    return VoxelBatch(tuple(patches), sizes.to(device, non_blocking=True))


def octree_bits(voxels: Voxels) -> float:
    """Return what a file says of where the voxels are."""
    depth = (max(voxels.box) - 1).bit_length()
    return bits(voxels.cells, None, depth, voxels.box, general_tables())


def edge_at(share: float, longest_side: float) -> float:
    """Return the edge that a file holds for a share of a cloud's longest side."""
    return edge_of_share(np.array([[0.0] * 3, [longest_side, 0.0, 0.0]]), share)
