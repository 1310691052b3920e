from __future__ import annotations

import numpy as np
import pytest

from study.data.cutting import cut, place
from study.errors import StudyError


def test_the_box_is_centred_and_its_longest_side_is_100() -> None:
    points = np.array([[10.0, 0.0, -1.0], [14.0, 2.0, 0.0], [12.0, 1.0, -0.5]])
    placement = place(points, "cloud")
    scaled = placement.to_scaled(points)
    np.testing.assert_allclose(scaled.min(axis=0), [0.0, 25.0, 37.5], atol=1e-12)
    np.testing.assert_allclose(scaled.max(axis=0), [100.0, 75.0, 62.5], atol=1e-12)
    np.testing.assert_allclose(placement.to_original(scaled), points, atol=1e-12)


def test_cubes_share_out_all_points(seed: int) -> None:
    scaled = np.random.default_rng(seed).uniform(0.0, 100.0, (2000, 3))
    for cube_size in (100.0, 50.0, 34.0, 7.0):
        cubes = list(cut(scaled, cube_size))
        back = [cube.points * cube.half_width + cube.centre for cube in cubes]
        order = np.lexsort(scaled.T)
        found = np.concatenate(back)
        np.testing.assert_allclose(found[np.lexsort(found.T)], scaled[order], atol=1e-5)
        assert all(np.abs(cube.points).max() <= 1.0 for cube in cubes)
        assert len({tuple(cube.centre) for cube in cubes}) == len(cubes)


def test_points_keep_their_order_within_a_cube() -> None:
    scaled = np.array([[30.0, 1.0, 1.0], [90.0, 1.0, 1.0], [10.0, 1.0, 1.0], [20.0, 1.0, 1.0]])
    first, second = cut(scaled, 50.0)
    np.testing.assert_allclose(first.points[:, 0] * 25 + 25, [30.0, 10.0, 20.0])
    np.testing.assert_allclose(second.points[:, 0] * 25 + 75, [90.0])


def test_a_point_on_the_far_face_opens_no_cube_of_its_own() -> None:
    cubes = list(cut(np.array([[60.0, 60.0, 60.0], [100.0, 100.0, 100.0 + 1e-12]]), 50.0))
    assert len(cubes) == 1
    np.testing.assert_array_equal(cubes[0].centre, [75.0, 75.0, 75.0])
    assert cubes[0].points.max() == 1.0


def test_a_flat_cloud_has_a_place() -> None:
    flat = np.array([[0.0, 0.0, 3.0], [2.0, 1.0, 3.0]])
    np.testing.assert_allclose(place(flat, "flat").to_scaled(flat)[:, 2], 50.0)


@pytest.mark.parametrize("extent", [0.0, 1e-310, 1.7e308])
def test_a_cloud_without_a_usable_extent_is_refused(extent: float) -> None:
    points = np.full((5, 3), -extent)
    points[0] = extent
    with pytest.raises(StudyError, match=r"the 5 points of a\.ply span the box from .* remove it"):
        place(points, "a.ply")
