"""From a cloud to patches and voxels: one rule for data sets and for files.

Frames: *original* (as read), *scaled* (the box of the cloud centred in [0, 100] cubed, its longest
side 100) and *patch* ([-1, 1] around the centre of a cube).

A grid of cubes covers the scaled frame, and every cube is the root of an octree. A node with a
number of points that a codec can take is a patch; a fuller one is split in 8; of an emptier one,
each point is represented by the centre of a voxel. So every point is in exactly one patch or voxel.
One Morton curve orders everything here. Its root covers the grid, 2^i cubes a side for the least
possible i, and is halved up to :data:`FINEST_LEVEL` times.

Legend: n points, p patches, v voxels, l = p + v leaves, w points in voxels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from model.errors import CodecError
from model.morton import COORDINATE_BITS, interleave, separate
from model.placement import LONGEST_SIDE

if TYPE_CHECKING:
    from numpy.typing import NDArray

FINEST_LEVEL = COORDINATE_BITS
"""Most halvings: a Morton key of 63 bits can tell no more apart."""
MOST_POINTS = 1 << 40
"""Most points of a cloud."""


VOXEL_EDGE = 1.5
"""Approximate edge of a voxel by default: about 47 dB with the longest side as the peak, more than
any codec here reaches, at 8 to 9 bits a voxel."""


def usual_voxel_depth(cube_size: float) -> int:
    """How often to halve a cube so that voxels have about the edge :data:`VOXEL_EDGE`.

    Args:
        cube_size: in the scaled frame; `PartitionConfig` refuses sizes that are not possible.
    """
    return round(math.log2(min(max(VOXEL_EDGE, cube_size), LONGEST_SIDE) / VOXEL_EDGE))


@dataclass(frozen=True)
class PartitionConfig:
    """How clouds are cut.

    Attributes:
        cube_size: edge of a cube of the grid, in the scaled frame.
        min_points: a node with fewer points is no patch; voxels stand for its points.
        max_points: a node with more points is split.
        voxel_depth: a voxel is a cube of the grid halved this many times.
    """

    cube_size: float = 50.0
    min_points: int = 100
    max_points: int = 8192
    voxel_depth: int = 5

    def __post_init__(self) -> None:
        if not 1.0 <= self.cube_size <= LONGEST_SIDE:
            raise CodecError(f"cube_size must be from 1 to 100, not {self.cube_size:g}; change it")
        # The integer 50 must not make another codec than 50.0.
        object.__setattr__(self, "cube_size", float(self.cube_size))
        if not 1 <= self.min_points <= self.max_points:
            raise CodecError(
                "a patch must be possible: min_points must be at least 1 and at most max_points, "
                f"and they are {self.min_points} and {self.max_points}; change one of them"
            )
        if self.max_points > MOST_POINTS:
            raise CodecError(
                f"max_points must be at most {MOST_POINTS:,}, the most points of any cloud, and is "
                f"{self.max_points:,}; change it"
            )
        deepest = FINEST_LEVEL - self.cube_level
        if not 0 <= self.voxel_depth <= deepest:
            raise CodecError(
                f"voxel_depth must be from 0 to {deepest} where cube_size is {self.cube_size:g}, "
                f"not {self.voxel_depth}; change it"
            )

    @property
    def cubes_per_side(self) -> int:
        """Cubes along a side of the grid."""
        return math.ceil(LONGEST_SIDE / self.cube_size)

    @property
    def cube_level(self) -> int:
        """Level of the grid's cubes: how often the root, which covers the grid, is halved."""
        return (self.cubes_per_side - 1).bit_length()

    @property
    def voxel_level(self) -> int:
        """Level at which sparse nodes end, unless they lie deeper."""
        return self.cube_level + self.voxel_depth

    def reaches_grid(self, level: int, key: int) -> bool:
        """Whether a cell of a level up to the cubes' contains a cube of the grid."""
        halvings = self.cube_level - level
        return all(first << halvings < self.cubes_per_side for first in separate(key))

    def lies_in_grid(self, level: int, key: int) -> bool:
        """Whether a cell of a level up to the cubes' lies within the grid."""
        halvings = self.cube_level - level
        return all(first + 1 << halvings <= self.cubes_per_side for first in separate(key))

    def edges(self, level: NDArray[np.int64]) -> NDArray[np.float64]:
        """Edge of the nodes of each level, in the scaled frame."""
        edges: NDArray[np.float64] = np.ldexp(self.cube_size, self.cube_level - level)
        return edges


