"""The structure of a cut cloud as symbols: where patches and voxels are, and how big patches are.

The octree is coded from its root, depth first: what a node is, then which of its children hold
points. Writer and reader learn every probability on the way, so nothing has to be agreed on
beforehand. What each part costs on real clouds is in `docs/format.md`.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

import numpy as np

from model.errors import DamagedFileError
from model.hierarchy import latent_count
from model.partition import FINEST_LEVEL, Leaves
from model.rans import AdaptiveBit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from model.partition import PartitionConfig
    from model.rans import SymbolReader, SymbolWriter


class _Models:
    """The models of bits that are learned while an octree is coded.

    Attributes:
        patch: whether a node is a patch.
        sparse: whether the points of a node that is no patch end in voxels.
    """

    def __init__(self) -> None:
        self.patch = AdaptiveBit()
        self.sparse = AdaptiveBit()
        self._in_dense = AdaptiveBit()
        self._in_sparse = [AdaptiveBit() for _ in range(1 << 8)]

    def child(self, earlier: int, *, sparse: bool) -> AdaptiveBit:
        """Whether a child holds points.

        Args:
            earlier: a 1, then the bits of the children before this one. They predict much in voxels
                of a surface; dense nodes are too few to learn it from.
            sparse: whether the node's points end in voxels.
        """
        return self._in_sparse[earlier] if sparse else self._in_dense


def write_leaves(writer: SymbolWriter, leaves: Leaves, config: PartitionConfig) -> None:
    """Write an octree; there is at least one leaf."""
    models = _Models()
    first = (leaves.key << 3 * (FINEST_LEVEL - leaves.level)).tolist()
    levels, is_patch = leaves.level.tolist(), leaves.is_patch.tolist()
    is_other = leaves.is_patch | (leaves.level != config.voxel_level)
    others = np.concatenate([[0], np.cumsum(is_other)]).tolist()  # before each leaf
    nodes = [(0, 0, 0, len(first), False)]
    while nodes:
        level, key, low, high, sparse = nodes.pop()
        if level >= config.cube_level and not sparse:
            is_leaf = levels[low] == level
            writer.bit(is_leaf and is_patch[low], models.patch)
            if is_leaf and is_patch[low]:
                continue
            all_voxels = level <= config.voxel_level and others[low] == others[high]
            sparse = is_leaf or all_voxels
            if level < FINEST_LEVEL:
                writer.bit(sparse, models.sparse)
        if sparse and level >= config.voxel_level:
            continue
        candidates = _candidates(level + 1, key, config)
        shift = 3 * (FINEST_LEVEL - level - 1)
        ranges = [
            [bisect_left(first, edge << shift, low, high) for edge in (child, child + 1)]
            for child in candidates
        ]
        _write_children(writer, models, [start < end for start, end in ranges], sparse=sparse)
        nodes += [
            (level + 1, child, start, end, sparse)
            for child, (start, end) in zip(reversed(candidates), reversed(ranges), strict=True)
            if start < end
        ]


def _write_children(
    writer: SymbolWriter, models: _Models, occupied: Sequence[bool], *, sparse: bool
) -> None:
    earlier = 1
    for child, bit in enumerate(occupied):
        # At least one is occupied: the last one is, if no other was.
        if child < len(occupied) - 1 or any(occupied[:-1]):
            writer.bit(bit, models.child(earlier, sparse=sparse))
        earlier = earlier << 1 | bit


def read_leaves(reader: SymbolReader, config: PartitionConfig, points: int) -> Leaves:
    """Read an octree.

    Args:
        reader: at the place where :func:`write_leaves` wrote.
        config: the writer's.
        points: number of points of the cloud, which bounds the leaves.

    Raises:
        DamagedFileError: more leaves than so many points can fill, or the stream ends.
    """
    models = _Models()
    cube_level, voxel_level = config.cube_level, config.voxel_level
    levels, keys, is_patch = array("q"), array("q"), array("b")
    needed = 0
    nodes = [(0, 0, False)]
    while nodes:
        level, key, sparse = nodes.pop()
        patch = False
        if level >= cube_level and not sparse:
            patch = bool(reader.bit(models.patch))
            sparse = not patch and (level == FINEST_LEVEL or bool(reader.bit(models.sparse)))
        if patch or (sparse and level >= voxel_level):
            levels.append(level)
            keys.append(key)
            is_patch.append(patch)
            needed += config.min_points if patch else 1
            _require_points(needed, points)
            continue
        candidates = _candidates(level + 1, key, config)
        occupied = _read_children(reader, models, len(candidates), sparse=sparse)
        nodes += [
            (level + 1, candidates[child], sparse)
            for child in reversed(range(len(candidates)))
            if occupied[child]
        ]
    return Leaves(
        np.array(levels, dtype=np.int64),
        np.array(keys, dtype=np.int64),
        np.array(is_patch, dtype=bool),
    )


def _read_children(
    reader: SymbolReader, models: _Models, candidates: int, *, sparse: bool
) -> list[bool]:
    occupied: list[bool] = []
    earlier = 1
    for child in range(candidates):
        implied = child == candidates - 1 and not any(occupied)
        bit = 1 if implied else reader.bit(models.child(earlier, sparse=sparse))
        occupied.append(bool(bit))
        earlier = earlier << 1 | bit
    return occupied


def _candidates(level: int, parent: int, config: PartitionConfig) -> Sequence[int]:
    """Keys of a node's children, at `level`, that can hold points: in order, at least one."""
    children = range(parent << 3, (parent << 3) + 8)
    if level > config.cube_level or config.lies_in_grid(level - 1, parent):
        return children
    return [child for child in children if config.reaches_grid(level, child)]


