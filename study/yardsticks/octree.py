"""The octree codec as a yardstick: no training, whole files, one operating point for each edge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.octree.codec import OctreeCodec, OctreeOptions
from study.yardsticks.yardstick import CodedYardstick

if TYPE_CHECKING:
    from collections.abc import Sequence

HALF_STEPS = tuple(range(2, 17))
"""Twice the binary logarithm of the number of voxels over the longest side: 2 to 256, by the square
root of two. On 21 of the embedded objects that is 26 to 59 dB D1 PSNR, a point every 2 or 3 dB."""
WHOLE_STEPS = HALF_STEPS[::2]


def octree(*, steps: Sequence[int] = HALF_STEPS) -> CodedYardstick:
    """Return the octree codec without tables that were trained: it learns within each file.

    Args:
        steps: as `HALF_STEPS`, from the lowest rate to the highest.
    """
    cells = [2.0 ** (step / 2) for step in steps]
    return CodedYardstick(
        name="octree",
        description="octree codec, nothing trained: positions only, about as many points decoded "
        "as there were, spread between voxels (up to 128 for each), "
        f"{cells[0]:.3g} to {cells[-1]:.3g} voxels over the longest side",
        coders=[
            (f"{each:.4g} voxels", OctreeCodec(OctreeOptions(edge_of_longest_side=1 / each)))
            for each in cells
        ],
    )
