"""A compressed cloud on its way to points: the symbols of its file, and what they decode to.

Legend: n points of a cloud, m decoded points, v voxels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from model.container import Header
    from model.partition import Leaves, Partition
    from model.patch_coder import PatchLatents
    from model.placement import Placement


@dataclass(frozen=True)
class DecodedCloud:
    """What a file decodes to.

    Attributes:
        points: (m, 3) float64, original frame: patch by patch, then the voxels.
        normals: (m, 3) float32 where the codec has them, not of unit length; or None.
        original_points: n, of the cloud that was compressed.
    """

    points: NDArray[np.float64]
    normals: NDArray[np.float32] | None
    original_points: int


class CodedLeaves(Protocol):
    """What is known of any file of cubes and voxels, whatever codes the cubes."""

    @property
    def leaves(self) -> Leaves:
        """Patches and voxels."""


@dataclass(frozen=True)
class EncodedCloud:
    """A cloud that was cut and coded, before it is a file.

    Attributes:
        points: n, how many it has.
        placement: where it lies.
        cut: its patches and voxels; members are counted as it was given, or, where it has normals,
            as it was sorted.
        latents: of each patch.
        voxel_normals: (v, 3) uint8 where the codec has normals, or None.
    """

    points: int
    placement: Placement
    cut: Partition
    latents: tuple[PatchLatents, ...]
    voxel_normals: NDArray[np.uint8] | None


@dataclass(frozen=True)
class CodedCloud:
    """The symbols of a file, read and checked to the last bit.

    Attributes:
        header: of the file.
        leaves: patches and voxels.
        latents: of each patch.
        voxel_normals: (v, 3) float32 where the codec has normals, or None.
    """

    header: Header
    leaves: Leaves
    latents: tuple[PatchLatents, ...]
    voxel_normals: NDArray[np.float32] | None
