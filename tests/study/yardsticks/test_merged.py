"""Draco without equal points: the places that Draco itself decodes, each once, in fewer bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from study.clouds import Cloud
from study.metrics import d1_psnr_db
from study.yardsticks.draco import Draco, draco

if TYPE_CHECKING:
    from numpy.typing import NDArray


@pytest.mark.parametrize("bits", [1, 3, 6, 10])
def test_each_place_that_draco_decodes_is_there_once(seed: int, bits: int) -> None:
    points = np.random.default_rng(seed).uniform(0, [8.0, 4.0, 2.0], size=(3000, 3))
    whole, merged = (Draco(bits, merges) for merges in (False, True))
    every, once = (c.decompress(c.compress(points)).points for c in (whole, merged))
    step = np.ptp(points, axis=0).max() / (2**bits - 1)

    def places(found: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.asarray(np.rint((found - points.min(axis=0)) / step), np.int64)

    assert len(np.unique(places(once), axis=0)) == len(once)
    different = set(map(tuple, places(once))) ^ set(map(tuple, places(every)))
    # Of 3,000 points a few lie on the border of two places, in single precision.
    assert len(different) <= 0.01 * len(once)


def test_merging_costs_nothing_that_d1_sees_and_saves_bytes(seed: int) -> None:
    points = np.random.default_rng(seed).uniform(size=(4000, 3))
    points[:, 2] = 0.0
    cloud = {"sheet": Cloud(points, None, ())}
    whole, merged = (draco(merges=each, bits=(3, 4, 5)).measure(cloud) for each in (False, True))
    for every, once in zip(whole.points, merged.points, strict=True):
        assert once.results[0].file_bytes < 0.6 * every.results[0].file_bytes
        assert once.results[0].points == 4000  # rates are over the points that went in
        assert once.mean("bpp") == 8 * once.results[0].file_bytes / 4000
        assert (once.mean("points_ratio") or 1) < 0.3
    assert "merged" in merged.description
    assert "merged" not in whole.description


def test_d1_sees_no_difference(seed: int) -> None:
    points = np.random.default_rng(seed).normal(size=(2000, 3))
    side = np.ptp(points, axis=0).max()
    found = [d1_psnr_db(points, c.decompress(c.compress(points)).points, side)
             for c in (Draco(5), Draco(5, merges=True))]  # fmt: skip
    # The way back is a mean over decoded points, of which one has fewer: D1 takes the worse.
    assert found[1] == pytest.approx(found[0], abs=0.5)


def test_points_that_are_one_place_remain_one() -> None:
    data = Draco(4, merges=True).compress(np.ones((5, 3)))
    assert Draco(4).decompress(data).points == pytest.approx(np.ones((1, 3)))
