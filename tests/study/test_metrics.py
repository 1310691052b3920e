"""Quality of decoded clouds, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from study.metrics import d1_psnr_db

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