@dataclass(frozen=True)
class Leaves:
    """The leaves of the octree along the Morton curve: what a decoder has to be told.

    Attributes:
        level: (l,) int64, from the level of the grid's cubes (and of voxels) to the finest.
        key: (l,) int64, Morton key of the cell among the cells of its level.
        is_patch: (l,) bool; the others are voxels.
    """

    level: NDArray[np.int64]
    key: NDArray[np.int64]
    is_patch: NDArray[np.bool_]

    def where(self, chosen: NDArray[np.bool_]) -> Leaves:
        """Return some of the leaves, by (l,) whether each is one of them."""
        return Leaves(self.level[chosen], self.key[chosen], self.is_patch[chosen])

    def centres(self, config: PartitionConfig) -> NDArray[np.float64]:
        """(l, 3) in the scaled frame."""
        cells = np.stack(separate(self.key), axis=1)
        return (cells + 0.5) * config.edges(self.level)[:, None]


@dataclass(frozen=True)
class Cube:
    """A node that is a patch.

    Attributes:
        centre: (3,) in the scaled frame.
        half_width: in the scaled frame.
        points: (n, 3) in the patch frame, within [-1, 1], in an order that depends on the set of
            points alone.
        members: (n,) int64, their indices in the cloud.
    """

    centre: NDArray[np.float64]
    half_width: float
    points: NDArray[np.float32]
    members: NDArray[np.int64]


@dataclass(frozen=True)
class Partition:
    """A cloud, cut.

    Attributes:
        leaves: patches and voxels along the Morton curve.
        patches: p of them, in that order.
        voxels: (v, 3) their centres in the scaled frame, in that order.
        voxel_members: (w,) int64, indices in the cloud of the points that voxels stand for.
        voxel_starts: (v,) int64, where each voxel's points start in `voxel_members`.
    """

    leaves: Leaves
    patches: tuple[Cube, ...]
    voxels: NDArray[np.float64]
    voxel_members: NDArray[np.int64]
    voxel_starts: NDArray[np.int64]


def partition(scaled: NDArray[np.float64], config: PartitionConfig) -> Partition:
    """Cut a cloud; the order of its points decides nothing but the order of equal ones.

    Args:
        scaled: (n, 3) in [0, 100] (up to rounding), n >= 1.
        config: how to cut.
    """
    keys = _morton_keys(scaled, config)
    order = np.lexsort((*scaled.T[::-1], keys))
    keys = keys[order]
    level, in_patch = _leaf_levels(keys, config)
    cell = keys >> 3 * (FINEST_LEVEL - level)
    # Cells of different levels may have equal keys.
    first = np.flatnonzero((np.diff(cell, prepend=-1) != 0) | (np.diff(level, prepend=-1) != 0))
    leaves = Leaves(level[first], cell[first], in_patch[first])
    centres = leaves.centres(config)
    half_widths = config.edges(leaves.level) / 2
    counts = np.diff(first, append=len(order))
    patches = []
    for leaf in np.flatnonzero(leaves.is_patch):
        members = order[first[leaf] : first[leaf] + counts[leaf]]
        # Float64 is coarse far from the origin: there a point may lie a little beyond the grid.
        points = ((scaled[members] - centres[leaf]) / half_widths[leaf]).clip(-1.0, 1.0)
        patches.append(
            Cube(centres[leaf], float(half_widths[leaf]), points.astype(np.float32), members)
        )
    in_voxels = counts[~leaves.is_patch]
    return Partition(
        leaves=leaves,
        patches=tuple(patches),
        voxels=centres[~leaves.is_patch],
        voxel_members=order[~in_patch],
        voxel_starts=np.cumsum(in_voxels) - in_voxels,
    )


def _leaf_levels(
    keys: NDArray[np.int64], config: PartitionConfig
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The level of the leaf of each of (n,) sorted keys, and whether that leaf is a patch."""
    levels = np.empty(len(keys), dtype=np.int64)
    in_patch = np.zeros(len(keys), dtype=bool)
    active = np.arange(len(keys))
    for level in range(config.cube_level, FINEST_LEVEL + 1):
        cell = keys[active] >> 3 * (FINEST_LEVEL - level)
        first = np.flatnonzero(np.diff(cell, prepend=-1))
        sizes = np.diff(first, append=len(cell))
        size = np.repeat(sizes, sizes)
        dense, sparse = size > config.max_points, size < config.min_points
        # Dense nodes keep the last level: a heap of equal points is a voxel.
        levels[active] = np.where(sparse, max(level, config.voxel_level), level)
        in_patch[active] = ~(dense | sparse)
        active = active[dense]
        if not len(active):
            break
    return levels, in_patch


def _morton_keys(scaled: NDArray[np.float64], config: PartitionConfig) -> NDArray[np.int64]:
    """(n,) keys of the cells of the finest level.

    The grid's upper faces are closed: points that rounding puts beyond them are in the last cell.
    """
    per_cube = 1 << (FINEST_LEVEL - config.cube_level)
    last = config.cubes_per_side * per_cube - 1
    cells = np.floor(scaled / config.cube_size * per_cube).clip(0, last).astype(np.int64)
    return interleave(cells[:, 0], cells[:, 1], cells[:, 2])
