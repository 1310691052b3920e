"""The octree codec as a yardstick: whole files, one operating point for each edge."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from model.octree.codec import OctreeCodec, OctreeOptions
from study.yardsticks.yardstick import CodedYardstick

if TYPE_CHECKING:
    from collections.abc import Sequence

    from model.octree.coding import OctreeTables

HALF_STEPS = tuple(range(2, 17))
"""Twice the binary logarithm of the number of voxels over the longest side: 2 to 256, by the square
root of two. On 21 of the embedded objects that is 26 to 59 dB D1 PSNR, a point every 2 or 3 dB."""
WHOLE_STEPS = HALF_STEPS[::2]


@dataclass(frozen=True)
class OctreeKind:
    """What an octree yardstick has besides its edges.

    Attributes:
        counts: what files tell of the number of points in a voxel (`model.octree.codec`).
        tables: what the coder knows beforehand; None: it learns within each file.
        trained_on: how many clouds those are of.
    """

    counts: Literal["none", "coarse"] = "none"
    tables: OctreeTables | None = None
    trained_on: int = 0

    @property
    def name(self) -> str:
        """What it is called, before a comma, and what it was trained on."""
        name = "octree" if self.counts == "none" else "octree+counts"
        return name if self.tables is None else f"{name}, {self._training}"

    @property
    def _training(self) -> str:
        return f"trained on {self.trained_on:,} cloud{'s' * (self.trained_on != 1)}"

    @property
    def description(self) -> str:
        """What it is, in a few words."""
        told = f"octree codec, {'nothing trained' if self.tables is None else self._training}"
        if self.counts == "none":
            return (
                f"{told}: positions only, about as many points decoded as there were, spread "
                "between voxels (up to 128 for each)"
            )
        return f"{told}: positions and {self.counts} numbers of points, spread between voxels"


def octree(*, steps: Sequence[int] = HALF_STEPS, kind: OctreeKind = OctreeKind()) -> CodedYardstick:
    """Return the octree codec at several edges.

    Args:
        steps: as `HALF_STEPS`, from the lowest rate to the highest.
        kind: what it has besides.
    """
    cells = [2.0 ** (step / 2) for step in steps]
    options = OctreeOptions(counts=kind.counts, tables=kind.tables)
    return CodedYardstick(
        name=kind.name,
        description=f"{kind.description}, {cells[0]:.3g} to {cells[-1]:.3g} voxels over the "
        "longest side",
        coders=[
            (f"{each:.4g} voxels", OctreeCodec(replace(options, edge_of_longest_side=1 / each)))
            for each in cells
        ],
    )
