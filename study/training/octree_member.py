"""The octree as a member of finished codecs: what a decibel is worth to them."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from model.bag.codec import BagCodec
from model.bag.slope import octree_curve, slope_for
from model.cloud_codec import CloudCodec
from study.base.errors import StudyError
from study.metrics.psnr import MPEG_FACTOR

if TYPE_CHECKING:
    from model.bag.slope import Curve
    from model.codec_folder import AnyCodec
    from study.data import DataSet

SLOPE = "octree_slope"
"""Among the metrics of a trial whose codec has the octree as a member: `BagCodec.slope`."""

MOST_POINTS = 400_000
"""Of the clouds whose octrees are looked at: half a minute."""


def beside_octree(learned: AnyCodec, slope: float) -> BagCodec:
    """Return a codec with the members learned and octree.

    Raises:
        StudyError: its family says that it takes an octree, and its codecs are of another kind.
    """
    if not isinstance(learned, CloudCodec):
        raise StudyError(
            "a family that takes the octree as a member (takes_octree) must make codecs of the "
            f"kind CloudCodec, and this one makes a {type(learned).__name__}; set takes_octree = "
            "False"
        )
    return BagCodec(learned, slope)


def slope_beside(data: DataSet, d1_psnr_db: float) -> float:
    """Return the slope at which octrees of the validation clouds are as good as a learned codec.

    Args:
        data: with the clouds.
        d1_psnr_db: of the learned codec alone, the mean over all of these clouds.
    """
    peak = data.manifest.peak
    return slope_for(_curves(data), 10 * math.log10(MPEG_FACTOR * peak**2) - d1_psnr_db)


@lru_cache(maxsize=1)
def _curves(data: DataSet) -> list[Curve]:
    """Return the octree's curve of each of the clouds, or of a seeded sample of many.

    It is the same for all trials, so it is remembered.
    """
    curves: list[Curve] = []
    points = 0
    clouds = data.clouds("validation")
    for number in np.random.default_rng(0).permutation(len(clouds)):
        cloud = clouds[int(number)]
        points += len(cloud.points)
        if curves and points > MOST_POINTS:
            break
        curves.append(octree_curve(cloud.points))
    return curves
