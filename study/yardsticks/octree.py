"""The octree codec as a yardstick: whole files, one operating point for each edge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from model.bag.choosing import LADDER
from model.octree.codec import OctreeCodec, OctreeOptions
from model.octree.general import general_tables
from study.yardsticks.yardstick import CodedYardstick

if TYPE_CHECKING:
    from collections.abc import Sequence

    from study.metrics.measurement import Coder

WHOLE_LADDER = LADDER[::2]
"""Every second of the numbers of voxels over the longest side that a codec with members tries."""


def octree(
    *, ladder: Sequence[float] = LADDER, counts: Literal["none", "coarse"] = "none"
) -> CodedYardstick:
    """Return the octree codec at several edges: `study compress octree`, with other edges.

    It begins with the tables that come along, as the octree of a codec with members does: so it is
    the octree that a user would take, and that no front of such codecs is beaten by.

    Args:
        ladder: numbers of voxels over the longest side, from the lowest rate to the highest.
        counts: what files tell of the number of points in a voxel.
    """
    told = "positions only" if counts == "none" else f"positions and {counts} numbers of points"
    return CodedYardstick(
        name="octree" if counts == "none" else "octree+counts",
        description=f"octree codec, with tables of other objects: {told}, about as many points "
        f"decoded as there were, spread between voxels, {ladder[0]:.3g} to {ladder[-1]:.3g} voxels "
        "over the longest side",
        coders=[(f"{cells:.4g} voxels", _coder(1 / cells, counts)) for cells in ladder],
    )


def _coder(share: float, counts: Literal["none", "coarse"]) -> Coder:
    return OctreeCodec(
        OctreeOptions(edge_of_longest_side=share, counts=counts, tables=general_tables())
    )
