"""What an octree's file holds, and the points that it decodes to.

Legend: v voxels, m decoded points.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from model.errors import DamagedFileError
from model.octree.frame import Counts, Placing
from model.octree.levels import FIRST, HIGHEST, counts_of
from model.octree.placing import FINE_BITS, between, equal_counts
from model.octree.voxels import AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from model.octree.coding import Occupied
    from model.octree.frame import Frame
    from model.octree.placing import Placer


@dataclass(frozen=True)
class CodedOctree:
    """The contents of a file.

    Attributes:
        frame: what it says before the octree.
        voxels: (v, 3) int64, counted from the frame's corner, along the Morton curve.
        counts: (v,) int64, points that each is decoded to.
        placer: the codec's own, which puts them where the frame says so.
    """

    frame: Frame
    voxels: NDArray[np.int64]
    counts: NDArray[np.int64]
    placer: Placer | None = None

    @property
    def points(self) -> int:
        """How many it is decoded to."""
        return int(self.counts.sum())

    def parts(self) -> Iterator[NDArray[np.float64]]:
        """Yield the points some at a time, (m, 3) in all; voxels along the Morton curve."""
        frame = self.frame
        corner = np.array(frame.corner, dtype=np.int64)
        if frame.placing == Placing.CENTRES:
            ends = np.cumsum(self.counts)
            for begin in range(0, int(ends[-1]), AT_ONCE):
                wanted = np.arange(begin, min(begin + AT_ONCE, int(ends[-1])))
                voxels = self.voxels[np.searchsorted(ends, wanted, side="right")]
                yield (voxels + corner) * frame.edge
            return
        if frame.placing == Placing.LEARNED:
            assert self.placer is not None, "the codec that read the file has one"
            told = frame.counts != Counts.NONE
            for placed in self.placer.place(self.voxels, self.counts, frame.points, is_told=told):
                yield (placed + corner) * frame.edge
            return
        fine_edge = frame.edge / (1 << FINE_BITS)
        for fine in between(self.voxels, self.counts, frame.points):
            voxels = (fine >> FINE_BITS) + corner
            yield voxels * frame.edge + (fine & (1 << FINE_BITS) - 1) * fine_edge


def decoded_counts(frame: Frame, found: Occupied, length: int) -> NDArray[np.int64]:
    """Return how many points each voxel is decoded to; the cloud's number must be possible."""
    if frame.counts == Counts.NONE or found.counts is None:
        if frame.placing == Placing.CENTRES:
            return np.ones(len(found.voxels), dtype=np.int64)
        return equal_counts(frame.points, len(found.voxels), length)
    if frame.counts == Counts.COARSE:
        return _coarse_counts(found.counts, frame.points)
    if int(found.counts.sum()) != frame.points:
        raise _other_count(frame.points, int(found.counts.sum()))
    return found.counts


def _coarse_counts(levels: NDArray[np.int64], points: int) -> NDArray[np.int64]:
    """Return what levels decode to; the cloud's number of points must be possible with them."""
    if int(levels.max()) > HIGHEST:
        raise DamagedFileError(
            f"a voxel's points are told by a number up to {HIGHEST}, and here one is "
            f"{int(levels.max()):,}; the file was made up or changed, get it anew"
        )
    if float(FIRST[levels].sum(dtype=np.float64)) > 2 * points:  # It may be beyond 64 bits.
        raise _other_count(points, 2 * points)
    least, past = int(FIRST[levels].sum()), int(FIRST[levels + 1].sum())
    if not least <= points <= past - len(levels):
        raise _other_count(points, least)
    return counts_of(levels)


def _other_count(points: int, found: int) -> DamagedFileError:
    return DamagedFileError(
        f"voxels must have the points of the cloud, {points:,} here, and have {found:,}; the file "
        "was made up or changed, get it anew"
    )
