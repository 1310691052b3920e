"""Quality of decoded clouds, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from study.base.errors import StudyError
from study.metrics import PeakRule, PsnrConvention, d1_psnr_db, d2_psnr_db

ORIGINAL = np.array([[0.0, 0.0, 0.0], [10.0, 0.0, 0.0]])


def test_the_worse_of_the_two_directions_counts() -> None:
    """One decoded point at a distance of 1 from the first original, which is all it knows.

    Decoded to original: 1. Original to decoded: (1 + 101) / 2 = 51. 3 * 100^2 / 51 is 588.2.
    """
    decoded = np.array([[0.0, 0.0, 1.0]])
    assert d1_psnr_db(ORIGINAL, decoded, 100.0) == pytest.approx(10 * math.log10(30000 / 51))
    assert d1_psnr_db(decoded, ORIGINAL, 100.0) == d1_psnr_db(ORIGINAL, decoded, 100.0)


def test_the_factor_is_3_and_the_peak_is_squared() -> None:
    """A squared error of 3 at a peak of 10 is 20 dB; without the 3 it were 15.23."""
    decoded = ORIGINAL + 1.0
    assert d1_psnr_db(ORIGINAL, decoded, 10.0) == pytest.approx(20.0)
    assert d1_psnr_db(ORIGINAL, decoded, 100.0) == pytest.approx(40.0)


def test_equal_clouds_have_no_noise() -> None:
    assert d1_psnr_db(ORIGINAL, ORIGINAL[::-1], 1.0) == math.inf


def test_motion_and_scale_of_everything_do_not_matter(seed: int) -> None:
    generator = np.random.default_rng(seed)
    original, decoded = generator.normal(size=(2, 40, 3))
    rotation, _ = np.linalg.qr(generator.normal(size=(3, 3)))
    expected = d1_psnr_db(original, decoded, 2.0)
    moved = [cloud @ rotation * 7 + 100 for cloud in (original, decoded)]
    assert d1_psnr_db(moved[0], moved[1], 14.0) == pytest.approx(expected)


def test_clouds_are_not_changed() -> None:
    frozen = ORIGINAL.copy()
    frozen.setflags(write=False)
    d1_psnr_db(frozen, frozen, 1.0)


def test_sliding_on_a_plane_costs_d1_and_not_d2() -> None:
    """A grid moved by (0.3, 0, 0.1): the error is 0.1 along the normal and has 0.1 in all."""
    grid = np.array([[x, y, 0.0] for x in range(8) for y in range(8)])
    normals = np.tile([0.0, 0.0, 1.0], (64, 1))
    aside, moved = grid + np.array([0.3, 0.0, 0.0]), grid + np.array([0.3, 0.0, 0.1])
    assert d2_psnr_db(grid, moved, normals, 1.0) == pytest.approx(10 * math.log10(3 / 0.01))
    assert d1_psnr_db(grid, moved, 1.0) == pytest.approx(10 * math.log10(3 / 0.1))
    assert d2_psnr_db(grid, aside, normals, 1.0) == math.inf


def test_d2_takes_the_normal_of_the_decoded_points_nearest_original() -> None:
    """The way back from original 1 meets decoded 0, whose nearest is original 0: its normal counts.

    Outward: (0.1 along z, normal z)^2 = 0.01. Back: 0.01 from original 0, and from original 1
    the error (1, 0, -0.1) along z, 0.01 again; along original 1's own normal x it were 1.
    """
    normals = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    original = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    decoded = np.array([[0.0, 0.0, 0.1]])
    assert d2_psnr_db(original, decoded, normals, 1.0) == pytest.approx(10 * math.log10(3 / 0.01))


def test_the_convention_is_printed_with_its_factor_and_peak() -> None:
    assert str(PsnrConvention()) == "3 p^2, p = longest side"
    assert str(PsnrConvention(PeakRule.GIVEN, 1023)) == "3 p^2, p = 1023 (given)"
    without = PsnrConvention(PeakRule.INTRINSIC_RESOLUTION, factor=1)
    assert str(without) == "1 p^2, p = largest nearest-neighbour distance"


def test_each_rule_finds_its_peak() -> None:
    """Neighbours on a line at 1, 1, 4 and 4 from their nearest; box 9 by 2."""
    points = np.array([[0.0, 0, 0], [1, 0, 0], [5, 0, 0], [9, 0, 0], [9, 2, 0], [9, 2, 0]])
    assert PsnrConvention().peak_of(points) == 9.0
    assert PsnrConvention(PeakRule.INTRINSIC_RESOLUTION).peak_of(points) == 4.0
    assert PsnrConvention(PeakRule.INTRINSIC_RESOLUTION).peak_of(points[:1]) == 0.0
    assert PsnrConvention(PeakRule.GIVEN, 1023).peak_of(points) == 1023


def test_without_the_factor_of_3_it_is_477_decibels_less() -> None:
    decoded = ORIGINAL + 1.0
    difference = d1_psnr_db(ORIGINAL, decoded, 10.0) - d1_psnr_db(ORIGINAL, decoded, 10.0, 1.0)
    assert difference == pytest.approx(4.7712, abs=1e-4)


@pytest.mark.parametrize("arguments", [(PeakRule.GIVEN, None), (PeakRule.LONGEST_SIDE, 3.0)])
def test_a_peak_and_its_rule_belong_together(arguments: tuple[PeakRule, float | None]) -> None:
    with pytest.raises(StudyError, match="with the rule 'given' and with no other"):
        PsnrConvention(*arguments)


def test_a_psnr_without_peak_is_refused() -> None:
    with pytest.raises(StudyError, match="peak of a PSNR must be above 0, but it is -1"):
        PsnrConvention(PeakRule.GIVEN, -1)
    with pytest.raises(StudyError, match="a cloud without extent has no peak of its own"):
        d1_psnr_db(ORIGINAL, ORIGINAL + 1.0, 0.0)
    assert d1_psnr_db(ORIGINAL, ORIGINAL, 0.0) == math.inf


def test_every_original_point_has_a_normal() -> None:
    with pytest.raises(StudyError, match="original has 2 points and 1 normals"):
        d2_psnr_db(ORIGINAL, ORIGINAL, np.ones((1, 3)), 1.0)
