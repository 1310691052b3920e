"""What a decibel is worth: the slope at which an octree alone is as good as the learned member.

The rate of an octree rises ever steeper with its quality. Where one slope holds for all clouds,
each file costs its least, and so do all together: no other choice of edges has fewer bits for the
same mean decibels. So no point of the octree's own curve lies below what a codec with members does
(docs/decisions/0042-an-octree-in-the-bag.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from model.bag.choosing import decibels, octree_files
from model.bag.distortion import Original
from model.octree.general import general_tables
from model.placement import place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from model.octree.coding import OctreeTables

    Curve = NDArray[np.float64]
    """(e, 2): bits per point, and decibels of the D1 error in the scaled frame, of each edge."""

SLOPES = 2.0 ** (np.arange(-160, 41) / 8)
"""Bits per point for a decibel that may be found: 1e-6 to 32, in steps of 9 %."""


def octree_curve(points: NDArray[np.float64], tables: OctreeTables | None = None) -> Curve:
    """Return what an octree makes of a cloud, (n, 3), at all edges; tables as of `BagCodec`."""
    points = points[np.lexsort(points.T)]
    placement = place(points, "the cloud")
    original = Original(placement.to_scaled(points))
    files = octree_files(
        points,
        tables or general_tables(),
        lambda decoded: original.errors(placement.to_scaled(decoded)),
    )
    rows = [(8 * len(file.data) / len(points), decibels(file.d1)) for _, file, _ in files]
    return np.array(rows)


def slope_for(curves: Sequence[Curve], mean_decibels: float) -> float:
    """Return the least of `SLOPES` at which octrees are as good as asked for.

    Args:
        curves: of one cloud or more.
        mean_decibels: mean over clouds of the D1 error in decibels, scaled frame. Where octrees
            stay above it at any slope, it is the greatest.
    """
    for slope in SLOPES.tolist():
        chosen = [curve[np.argmin(curve[:, 0] + slope * curve[:, 1]), 1] for curve in curves]
        if np.mean(chosen) <= mean_decibels:
            break
    return float(slope)
