"""One slope for all clouds: no point of the octree's own curve is better in both."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest

from model.bag.codec import BagCodec
from model.bag.slope import SLOPES, octree_curve, slope_for
from study.clouds import Cloud
from study.config import DataRecipe
from study.data.sources import open_source
from study.metrics import d1_psnr_db, longest_side
from study.yardsticks.octree import octree
from tests.model.bag.support import figure
from tests.model.support import surface

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from study.metrics.measurement import Coder


@cache
def objects(count: int = 3) -> list[tuple[str, Cloud]]:
    """Embedded objects of as many points each."""
    source = open_source(DataRecipe())
    found = []
    for number, name in enumerate(list(source.point_counts)[::40][:count]):
        points = source.read(name).points
        chosen = np.random.default_rng(number).choice(len(points), 300, replace=False)
        found.append((name, Cloud(points[chosen], None, ())))
    return found


def worth(coder: Coder) -> tuple[float, float]:
    """Bits per point and D1 PSNR over the objects, as a front has them."""
    bits, qualities, total = 0, [], 0
    for _, cloud in objects():
        data = coder.compress(cloud.points, None)
        decoded = coder.decompress(data).points
        bits, total = bits + 8 * len(data), total + len(cloud.points)
        qualities.append(d1_psnr_db(cloud.points, decoded, longest_side(cloud.points)))
    return bits / total, float(np.mean(qualities))


@cache
def yardstick() -> list[tuple[float, float]]:
    """The curve of the codec that stands beside every front, at its edges."""
    return [worth(coder) for _, coder in octree().coders]


@pytest.mark.parametrize("slope", [0.01, 0.5])
def test_the_octree_never_dominates(slope: float) -> None:
    bag = BagCodec(figure().codec, slope)
    rate, quality = worth(bag)
    better = [p for p in yardstick() if p[0] <= rate and p[1] >= quality]
    assert all(p == pytest.approx((rate, quality), rel=1e-9) for p in better)
    # And neither does the learned member.
    alone = worth(figure().codec)
    assert not (alone[0] <= rate and alone[1] >= quality)


def test_bits_are_spent_where_a_decibel_costs_least() -> None:
    steep, flat = np.array([[1.0, 20.0], [9.0, 10.0]]), np.array([[1.0, 12.0], [2.0, 2.0]])
    one = slope_for([steep, flat], 11.0)
    chosen = [curve[np.argmin(curve[:, 0] + one * curve[:, 1])] for curve in (steep, flat)]
    assert [each.tolist() for each in chosen] == [[1.0, 20.0], [2.0, 2.0]]


def curves(seed: int) -> list[NDArray[np.float64]]:
    clouds = [surface(seed + number, 300).astype(np.float64) for number in range(3)]
    return [octree_curve(each * [1.0, 1.0, 3.0 * number]) for number, each in enumerate(clouds)]


def test_a_curve_is_the_octrees_bits_and_errors(seed: int) -> None:
    points = surface(seed, 300).astype(np.float64)
    found = octree_curve(points)
    clouds = {"a": Cloud(points, None, ())}
    for (bits, decibels), point in zip(found, octree().measure(clouds).points, strict=True):
        assert bits == pytest.approx(point.mean("bpp"))
        psnr = point.mean("d1_psnr_db")
        assert psnr is not None
        # 10 log10(3 * 100^2), but for what the placement adds to the side.
        assert decibels == pytest.approx(44.771 - psnr, abs=0.001)
    order = np.random.default_rng(seed).permutation(len(points))
    np.testing.assert_array_equal(octree_curve(points[order]), found)


def test_the_slope_is_the_least_at_which_octrees_are_as_good(seed: int) -> None:
    made = curves(seed)

    def mean_at(slope: float) -> float:
        best = [min(rows.tolist(), key=lambda row: row[0] + slope * row[1]) for rows in made]
        return float(np.mean([row[1] for row in best]))

    for wanted in (20.0, 12.0, 5.0, 0.0, -3.0):
        slope = slope_for(made, wanted)
        assert slope in SLOPES
        if slope < SLOPES[-1]:
            assert mean_at(slope) <= wanted
        for less in SLOPES[slope > SLOPES]:
            assert mean_at(less) > wanted
    assert slope_for(made, 1000.0) == SLOPES[0]
    assert slope_for(made, -1000.0) == SLOPES[-1]
