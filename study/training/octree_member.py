"""The octree as a member of finished codecs: what a decibel is worth to them."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

from model.bag.codec import BagCodec
from model.bag.slope import octree_curve, slope_for
from model.cloud_codec import CloudCodec
from study.metrics.psnr import MPEG_FACTOR

if TYPE_CHECKING:
    from model.bag.slope import Curve
    from model.codec_folder import AnyCodec
    from study.data import DataSet

SLOPE = "octree_slope"
"""Among the metrics of a trial whose codec has the octree as a member: `BagCodec.slope`."""

MOST_POINTS = 400_000
"""Of the clouds whose octrees are looked at, the first ones: half a minute."""


def beside_octree(learned: AnyCodec, slope: float) -> BagCodec:
    """Return a codec with the members learned and octree."""
    assert isinstance(learned, CloudCodec), "asked of families that code patches in its container"
    return BagCodec(learned, slope)


def slope_beside(data: DataSet, d1_psnr_db: float) -> float:
    """Return the slope at which octrees of the validation clouds are as good as a learned codec.

    Args:
        data: with the clouds.
        d1_psnr_db: of the learned codec alone, the mean over these clouds.
    """
    peak = data.manifest.peak
    return slope_for(_curves(data), 10 * math.log10(MPEG_FACTOR * peak**2) - d1_psnr_db)


@lru_cache(maxsize=1)
def _curves(data: DataSet) -> list[Curve]:
    """Return what octrees make of clouds; no trial changes that."""
    curves: list[Curve] = []
    points = 0
    for cloud in data.clouds("validation"):
        points += len(cloud.points)
        if curves and points > MOST_POINTS:
            break
        curves.append(octree_curve(cloud.points))
    return curves
