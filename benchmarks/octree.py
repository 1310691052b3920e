"""The octree's entropy coder against G-PCC on the embedded objects, and its speed.

Streams are real ones, with `FRAME_BYTES` of a file added; decoded points are voxels' centres.
G-PCC's rates are the recorded ones (`study/yardsticks`), which count everything in its files.
Tables are trained on the training split alone, at edges of all sizes; the test split is coded.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.interpolate import Akima1DInterpolator

import study
from benchmarks.codec import sheet
from model.octree.coding import decode, encode, learned, morton_order
from study.base.parquet import read_trials
from study.config import DataRecipe
from study.data.sources import EmbeddedObjects
from study.data.splits import assign_splits
from study.metrics.distances import longest_side
from study.metrics.psnr import d1_psnr_db

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from model.octree.coding import OctreeTables
    from study.data.sources import Source

RECORDED = Path(study.__file__).parent / "yardsticks" / "gpcc_objects_cc0.parquet"
FRAME_BYTES = 14
"""Of a file beside its stream."""
DEPTHS = (3, 4, 5, 6, 7, 8)
GRID_BITS = 12
"""Of the embedded objects' coordinates."""
LOW_DB, HIGH_DB = 33.0, 47.0
MOST_PERCENT = {"trained tables": -3.0, "no tables": 8.0}
"""The bars, in BD-rate against G-PCC."""
TRAINING_OBJECTS: int | None = None
TEST_OBJECTS: int | None = None
"""How many are used; None takes the whole split."""
SETTLED = 4
"""What a slot of trained tables has seen at most: a file's own bits soon count more."""
RESAMPLES = 4_000
SPEED_POINTS, SPEED_DEPTH = 1_000_000, 10
LEAST_POINTS_PER_S = 1.5e6
SPEED_ROUNDS = 5


class Grid(NamedTuple):
    """A cloud's occupied voxels, v of them, as the coder takes them."""

    voxels: NDArray[np.int64]
    counts: NDArray[np.int64]
    depth: int
    box: tuple[int, int, int]


class Curve(NamedTuple):
    """An object's rates at all depths."""

    bpp: list[float]
    d1_db: list[float]


def run(pairs: int) -> bool:
    """Measure and print; tell whether the rates' bars and the speed's hold."""
    source = EmbeddedObjects()
    splits = assign_splits(source.point_counts, DataRecipe())
    test = [name for name, split in splits.items() if split == "test"][:TEST_OBJECTS]
    training = [name for name, split in splits.items() if split == "train"][:TRAINING_OBJECTS]
    recorded = recorded_curves(test)
    start = time.perf_counter()
    tables = trained(source, training)
    print(f"  tables of {len(training)} objects, {time.perf_counter() - start:.0f} s")
    held = True
    for name, start_tables in (("no tables", None), ("trained tables", tables)):
        curves = [curve_of(np.asarray(source.read(key).points), start_tables) for key in test]
        held &= told(name, curves, recorded)
    return speed(max(2, min(pairs, SPEED_ROUNDS))) and held


def told(name: str, curves: Sequence[Curve], recorded: Sequence[Curve]) -> bool:
    """Print rates per depth and the BD-rate; tell whether its bar holds."""
    print(f"  {name}, mean of {len(curves)} objects (G-PCC's in brackets)")
    for at, depth in enumerate(DEPTHS):
        ours, theirs = (
            [statistics.fmean(getattr(c, field)[at] for c in of) for field in Curve._fields]
            for of in (curves, recorded)
        )
        print(
            f"    depth {depth}: {ours[0]:.4f} bpp ({theirs[0]:.4f}), "
            f"D1 {ours[1]:.2f} dB ({theirs[1]:.2f})"
        )
    ratios = np.array([log_ratio(a, b) for a, b in zip(recorded, curves, strict=True)])
    draw = np.random.default_rng(0).integers(0, len(ratios), (RESAMPLES, len(ratios)))
    low, high = np.percentile(ratios[draw].mean(axis=1), (2.5, 97.5))
    percent, bar = _percent(ratios.mean()), MOST_PERCENT[name]
    print(
        f"    BD-rate against G-PCC, {LOW_DB:g} to {HIGH_DB:g} dB, paired by object: "
        f"{percent:+.1f} % (95 %: {_percent(low):+.1f} to {_percent(high):+.1f}; bar {bar:+g} %)"
    )
    return bool(percent <= bar)


