"""Rates of octrees at equal quality against Draco and G-PCC: whole files, D1, paired by object.

Legend: n points of a cloud.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.interpolate import Akima1DInterpolator

from model.octree import coding
from model.octree.codec import OctreeCodec, OctreeOptions
from model.octree.voxels import edge_of_share, voxels_of
from study.clouds import Cloud
from study.fronts.comparing import curve
from study.metrics.distances import longest_side
from study.metrics.psnr import d1_psnr_db
from study.yardsticks.draco import Draco
from study.yardsticks.recorded import RecordedGpcc
from study.yardsticks.yardstick import at_the_origin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from model.octree.coding import OctreeTables
    from study.metrics import RateCurve

    Points = NDArray[np.float64]
    Curves = Mapping[str, RateCurve]
    """Of each cloud, by name."""

LOW_DB, HIGH_DB = 33.0, 47.0
"""Rates are compared where a surface is seen to be one and is not yet lossless."""
STEPS = tuple(range(3, 15))
"""Twice the binary logarithm of the voxels over the longest side: 2.8 to 128 of them."""
DEPTHS = (3, 4, 5, 6, 7, 8)
DRACO_BITS = (2, 3, 4, 5, 6, 7)
RESAMPLES = 4_000


@dataclass(frozen=True)
class Difference:
    """Of rates at equal quality, in percent, with what 95 of 100 draws of the clouds give."""

    percent: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.percent:+.1f} % (95 %: {self.low:+.1f} to {self.high:+.1f})"


def octrees(clouds: Mapping[str, Points], tables: OctreeTables) -> dict[str, Curves]:
    """Curves of the octree, by name: from nothing and from tables, both ways of placing points."""
    found: dict[str, Curves] = {}
    for placing in ("centres", "between"):
        curves = {name: _both(points, placing, tables) for name, points in clouds.items()}
        for at, start in enumerate(("no tables", "tables")):
            found[f"octree, {start}, {placing}"] = {n: both[at] for n, both in curves.items()}
    return found


def _both(
    points: Points, placing: Literal["centres", "between"], tables: OctreeTables
) -> tuple[RateCurve, RateCurve]:
    """Without and with tables, which change rates alone: what is decoded is the same."""
    places: list[list[tuple[float, float]]] = [[], []]
    for step in STEPS:
        share, quality = 2.0 ** (-step / 2), None
        for each, start in zip(places, (None, tables), strict=True):
            codec = OctreeCodec(
                OctreeOptions(edge_of_longest_side=share, placing=placing, tables=start)
            )
            data = codec.compress(points)
            if quality is None:
                decoded = codec.decompress(data).points
                quality = d1_psnr_db(points, decoded, longest_side(points))
            each.append((8 * len(data) / len(points), quality))
    without, with_tables = (curve("octree", np.array(each)) for each in places)
    return without, with_tables


def dracos(clouds: Mapping[str, Points]) -> dict[str, Curves]:
    """Curves of Draco, as it is and with equal points merged."""

    def measured(points: Points, *, merges: bool) -> RateCurve:
        local = at_the_origin(Cloud(points, None, ())).points
        side, places = longest_side(local), []
        for bits in DRACO_BITS:
            draco = Draco(bits, merges=merges)
            data = draco.compress(local)
            quality = d1_psnr_db(local, draco.decompress(data).points, side)
            places.append((8 * len(data) / len(local), quality))
        return curve("Draco", np.array(places))

    return {
        name: {cloud: measured(points, merges=merges) for cloud, points in clouds.items()}
        for name, merges in (("Draco", False), ("Draco, merged", True))
    }


def gpcc(clouds: Mapping[str, Points]) -> dict[str, Curves]:
    """Curves of G-PCC as recorded, of embedded objects with all their points."""
    told = RecordedGpcc().measure({n: Cloud(p, None, ()) for n, p in clouds.items()}, metrics=())
    places = [
        [(r.values["bpp"], r.values["d1_psnr_db"]) for r in of_cloud]
        for of_cloud in zip(*(point.results for point in told.points), strict=True)
    ]
    rows = zip(clouds, places, strict=True)
    return {"G-PCC": {name: curve("G-PCC", np.array(each, float)) for name, each in rows}}


def difference(
    anchor: Curves, test: Curves, between_db: tuple[float, float] = (LOW_DB, HIGH_DB)
) -> Difference:
    """How much more a codec needs than an anchor, by the mean over clouds of log ratios."""
    ratios = np.array([_log_ratio(anchor[name], test[name], between_db) for name in anchor])
    draw = np.random.default_rng(0).integers(0, len(ratios), (RESAMPLES, len(ratios)))
    low, high = np.percentile(ratios[draw].mean(axis=1), (2.5, 97.5))
    return Difference(*(100.0 * float(np.expm1(log)) for log in (ratios.mean(), low, high)))


def _log_ratio(anchor: RateCurve, test: RateCurve, between_db: tuple[float, float]) -> float:
    """The mean difference of log rate over the qualities that both reach; Akima's curves."""
    low = max(between_db[0], anchor.psnr_db[0], test.psnr_db[0])
    at = np.linspace(low, min(between_db[1], anchor.psnr_db[-1], test.psnr_db[-1]), 500)
    logs = [Akima1DInterpolator(each.psnr_db, np.log(each.bpp))(at) for each in (test, anchor)]
    return float((logs[0] - logs[1]).mean())


