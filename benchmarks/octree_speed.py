"""How fast octrees are coded, beside Draco and by turns, and the memory that takes.

Draco merges equal points as the octree does, and quantises to the octree's own grid.

Legend: n points of a cloud.
"""

from __future__ import annotations

import multiprocessing
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from benchmarks.measuring import Bar, Way, take_turns
from model.octree import coding
from model.octree.codec import OctreeCodec, OctreeOptions
from model.octree.voxels import edge_of_share, voxels_of
from study.yardsticks.draco import Draco

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from benchmarks.measuring import Lap, Turns

    Points = NDArray[np.float64]

Given = TypeVar("Given")
Result = TypeVar("Result")
POINTS, DEPTH = 1_000_000, 10
LEAST_PER_S = 1.5e6
"""The bar, of the coder alone: voxels to bytes and back."""
ROUNDS = 7
MEMORY_POINTS = (1_000_000, 2_000_000, 4_000_000)
SHARE = 1 / ((1 << DEPTH) - 1)


def closed_surface(count: int, seed: int = 0) -> Points:
    """(count, 3) points of a dented ball, whose surface has every slope."""
    direction = np.random.default_rng(seed).normal(size=(count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    x, y, z = direction.T
    radius = 1 + 0.15 * np.sin(5 * x) * np.cos(4 * y) + 0.1 * np.sin(7 * z)
    dented: Points = direction * radius[:, None]
    return dented


def speed(name: str, points: Points, rounds: int) -> list[Bar]:
    """Print points per second of CPU time; return the bars of encoding and decoding."""
    voxels = voxels_of(points, edge_of_share(points, SHARE))
    deep, count = (max(voxels.box) - 1).bit_length(), len(points)
    stream = coding.encode(voxels.cells, None, deep, voxels.box, None)
    codecs = {
        each: OctreeCodec(OctreeOptions(edge_of_longest_side=SHARE, placing=each))
        for each in ("centres", "between")
    }
    files = {each: codec.compress(points) for each, codec in codecs.items()}

    def decode(_: Lap) -> None:
        coding.decode(
            stream,
            *(deep, voxels.box, None),
            counted=False,
            most_voxels=count,
            most_points=0,
        )

    ways = [
        Way("coder, encoding", lambda _: coding.encode(voxels.cells, None, deep, voxels.box, None)),
        Way("coder, decoding", decode),
        Way("points to a file", lambda _: codecs["centres"].compress(points)),
        Way("a file to centres", lambda _: codecs["centres"].decompress(files["centres"])),
        Way("a file to between", lambda _: codecs["between"].decompress(files["between"])),
    ]
    if find_spec("DracoPy") is not None:
        draco = Draco(DEPTH, merges=True)
        theirs = draco.compress(points)
        ways += [
            Way("Draco, both levels", lambda _: draco.compress(points), share=2),
            Way("Draco, decoding", lambda _: draco.decompress(theirs)),
        ]
    turns = take_turns(ways, rounds, warm_up=1)
    print(
        f"  {name}: {count:,} points at depth {deep}, {len(voxels.cells):,} voxels, "
        f"{8 * len(stream) / count:.3f} bpp; million points per second of CPU time"
    )
    for at, way in enumerate(ways):
        print(f"    {way.name:19} {count / turns.counted_ms(at) / 1e3:6.2f}")
    return [
        Bar(f"{way.name} {name}, points per second", LEAST_PER_S, _per_s(turns, at, count))
        for at, way in enumerate(ways[:2])
    ]


def _per_s(turns: Turns, at: int, count: int) -> float:
    return 1e3 * count / turns.counted_ms(at)


def memory() -> None:
    """Print by how much a process grows that codes larger and larger clouds."""
    for points in MEMORY_POINTS:
        data, encoding = _alone(encoding_growth, points)
        voxels, decoding = _alone(decoding_growth, data)
        print(
            f"  {points:,} points, {voxels:,} voxels, a file of {len(data):,} bytes: at most "
            f"{encoding / 2**20:.0f} MiB more to make it, {decoding / 2**20:.0f} MiB to decode it; "
            f"{encoding / points:.0f} and {decoding / points:.0f} bytes per point"
        )


def encoding_growth(count: int) -> tuple[bytes, int]:
    """Make a file; and by how much the peak of this process grows for it."""
    points, step = np.empty((count, 3)), 100_000
    for first in range(0, count, step):
        points[first : first + step] = closed_surface(min(step, count - first), seed=first)
    _memory_codec().compress(points[:1000])
    before = _peak()
    data = _memory_codec().compress(points)
    return data, _peak() - before


def decoding_growth(data: bytes) -> tuple[int, int]:
    """Count a file's decoded points; and by how much the peak of this process grows for them."""
    _memory_codec().decompress(_memory_codec().compress(closed_surface(1000)))
    before = _peak()
    return len(_memory_codec().decompress(data).points), _peak() - before


def _memory_codec() -> OctreeCodec:
    return OctreeCodec(OctreeOptions(edge_of_longest_side=SHARE, placing="centres"))


def _alone(function: Callable[[Given], tuple[Result, int]], given: Given) -> tuple[Result, int]:
    """Call in a process of its own: peaks are of a whole process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, (given,))


def _peak() -> int:
    """Bytes; from Linux, for `getrusage` counts what the parent took before this process began."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return 1024 * int(status.split("VmHWM:")[1].split()[0])