def trained(source: Source, names: Sequence[str]) -> OctreeTables | None:
    """Tables that have coded objects at all depths and between them, at several densities."""
    rng = np.random.default_rng(0)
    tables = None
    jobs = [(name, depth) for name in names for depth in DEPTHS]
    for job in rng.permutation(len(jobs)):
        name, depth = jobs[job]
        points = np.asarray(source.read(name).points)
        for share in (1.0, rng.uniform(0.25, 1.0)):
            kept = points[rng.permutation(len(points))[: int(share * len(points))]]
            scale = 1.0 if share == 1.0 else 2.0 ** rng.uniform(-0.5, 0.5)
            grid = grid_of(kept, scale * 2.0 ** (GRID_BITS - depth))
            tables = learned(tables, *grid)
    if tables is None:
        return None
    return replace(
        tables,
        occupancy_seen=np.minimum(tables.occupancy_seen, np.uint8(SETTLED)),
        count_seen=np.minimum(tables.count_seen, np.uint8(SETTLED)),
    )


def curve_of(points: NDArray[np.float64], tables: OctreeTables | None) -> Curve:
    """Real streams of (n, 3) points at all depths, and what their decoded points are worth."""
    curve = Curve([], [])
    for depth in DEPTHS:
        edge = 2.0 ** (GRID_BITS - depth)
        grid = grid_of(points, edge)
        stream = encode(grid.voxels, None, grid.depth, grid.box, tables)
        found = decode(
            stream,
            *(grid.depth, grid.box, tables),
            counted=False,
            most_voxels=len(points),
            most_points=len(points),
        )
        decoded = (found.voxels + 0.5) * edge + _corner(points, edge)
        curve.bpp.append(8 * (len(stream) + FRAME_BYTES) / len(points))
        curve.d1_db.append(d1_psnr_db(points, decoded, longest_side(points)))
    return curve


def grid_of(points: NDArray[np.float64], edge: float) -> Grid:
    """The voxels of (n, 3) points, the first ones at the corner of a fixed grid."""
    cells = np.floor((points - _corner(points, edge)) / edge).astype(np.int64)
    voxels, counts = np.unique(cells, axis=0, return_counts=True)
    order = morton_order(voxels)
    x, y, z = (int(c) + 1 for c in voxels.max(axis=0))
    depth = (max(x, y, z) - 1).bit_length()
    return Grid(voxels[order], counts[order].astype(np.int64), depth, (x, y, z))


def recorded_curves(names: Sequence[str]) -> list[Curve]:
    """G-PCC's, of objects by name."""
    rows: Mapping[tuple[str, int], dict[str, float]] = {
        (row["name"], row["depth"]): row for row in read_trials(RECORDED).to_pylist()
    }
    return [
        Curve(
            [rows[name, depth]["bpp"] for depth in DEPTHS],
            [rows[name, depth]["d1_psnr_db"] for depth in DEPTHS],
        )
        for name in names
    ]


def log_ratio(anchor: Curve, test: Curve) -> float:
    """The mean difference of log rate over the qualities that the bars name; Akima's curves."""
    at = np.linspace(LOW_DB, HIGH_DB, 500)
    difference = [
        Akima1DInterpolator(curve.d1_db, np.log(curve.bpp))(at) for curve in (test, anchor)
    ]
    return float((difference[0] - difference[1]).mean())


def speed(rounds: int) -> bool:
    """Print points per second of CPU time on a bent sheet; tell whether the bar holds."""
    points = sheet(SPEED_POINTS)
    grid = grid_of(points, longest_side(points) / ((1 << SPEED_DEPTH) - 1))
    encode_s, decode_s = [], []
    stream = b""
    for _ in range(rounds):
        start = time.process_time()
        stream = encode(grid.voxels, None, grid.depth, grid.box, None)
        middle = time.process_time()
        decode(
            stream,
            *(grid.depth, grid.box, None),
            counted=False,
            most_voxels=len(grid.voxels),
            most_points=0,
        )
        encode_s.append(middle - start)
        decode_s.append(time.process_time() - middle)
    per_s = [SPEED_POINTS / statistics.median(times) for times in (encode_s, decode_s)]
    print(
        f"  {SPEED_POINTS:,} points of a sheet at depth {grid.depth}: {len(grid.voxels):,} voxels, "
        f"{8 * len(stream) / SPEED_POINTS:.2f} bpp; {per_s[0] / 1e6:.2f} and {per_s[1] / 1e6:.2f} "
        f"million points encoded and decoded per second of CPU time (bar {LEAST_POINTS_PER_S:.1e})"
    )
    return min(per_s) >= LEAST_POINTS_PER_S


def _corner(points: NDArray[np.float64], edge: float) -> NDArray[np.float64]:
    corner: NDArray[np.float64] = np.floor(points.min(axis=0) / edge) * edge
    return corner


def _percent(log: float) -> float:
    return 100.0 * float(np.expm1(log))
