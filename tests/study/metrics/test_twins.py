"""Every metric against its naive twin, and the properties that mathematics gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from study.base.errors import StudyError
from study.metrics import (
    PeakRule,
    PsnrConvention,
    chamfer,
    d1_psnr_db,
    d2_psnr_db,
    density_metric,
    emd,
    hausdorff,
    normals_f1,
    to_unit_frame,
)
from tests.study.metrics import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[np.float64]


def clouds(seed: int) -> tuple[Array, Array, Array, Array]:
    """Return an original and a decoded cloud with normals, crowded enough to meet every branch."""
    generator = np.random.default_rng(seed)
    original = generator.uniform(-0.35, 0.35, size=(260, 3)) * [1, 1, 0.1]
    decoded = original[generator.integers(0, 260, 230)] + generator.normal(0, 0.02, (230, 3))
    decoded[:5] = decoded[5:10]  # duplicates
    decoded[-1] = 2.0  # alone within the radius
    of_original, of_decoded = generator.normal([0, 0, 8], 1, size=(260, 3)), np.zeros((230, 3))
    of_original /= np.linalg.norm(of_original, axis=1, keepdims=True)
    of_decoded[:, 2] = 1.0
    return original, of_original, decoded, of_decoded


def test_metrics_equal_their_twins(seed: int) -> None:
    original, of_original, decoded, of_decoded = clouds(seed)
    two = (original, decoded)
    assert chamfer(*two) == pytest.approx(plain.chamfer(*two))
    assert hausdorff(*two) == pytest.approx(plain.hausdorff(*two))
    assert d1_psnr_db(*two, 1.5) == pytest.approx(plain.d1_psnr_db(*two, 1.5))
    d2 = d2_psnr_db(*two, of_original, 1.5)
    assert d2 == pytest.approx(plain.d2_psnr_db(*two, of_original, 1.5))
    assert density_metric(*two) == pytest.approx(plain.density_metric(*two))
    f1 = normals_f1(original, of_original, decoded, of_decoded)
    assert f1 == plain.normals_f1(original, of_original, decoded, of_decoded)
    assert 0.2 < f1 < 0.99


def test_heaps_of_equal_points_count_each(seed: int) -> None:
    """Few places with many points each, of either cloud, so that 100 neighbours end in a heap."""
    generator = np.random.default_rng(seed)
    original, decoded = (
        generator.integers(0, 3, (count, 3)) * 0.07 + generator.normal(0, 1e-3, 3)
        for count in (400, 300)
    )
    two = (original, decoded)
    assert density_metric(*two) == pytest.approx(plain.density_metric(*two))
    assert chamfer(*two) == pytest.approx(plain.chamfer(*two))
    assert hausdorff(*two) == pytest.approx(plain.hausdorff(*two))
    normals = generator.normal(size=(400, 3))
    # The twin, too, takes the first of equal points.
    assert d2_psnr_db(*two, normals, 1.0) == pytest.approx(plain.d2_psnr_db(*two, normals, 1.0))
    resolution = PsnrConvention(PeakRule.INTRINSIC_RESOLUTION)
    lonely = np.array([[0.0, 0, 0], [0, 0, 0], [3, 0, 0], [-0.0, 0, 0]])
    assert resolution.peak_of(lonely) == 3.0
    assert resolution.peak_of(lonely[[0, 2, 2, 3]]) == 0.0  # all have an equal


def test_a_heap_of_equal_points_takes_no_longer(seed: int) -> None:
    """A tree of all 200,000 points compares each with each of its heap: many minutes."""
    generator = np.random.default_rng(seed)
    heap = generator.integers(0, 2, (200_000, 3)) * 0.5
    assert chamfer(heap, heap[::-1]) == 0.0
    # 100 neighbours at no distance: eps / (100 + eps) + weight eps / eps, both ways.
    assert density_metric(heap, heap[::-1]) == pytest.approx(2 * (1e-10 + 1e-4))


def test_a_cloud_is_at_no_distance_from_itself_in_another_order(seed: int) -> None:
    original, normals, _, _ = clouds(seed)
    order = np.random.default_rng(seed).permutation(len(original))
    for metric in (chamfer, hausdorff, density_metric, emd):
        assert metric(original, original[order]) == pytest.approx(0.0, abs=1e-7)
    assert d2_psnr_db(original, original[order], normals, 1.0) == np.inf
    assert normals_f1(original, normals, original[order], normals[order]) == 1.0


def test_distances_scale_as_lengths_do_and_do_not_move(seed: int) -> None:
    original, _, decoded, _ = clouds(seed)
    moved = [cloud * 7 + 1e4 for cloud in (original, decoded)]
    assert chamfer(*moved) == pytest.approx(49 * chamfer(original, decoded))
    assert hausdorff(*moved) == pytest.approx(7 * hausdorff(original, decoded))
    assert emd(*moved) == pytest.approx(7 * emd(original, decoded))


def test_two_samples_of_a_square_are_at_the_floor(seed: int) -> None:
    """8 / (pi n); 4,000 points miss it by a few percent at most."""
    generator = np.random.default_rng(seed)
    flat = np.zeros((2, 4000, 3))
    flat[..., :2] = generator.uniform(-1, 1, size=(2, 4000, 2))
    assert chamfer(*flat) == pytest.approx(8 / (np.pi * 4000), rel=0.12)


def test_halving_a_line_halves_its_density() -> None:
    """Points 0.01 apart on a long line, every second one kept: 31 neighbours become 15.

    Within 0.15 of a point: 15 on each side and itself, at a mean distance of
    2 (0.01 + ... + 0.15) / 31; of the half, 7 on each side, 2 (0.02 + ... + 0.14) / 15.
    """
    line = np.zeros((20_001, 3))
    line[:, 0] = np.arange(20_001) * 0.01
    num_o, num_d = 31, 15
    dist_o, dist_d = 2 * 0.01 * 120 / 31, 2 * 0.02 * 28 / 15
    expected = (num_o - num_d) / num_d + (num_o - num_d) / num_o
    expected += 1e-4 * (abs(dist_o - dist_d) / dist_d + abs(dist_o - dist_d) / dist_o)
    # Just off the grid of multiples of 0.01, so that rounding does not decide what 0.15 reaches.
    assert density_metric(line * 0.9999, line[::2] * 0.9999) == pytest.approx(expected, rel=2e-3)


def test_a_lonely_match_lifts_the_density_metric() -> None:
    """One decoded point alone, three originals around it: dist_b = 0 divides by eps."""
    original = np.array([[0.0, 0, 0], [0.1, 0, 0], [-0.1, 0, 0]])
    decoded = np.zeros((1, 3))
    middle, end = 0.2 / 3, 0.1 / 2
    forward = (2 + 1 + 1) / 3 + 1e-4 * (middle + 2 * end - 3e-8) / 3 / 1e-8
    backward = 2 / 3 + 1e-4
    assert density_metric(original, decoded) == pytest.approx(forward + backward, rel=1e-6)


def test_a_flipped_normal_is_wrong_in_f1_and_right_in_d2(seed: int) -> None:
    original, normals, decoded, _ = clouds(seed)
    assert normals_f1(original, normals, original, -normals) == 0.0
    flipped = d2_psnr_db(original, decoded, -normals, 1.0)
    assert flipped == d2_psnr_db(original, decoded, normals, 1.0)


def test_the_unit_frame_is_that_of_the_original() -> None:
    original = np.array([[10.0, 20, 30], [14, 22, 31]])
    assert to_unit_frame(original, original) == pytest.approx(
        np.array([[-1, -0.5, -0.25], [1, 0.5, 0.25]])
    )
    assert to_unit_frame([[16.0, 21, 30.5]], original) == pytest.approx(np.array([[2.0, 0, 0]]))
    with pytest.raises(StudyError, match="must have an extent, but its 3 points are all the same"):
        to_unit_frame(original, np.ones((3, 3)))


@pytest.mark.parametrize("metric", [chamfer, hausdorff, density_metric, emd])
def test_what_is_no_cloud_is_refused(metric: Callable[[object, object], float]) -> None:
    good = np.zeros((4, 3))
    with pytest.raises(StudyError, match=r"decoded cloud must be an array \(n, 3\).*\(0, 3\)"):
        metric(good, np.zeros((0, 3)))
    with pytest.raises(StudyError, match=r"original must be an array \(n, 3\).*\(4, 2\)"):
        metric(np.zeros((4, 2)), good)
    bad = np.zeros((4, 3))
    bad[1, 2] = np.nan
    with pytest.raises(StudyError, match="must be finite, but 1 of its 4 rows"):
        metric(good, bad)
