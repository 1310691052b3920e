"""What D-PCC has of a patch: its hierarchy, as lists of a row.

Arrays have the shapes given in `model.hierarchy`. `owned` is stored as bytes: Arrow's own booleans
are bits, and every reading would have to unpack them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from model.hierarchy import Hierarchy, Level, build_hierarchy
from model.overhead import overhead_bits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from model.partition import Partition, PartitionConfig
    from model.placement import Placement

_LEVEL_TYPES = {
    "samples": "int32",
    "neighbours": "int32",
    "owned": "uint8",
    "child_count": "float32",
    "mean_distance": "float32",
}


@dataclass(frozen=True)
class Hierarchies:
    """A `study.data.patch_form.PatchForm`.

    Attributes:
        downsample_rate: per encoder stage, the share of the points that become samples.
        k: neighbours of a sample.
    """

    downsample_rate: tuple[float, ...]
    k: int

    @property
    def parameters(self) -> dict[str, Any]:
        """Both, by name."""
        return asdict(self)

    def columns(self) -> dict[str, str]:
        """Return those of every level."""
        return {
            f"{name}_{stage}": kind
            for stage in range(len(self.downsample_rate))
            for name, kind in _LEVEL_TYPES.items()
        }

    def bytes_per_point(self) -> float:
        """Return a point's share of the levels."""
        needed, share = 0.0, 1.0
        for rate in self.downsample_rate:
            share *= rate
            # Per sample: its index, neighbours and whether it owns them, child count, distance.
            needed += share * (4 + self.k * (4 + 1) + 4 + 4)
        return needed

    def row(self, points: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Build the levels."""
        hierarchy = build_hierarchy(points, self.downsample_rate, self.k)
        return {
            f"{name}_{stage}": getattr(level, name)
            for stage, level in enumerate(hierarchy.levels)
            for name in _LEVEL_TYPES
        }

    def read(
        self, points: NDArray[Any], normals: NDArray[Any] | None, row: Mapping[str, NDArray[Any]]
    ) -> Hierarchy:
        """Put them together."""
        levels = tuple(_level(row, stage) for stage in range(len(self.downsample_rate)))
        return Hierarchy(points, levels, normals)

    def overhead_bits(self, cut: Partition, placement: Placement, config: PartitionConfig) -> int:
        """Return them as `model.container` writes files."""
        return overhead_bits(cut, placement, config, self.downsample_rate)


def _level(row: Mapping[str, NDArray[Any]], stage: int) -> Level:
    samples = row[f"samples_{stage}"]
    return Level(
        samples=samples,
        neighbours=row[f"neighbours_{stage}"].reshape(len(samples), -1),
        owned=row[f"owned_{stage}"].view(np.bool_).reshape(len(samples), -1),
        child_count=row[f"child_count_{stage}"],
        mean_distance=row[f"mean_distance_{stage}"],
    )
