"""The octree's entropy coder in plain Python: `model/native/octree.cpp`, to the bit.

It does the work where there is no C++ compiler, over a hundred times slower, and says what the
kernel does: names and order are the same.
"""

from __future__ import annotations

import warnings
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from model.morton import separate
from model.octree.plain_counts import Counts
from model.octree.plain_mixing import Counter, DamagedStreamError, Predictor, Reader, Writer
from model.octree.plain_rows import BLOCK_BITS, Rows, five, three

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from model.octree.plain_mixing import Coder
    from model.octree.tables import Constants, State

_GROWTH_PERCENT = (110, 125, 145, 170, 200, 240, 280, 320, 360, 400, 450, 520)
_PARENTS = ((0, 1, 6, 7, 0, 1, 6, 7), (0, 0, 3, 3, 4, 4, 7, 7))
_FACES = 1 << 4 | 1 << 10 | 1 << 12
_CORNERS = 1 << 0 | 1 << 2 | 1 << 6 | 1 << 8
_EDGES = 0x1FFF & ~_FACES & ~_CORNERS
_NEXT_NODES = sum(1 << bit for bit in (4, 10, 12, 14, 16, 22))
_FAR = sum(1 << bit for bit in (7, 11, 12, 13, 17))
_BACK = sum(1 << bit for bit in (2, 10, 12, 14, 22))
_HERE = sum(1 << bit for bit in (0, 1, 5, 7, 9, 11, 12, 13))


SLOW = 100_000
"""Voxels from which on it takes so long, 10 s and more, that who waits is told why."""