@dataclass(frozen=True)
class Bits:
    """Where the bits of files at one depth are, over all clouds, in bits per point.

    Attributes:
        depth: halvings of the longest side.
        ideal: the code length that the coder's own probabilities promise.
        stream: what the range coder wrote.
        frame: header and checksum.
        levels: of the ideal, level by level of the tree, the root first.
    """

    depth: int
    ideal: float
    stream: float
    frame: float
    levels: tuple[float, ...]

    @property
    def file_bytes(self) -> float:
        """Of a whole file, per point."""
        return (self.stream + self.frame) / 8

    @property
    def excess_percent(self) -> float:
        """By how much a file is longer than its ideal code and its frame."""
        return 100 * ((self.stream + self.frame) / (self.ideal + self.frame) - 1)


def bits_at(clouds: Sequence[Points], depth: int, tables: OctreeTables | None) -> Bits:
    """Take files at a depth apart."""
    total = np.zeros(3)
    levels = np.zeros(depth + 1)
    codec = OctreeCodec(
        OctreeOptions(edge_of_longest_side=2.0**-depth, placing="centres", tables=tables)
    )
    for points in clouds:
        voxels = voxels_of(points, edge_of_share(points, 2.0**-depth))
        deep = (max(voxels.box) - 1).bit_length()
        ideal = [_ideal(voxels.cells, voxels.box, deep, level, tables) for level in range(deep + 1)]
        stream = coding.encode(voxels.cells, None, deep, voxels.box, tables)
        total += ideal[-1], 8 * len(stream), 8 * (len(codec.compress(points)) - len(stream))
        levels[-deep:] += np.diff(ideal)
    points_in_all = sum(map(len, clouds))
    ideal_bpp, stream_bpp, frame_bpp = (total / points_in_all).tolist()
    return Bits(depth, ideal_bpp, stream_bpp, frame_bpp, tuple((levels / points_in_all).tolist()))


def _ideal(
    cells: NDArray[np.int64],
    box: tuple[int, int, int],
    deep: int,
    level: int,
    tables: OctreeTables | None,
) -> float:
    """Bits of the first levels of a tree: those of the tree that has no more."""
    below = deep - level
    voxels = cells >> below
    kept = np.concatenate(([True], (voxels[1:] != voxels[:-1]).any(axis=1)))
    x, y, z = ((side + (1 << below) - 1) >> below for side in box)
    return coding.bits(voxels[kept], None, level, (x, y, z), tables)
