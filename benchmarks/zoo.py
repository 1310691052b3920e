"""The codec that comes with the package against the octree and G-PCC, in whole files.

Clouds are the embedded objects of the test split, which it was not trained on, or files of the
user's (`--clouds`).
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import octree_clouds, octree_rates
from model.octree.codec import OctreeCodec, OctreeOptions
from model.octree.general import general_tables
from study.clouds import Cloud
from study.codecs.opening import open_any
from study.fronts.comparing import curve
from study.metrics.measurement import measure_clouds
from study.metrics.psnr import PsnrConvention
from study.metrics.sample import Convention
from study.zoo.catalog import DEFAULT, shipped_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from benchmarks.octree_rates import Curves, Points
    from study.metrics.measurement import CloudResult

DEPTHS = tuple(step / 2 for step in octree_rates.STEPS)
"""Binary logarithms of the voxels over the longest side."""
RANGES_DB = ((33.0, 43.0), (28.0, 50.0))
SHOWN = ("bpp", "d1_psnr_db", "chamfer", "density", "points_ratio")
OCTREE, CENTRES, LEARNED = "octree", "octree, centres", DEFAULT
CURVE_DEPTHS = 9
"""Of the curve that `study zoo` shows: from 1/4 to 1/64 of the longest side."""

TEST_OBJECTS: int | None = None
"""How many embedded objects are used; None: the whole split."""


def run(pairs: int, files: Sequence[Path] = (), points: int = 0) -> bool:
    """Measure and print.

    Args:
        pairs: of no use here: nothing is timed against anything.
        files: clouds; none: the embedded objects.
        points: of each of the files' clouds.
    """
    del pairs
    few = TEST_OBJECTS
    chosen = octree_clouds.given(files, points) if files else octree_clouds.embedded(few)
    print("\n".join(chosen.lines()))
    found = {name: _measured(name, chosen.clouds) for name in (CENTRES, OCTREE, LEARNED)}
    for name, by_depth in found.items():
        print(f"  {name}: longest side over edge, {', '.join(SHOWN)}, points/s encoded, decoded")
        for depth, results in by_depth.items():
            means = " ".join(f"{_mean(results, metric):.4g}" for metric in SHOWN)
            speeds = " ".join(f"{_speed(results, way):,.0f}" for way in ("encode_s", "decode_s"))
            print(f"    {2**depth:6.1f}  {means}  {speeds}")
    curves = {name: _curves(by_depth) for name, by_depth in found.items()}
    if not files:
        curves |= octree_rates.gpcc(chosen.clouds)
    _compare(curves)
    return True


def write_curve(out: Path) -> None:
    """Measure on the embedded objects, and write the curve that `study zoo` shows."""
    clouds = octree_clouds.embedded().clouds
    found = {name: _measured(name, clouds) for name in (OCTREE, LEARNED)}
    out.write_text(json.dumps(_shown(clouds, found), indent=1) + "\n", encoding="utf-8")


def _measured(name: str, clouds: Mapping[str, Points]) -> dict[float, list[CloudResult]]:
    codec = open_any(shipped_folder(DEFAULT)) if name == LEARNED else OctreeCodec()
    assert isinstance(codec, OctreeCodec), "it codes octrees"
    usual = OctreeOptions(placing="centres" if name == CENTRES else "auto", tables=general_tables())
    named = [(cloud, Cloud(points, None, ())) for cloud, points in clouds.items()]
    convention = Convention(PsnrConvention())
    found = {}
    for depth in DEPTHS:
        coder = codec.with_options(replace(usual, edge_of_longest_side=2.0**-depth))
        found[depth] = list(measure_clouds(coder, named, convention))
    return found


def _mean(results: Sequence[CloudResult], metric: str) -> float:
    return float(np.mean([float(result.values[metric] or 0.0) for result in results]))


def _speed(results: Sequence[CloudResult], way: str) -> float:
    return sum(result.points for result in results) / sum(
        float(result.values[way] or 0.0) for result in results
    )


def _curves(by_depth: Mapping[float, Sequence[CloudResult]]) -> Curves:
    rows = zip(*by_depth.values(), strict=True)
    return {
        of_cloud[0].cloud: curve(
            "codec", np.array([(r.values["bpp"], r.values["d1_psnr_db"]) for r in of_cloud], float)
        )
        for of_cloud in rows
    }


def _compare(curves: Mapping[str, Curves]) -> None:
    for low, high in RANGES_DB:
        print(f"  BD-rate in D1 of {LEARNED}, {low:g} to {high:g} dB, paired by cloud")
        for anchor in curves:
            if anchor != LEARNED:
                found = octree_rates.difference(curves[anchor], curves[LEARNED], (low, high))
                print(f"    against {anchor}: {found}")


def _shown(
    clouds: Mapping[str, Points], found: Mapping[str, Mapping[float, Sequence[CloudResult]]]
) -> dict[str, Any]:
    depths = DEPTHS[1 : CURVE_DEPTHS + 1]
    points = sorted({len(each) for each in clouds.values()})

    def of(name: str) -> dict[str, list[float]]:
        by_depth = found[name]
        return {
            metric: [round(_mean(by_depth[depth], metric), 4) for depth in depths]
            for metric in ("bpp", "d1_psnr_db")
        }

    return {
        "of": f"{len(clouds)} embedded objects of the test split, {points[0]:,} points each",
        "depth": list(depths),
        **of(LEARNED),
        "octree": of(OCTREE),
    }