class PlainOctree:
    """The coder of one cloud. The state learns as it codes."""

    def __init__(
        self, depth: int, box: tuple[int, int, int], constants: Constants, state: State
    ) -> None:
        self._depth, self._box = depth, box
        self._of_occupancy = Predictor(constants, state.occupancy_slots, state.occupancy_weights)
        self._of_counts = Predictor(constants, state.count_slots, state.count_weights)

    def encode(self, keys: NDArray[np.int64], counts: NDArray[np.int64] | None) -> bytes:
        """The stream."""
        writer = Writer()
        self._put(writer, keys, counts)
        return writer.finish()

    def encode_into(
        self, capacity: int, keys: NDArray[np.int64], counts: NDArray[np.int64] | None
    ) -> bytes:
        """Likewise: the kernel has to be told how much room it needs."""
        del capacity
        return self.encode(keys, counts)

    def bits(self, keys: NDArray[np.int64], counts: NDArray[np.int64] | None) -> float:
        """The ideal code length."""
        counter = Counter()
        self._put(counter, keys, counts)
        self._of_occupancy.keep()
        self._of_counts.keep()
        return counter.bits

    def decode(
        self, data: bytes, most_voxels: int, most_points: int | None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64] | None] | None:
        """Keys and counts, these where `most_points` is given; None of a damaged stream."""
        try:
            return self._get(Reader(data), most_voxels, most_points)
        except DamagedStreamError:
            return None

    def _put(self, coder: Coder, keys: NDArray[np.int64], counts: NDArray[np.int64] | None) -> None:
        _tell_if_slow(len(keys))
        leaves = keys.tolist()
        parents = 1
        for level in range(self._depth):
            occupied: dict[int, int] = {}
            for key in leaves:
                child = key >> 3 * (self._depth - level - 1)
                occupied[child >> 3] = occupied.get(child >> 3, 0) | 1 << (child & 7)
            self._level(coder, level, parents, occupied)
            parents = len(occupied)
        if counts is not None:
            coding = Counts(coder, self._of_counts, min(self._depth, BLOCK_BITS))
            coding.code(leaves, counts.tolist())

    def _get(
        self, reader: Reader, most_voxels: int, most_points: int | None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
        keys, parents = [0], 1
        for level in range(self._depth):
            occupied = dict.fromkeys(keys, 0)
            self._level(reader, level, parents, occupied)
            parents = len(keys)
            made = sum(children.bit_count() for children in occupied.values())
            if made > most_voxels:
                raise DamagedStreamError
            if parents < SLOW:
                _tell_if_slow(made)
            keys = [
                key << 3 | child
                for key, children in occupied.items()
                for child in range(8)
                if children >> child & 1
            ]
        if len(keys) > most_voxels:
            raise DamagedStreamError
        counts = None
        if most_points is not None:
            coding = Counts(reader, self._of_counts, min(self._depth, BLOCK_BITS), most_points)
            counts = np.array(coding.code(keys, [0] * len(keys)), dtype=np.int64)
        reader.finish()
        return np.array(keys, dtype=np.int64), counts

    def _level(self, coder: Coder, level: int, parents: int, occupied: dict[int, int]) -> None:
        """Code which children the nodes of a level have, by key in ascending order."""
        below = self._depth - level - 1
        limit = [(side + (1 << below) - 1) >> below for side in self._box]
        growth = _growth_class(len(occupied), parents, level)
        in_block = 3 * (min(level + 1, BLOCK_BITS) - 1)
        for _, keys in groupby(occupied, key=lambda key: key >> in_block):
            coding = _Block(coder, self._of_occupancy, level, growth)
            found = coding.code(list(keys), occupied, limit)
            occupied.update(found)


def _tell_if_slow(voxels: int) -> None:
    if voxels >= SLOW:
        warnings.warn(
            f"an octree of {voxels:,} voxels or more is coded without kernels, at some 10,000 "
            "voxels per second: that takes a while; a C++ compiler, g++ or clang++, makes it 100 "
            "times as fast",
            RuntimeWarning,
            stacklevel=2,
        )


def _growth_class(nodes: int, parents: int, level: int) -> int:
    if level < 2:
        return 0
    return 1 + sum(nodes * 100 >= parents * percent for percent in _GROWTH_PERCENT)


class _Node(NamedTuple):
    """A node within its block; see octree.cpp."""

    x: int
    y: int
    z: int
    key: int
    around: int
    crowd: int
    inside: int


class _Block:
    """The children of a block's nodes."""

    def __init__(self, coder: Coder, predictor: Predictor, level: int, growth: int) -> None:
        self._coder, self._predictor = coder, predictor
        self._level, self._growth = level, growth
        self._children = Rows()
        self._occupied: dict[int, int] = {}

    def code(self, keys: list[int], occupied: dict[int, int], limit: list[int]) -> dict[int, int]:
        """Which children each node has; `occupied` says it to writers."""
        nodes = _nodes(keys, limit)
        self._occupied = {key: occupied[key] for key in keys}
        # Rows of children: each row of nodes has two of them, in each of its two planes.
        for _, plane_nodes in groupby(nodes, key=lambda node: node.x):
            plane = list(plane_nodes)
            for x in range(2):
                for _, row_nodes in groupby(plane, key=lambda node: node.y):
                    row = list(row_nodes)
                    for y in range(2):
                        for node in row:
                            self._code_pair(node, 4 * x + 2 * y)
        return self._occupied

    def _code_pair(self, node: _Node, first: int) -> None:
        x, y, z = 2 * node.x + (first >> 2), 2 * node.y + (first >> 1 & 1), 2 * node.z
        far, back = (self._children.window(x - before, y, z, 5) for before in (2, 1))
        here = self._children.window(x, y, z, 3)
        occupied = self._occupied[node.key]
        for child in (first, first + 1):
            if child & ~node.inside:
                continue
            before, second = occupied & ((1 << child) - 1), child & 1
            # A node has at least one child: the last one is not asked whether it is the first.
            if child == node.inside and not before:
                bit = 1
            else:
                windows = five(far >> second), five(back >> second), five(here >> second)
                truth = occupied >> child & 1
                known = _known(windows[1], windows[2])
                contexts, rows = self._contexts(node, child, before, known, windows)
                bit = self._predictor.code(self._coder, truth, contexts, rows)
            occupied = occupied & ~(1 << child) | bit << child
            if bit:
                here |= 1 << 2 + second
                self._children.add(x, y, z + second)
        self._occupied[node.key] = occupied

    def _contexts(
        self, node: _Node, child: int, before: int, known: int, windows: tuple[int, int, int]
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        far, back, here = windows
        possible, siblings = _possible(node.around, child), before.bit_count()
        crowd = far.bit_count() + back.bit_count() + here.bit_count()
        faces, growth = (known & _FACES).bit_count(), self._growth
        contexts = (
            known | possible << 13,
            before | child << 8 | (node.around & _NEXT_NODES) << 11,
            known & (_FACES | _EDGES) | (possible & _FACES) << 13 | child << 26,
            faces
            | (known & _EDGES).bit_count() << 2
            | (known & _CORNERS).bit_count() << 5
            | (possible & _FACES).bit_count() << 8
            | (possible & _EDGES).bit_count() << 10
            | growth << 13
            | min(siblings, 2) << 17,
            growth | child << 4 | min(siblings, 4) << 7 | (node.around.bit_count() - 1) // 3 << 10,
            (far & _FAR) >> 7
            | (back & _BACK) << 9
            | (here & _HERE) << 32
            | (possible & _FACES) << 46,
            node.around | child << 27,
            min(crowd, 31) | min(node.crowd // 3, 31) << 5 | faces << 10 | growth << 12,
        )
        rows = (
            child * 8 + siblings,
            64 + growth * 4 + min(self._level, 3),
            120 + min(crowd, 15) * 16 + min(node.crowd // 4, 15),
        )
        return contexts, rows


def _nodes(keys: list[int], limit: list[int]) -> list[_Node]:
    """A block's nodes, row by row."""
    side_bits = BLOCK_BITS - 1
    xyz = [separate(key) for key in keys]
    corner = [c >> side_bits << side_bits for c in xyz[0]]
    places = [tuple(c - low for c, low in zip(at, corner, strict=True)) for at in xyz]
    rows = Rows()
    for x, y, z in places:
        rows.add(x, y, z)
    nodes = []
    for key, at, (x, y, z) in zip(keys, xyz, places, strict=True):
        around = crowd = 0
        for dx in range(-2, 3):
            cells = five(rows.window(x + dx, y, z, 5))
            crowd += cells.bit_count()
            if abs(dx) < 2:
                near = three(cells >> 15) | three(cells >> 10) << 3 | three(cells >> 5) << 6
                around |= near << 9 * (dx + 1)
        inside = 0
        for c, most in zip(at, limit, strict=True):
            inside = inside << 1 | (2 * c + 1 < most)
        nodes.append(_Node(x, y, z, key, around, crowd, inside))
    return sorted(nodes)


def _known(back: int, here: int) -> int:
    """Of the 13 neighbours that come before a child: whether they are occupied."""
    return (
        three(back >> 15)
        | three(back >> 10) << 3
        | three(back >> 5) << 6
        | three(here >> 5) << 9
        | (here >> 1 & 1) << 12
    )


def _possible(around: int, child: int) -> int:
    """Of the 13 neighbours that come after a child: whether their parents are occupied."""
    x1 = 18 if child & 4 else 9
    y0, y1 = (3, 6) if child & 2 else (0, 3)
    parents_of = _PARENTS[child & 1]
    return (
        parents_of[around >> (x1 + y0) & 7]
        | parents_of[around >> (x1 + 3) & 7] << 3
        | parents_of[around >> (x1 + y1) & 7] << 6
        | parents_of[around >> (9 + y1) & 7] << 9
        | parents_of[around >> 12 & 7] >> 2 << 12
    )
