"""The tools that ask what each metric rewards: their arithmetic, and that they draw."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from matplotlib.image import imread
from scipy.stats import ttest_rel

from study.clouds import Cloud
from tests.model.support import surface
from tools.density_evidence import variants
from tools.metric_codecs import octree_within, untrained
from tools.metrics_compared import _cell
from tools.metrics_picture import Shown, draw

if TYPE_CHECKING:
    from pathlib import Path

CLOUD = Cloud(surface(3, 2000).astype(np.float64), None, ())


@pytest.mark.parametrize("file_bytes", [60, 400])
def test_an_octree_for_a_rate_is_no_longer_and_hardly_shorter(file_bytes: int) -> None:
    codec = octree_within(CLOUD, file_bytes, "none", "between")
    assert 0.85 * file_bytes <= len(codec.compress(CLOUD.points)) <= file_bytes


def test_equal_clouds_have_equal_densities_however_they_are_asked() -> None:
    for value in variants(CLOUD.points, CLOUD.points).values():
        assert value == pytest.approx(0.0, abs=1e-6)  # The density metric has an epsilon.
    apart = variants(CLOUD.points, CLOUD.points[::2])
    assert 0.0 < apart["bounded"] <= 2.0
    # Of a surface, half the points are the root of two further apart.
    assert apart["16th"] == pytest.approx(2 * np.log(np.sqrt(2)), rel=0.3)


def test_every_kind_goes_from_its_lowest_rate_on() -> None:
    for some in untrained().values():
        sizes = [len(codec.compress(CLOUD.points, None)) for _, codec in some]
        assert sizes == sorted(sizes)


def test_differences_are_paired_by_object(seed: int) -> None:
    draw_from = np.random.default_rng(seed)
    ours = draw_from.uniform(30, 40, 12)
    values = ours + draw_from.normal(2.0, 0.5, 12)
    low, high = ttest_rel(values, ours).confidence_interval(0.95)
    told = _cell(values.tolist(), ours.tolist(), "d1_psnr_db", compared=True)
    assert told == f"{values.mean():.2f} ({low:+.2f} to {high:+.2f})"
    assert _cell([0.1, None], [0.1, 0.2], "density", compared=True) == ""


def test_the_picture_has_views_of_those_with_points_and_lines_of_all(tmp_path: Path) -> None:
    values = {"bpp": 0.5, "d1_psnr_db": 40.0, "chamfer": 1e-3, "points_ratio": 1.0}
    shown = [Shown("ours", "", CLOUD.points, values), Shown("G-PCC", "depth 5", None, values)]
    heights = []
    for count in (1, 2):
        draw("a surface", CLOUD.points, shown[:count], tmp_path / "a.png")
        heights.append(imread(tmp_path / "a.png").shape[0])
    assert 0 < heights[0] < heights[1] < heights[0] + 60  # A line more, and no row of views.
