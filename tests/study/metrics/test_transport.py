"""The earth mover's distance: closed forms, all matchings, and what is done with large clouds."""

from __future__ import annotations

import numpy as np
import pytest

from study.metrics import chamfer, emd
from study.metrics.transport import MOST_MATCHED
from tests.study.metrics import plain


@pytest.mark.parametrize("count", [1, 2, 6])
def test_it_is_the_cheapest_of_all_matchings(seed: int, count: int) -> None:
    two = np.random.default_rng(seed).normal(size=(2, count, 3))
    assert emd(*two) == pytest.approx(plain.emd(*two))


@pytest.mark.parametrize("count", [100, MOST_MATCHED, 3000])
def test_a_cloud_that_moved_is_as_far_as_it_moved(seed: int, count: int) -> None:
    """The mean move is the same for every matching, and no shorter on average than its mean.

    Of the larger cloud only some points are matched, and the curve takes others after the move.
    """
    generator = np.random.default_rng(seed)
    cloud, move = generator.uniform(-1, 1, size=(count, 3)), np.array([3.0, 0.0, 0.0])
    found = emd(cloud, (cloud + move)[generator.permutation(count)])
    assert found == pytest.approx(3.0, rel=1e-9 if count <= MOST_MATCHED else 0.02)


def test_on_a_line_it_is_the_distance_between_sorted_points(seed: int) -> None:
    one, other = np.random.default_rng(seed).normal(size=(2, 500))
    flat = np.zeros((2, 500, 3))
    flat[0, :, 1], flat[1, :, 1] = one, other
    assert emd(*flat) == pytest.approx(np.abs(np.sort(one) - np.sort(other)).mean())


def test_it_sees_heaps_that_chamfer_does_not(seed: int) -> None:
    """Half of the places have three quarters of the points: a quarter moves by 1."""
    places = np.repeat([[0.0, 0, 0], [1, 0, 0]], 200, axis=0)
    heaps = np.repeat([[0.0, 0, 0], [1, 0, 0]], [300, 100], axis=0)
    assert chamfer(places, heaps) == 0.0
    assert emd(places, np.random.default_rng(seed).permutation(heaps)) == pytest.approx(0.25)


@pytest.mark.parametrize(("ours", "theirs"), [(5000, 5000), (5000, 1300), (700, 5000), (1, 2000)])
def test_of_large_and_unequal_clouds_few_points_stand_for_all(
    seed: int, ours: int, theirs: int
) -> None:
    """Two samples of a square, one of which is 0.5 higher: never nearer, and hardly further."""
    generator = np.random.default_rng(seed)
    one, other = (np.pad(generator.uniform(size=(n, 2)), ((0, 0), (0, 1))) for n in (ours, theirs))
    other[:, 2] = 0.5
    found = emd(one, other)
    assert 0.5 <= found < (0.54 if min(ours, theirs) > 500 else 0.9)
    assert found == pytest.approx(emd(other, one))
    assert emd(other, other[::-1]) == 0.0


def test_points_in_one_place_are_a_cloud() -> None:
    heap = np.ones((2000, 3))
    assert emd(heap, heap) == 0.0
    above = heap[:10] + np.array([0.0, 0.0, 2.0])
    assert emd(heap, above) == pytest.approx(2.0)
