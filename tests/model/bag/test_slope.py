"""One slope for all clouds: no point of the octree's own curve is better in both."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest

from model.bag.choosing import LADDER
from model.bag.codec import BagCodec
from model.bag.slope import SLOPES, octree_curve, slope_for
from study.clouds import Cloud
from study.config import DataRecipe
from study.data.sources import open_source
from study.metrics.measurement import measure_clouds, over_clouds
from study.metrics.sample import Convention
from study.yardsticks.octree import HALF_STEPS, octree
from tests.model.bag.support import figure
from tests.model.support import surface

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from study.metrics.measurement import CloudResult


@cache
def objects(count: int = 3) -> list[tuple[str, Cloud]]:
    """Embedded objects of as many points each."""
    source = open_source(DataRecipe())
    found = []
    for number, name in enumerate(list(source.point_counts)[::40][:count]):
        points = source.read(name).points
        chosen = np.random.default_rng(number).choice(len(points), 500, replace=False)
        found.append((name, Cloud(points[chosen], None, ())))
    return found


def worth(results: list[CloudResult]) -> tuple[float, float]:
    rate, quality = over_clouds(results, "bpp"), over_clouds(results, "d1_psnr_db")
    assert rate is not None
    assert quality is not None
    return rate, quality


@cache
def yardstick() -> list[tuple[float, float]]:
    """The curve that stands beside every front, as it is measured there."""
    evaluation = octree().measure(dict(objects()), metrics=["bpp", "d1_psnr_db"])
    return [worth(list(point.results)) for point in evaluation.points]


def test_its_ladder_is_that_of_the_yardstick() -> None:
    assert [2.0 ** (step / 2) for step in HALF_STEPS] == list(LADDER)


@pytest.mark.parametrize("slope", [0.001, 0.02, 0.1, 0.5])
def test_the_octree_never_dominates(slope: float) -> None:
    bag = BagCodec(figure().codec, slope)
    rate, quality = worth(list(measure_clouds(bag, objects(), Convention())))
    better = [p for p in yardstick() if p[0] <= rate and p[1] >= quality]
    assert all(p == pytest.approx((rate, quality), rel=1e-9) for p in better)
    # And neither does the learned member.
    alone = worth(list(measure_clouds(figure().codec, objects(), Convention())))
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
