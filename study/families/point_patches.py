"""Patches of points alone, for families that work nothing out beforehand."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from model.container import CHECKSUM_BYTES, CODEC_ID_BYTES, Header
from model.rans import FLUSH_BITS, SymbolWriter
from model.structure import write_leaves

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from model.partition import Partition, PartitionConfig
    from model.placement import Placement

LENGTH_BITS = 16
"""Of the length of a patch's bytes in a file."""


class PointPatches:
    """A `study.data.patch_form.PatchForm` that adds nothing to the points."""

    parameters: Mapping[str, Any] = {"patches": "points"}

    def columns(self) -> dict[str, str]:
        """Return none."""
        return {}

    def bytes_per_point(self) -> float:
        """Return none."""
        return 0.0

    def row(self, _points: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return none."""
        return {}

    def read(
        self, points: NDArray[Any], _normals: NDArray[Any] | None, _row: Mapping[str, Any]
    ) -> Any:  # noqa: ANN401  (n, 3) float32; a subclass may have more
        """Return the points."""
        return points

    def overhead_bits(self, cut: Partition, placement: Placement, config: PartitionConfig) -> int:
        """Return them as `study.families.patchwise.PatchwiseCodec` writes files."""
        points = len(cut.voxel_members) + sum(len(cube.points) for cube in cut.patches)
        writer = SymbolWriter()
        write_leaves(writer, cut.leaves, config)
        header = Header(bytes(CODEC_ID_BYTES), points, placement, config.voxel_depth, False, False)  # noqa: FBT003
        around = 8 * (len(header.to_bytes()) + CHECKSUM_BYTES) + FLUSH_BITS
        return around + LENGTH_BITS * len(cut.patches) + math.ceil(writer.bits)