class PatchSizes:
    """The numbers of latent points that patches can have.

    A patch's number of latent points gives its number of points to within a few, and all patches
    and voxels together have the points of the cloud. That bounds the work of reading a file.
    """

    def __init__(self, config: PartitionConfig, downsample_rate: Sequence[float]) -> None:
        """Note what decides the counts.

        Args:
            config: bounds the number of points of a patch.
            downsample_rate: per encoder stage, the share of its points that become samples.
        """
        self._points = range(config.min_points, config.max_points + 1)
        self._downsample_rate = downsample_rate
        self.least = self.latent_count(config.min_points)
        self.most = self.latent_count(config.max_points)

    def latent_count(self, points: int) -> int:
        """Latent points of a patch of so many points."""
        return latent_count(points, self._downsample_rate)

    def fewest_points(self, count: int) -> int:
        """Fewest points of a patch with `count` latent points or more; at most `most` of these."""
        return self._points[bisect_left(self._points, count, key=self.latent_count)]

    def most_points(self, count: int) -> int:
        """Most points of a patch with `count` latent points."""
        last = bisect_right(self._points, count, key=self.latent_count) - 1
        return self._points[max(last, 0)]

    def writer(self, symbols: SymbolWriter) -> PatchSizeWriter:
        """For one cloud."""
        return PatchSizeWriter(symbols, self.least)

    def reader(self, symbols: SymbolReader, points: int) -> PatchSizeReader:
        """For one cloud whose patches have at most so many points."""
        return PatchSizeReader(symbols, self, points)


class PatchSizeWriter:
    """Writes counts as exponential Golomb codes whose lengths are learned.

    Measured on cubes of objects and of LiDAR sweeps: 4.3 to 7.8 bits a count, against 7.2 to 8.0
    for the plain number within the bounds that remain.
    """

    def __init__(self, symbols: SymbolWriter, least: int) -> None:
        self._symbols = symbols
        self._least = least
        self._longer: list[AdaptiveBit] = []

    def write(self, count: int) -> None:
        """Write the next patch's."""
        value = count - self._least + 1
        bits = value.bit_length() - 1
        for position in range(bits + 1):
            if position == len(self._longer):
                self._longer.append(AdaptiveBit())
            self._symbols.bit(position < bits, self._longer[position])
        for shift in reversed(range(bits)):
            self._symbols.choice(value >> shift & 1, 2)


class PatchSizeReader:
    """Reads counts."""

    def __init__(self, symbols: SymbolReader, sizes: PatchSizes, points: int) -> None:
        self._symbols = symbols
        self._sizes = sizes
        self._points = points
        self._needed = 0
        self._longer: list[AdaptiveBit] = []

    def read(self) -> int:
        """Read the next patch's.

        Raises:
            DamagedFileError: no patch has this count, or the points of the cloud are not enough.
        """
        bits = 0
        while self._longer_than(bits):
            bits += 1
        value = 1
        for _ in range(bits):
            value = value << 1 | self._symbols.choice(2)
        count = value - 1 + self._sizes.least
        if count > self._sizes.most:
            raise DamagedFileError(
                f"a patch must have at most {self._sizes.most:,} latent points, and one has "
                f"{count:,}; the file was made up or changed, get it anew"
            )
        self._needed += self._sizes.fewest_points(count)
        _require_points(self._needed, self._points)
        return count

    def _longer_than(self, bits: int) -> bool:
        if bits > self._sizes.most.bit_length():
            return False  # and the count is refused
        if bits == len(self._longer):
            self._longer.append(AdaptiveBit())
        return bool(self._symbols.bit(self._longer[bits]))


def _require_points(needed: int, points: int) -> None:
    if needed > points:
        raise DamagedFileError(
            f"patches and voxels must have the points of the cloud, {points:,} here, and need "
            f"{needed:,} or more; the file was made up or changed, get it anew"
        )
