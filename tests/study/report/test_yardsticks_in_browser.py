"""The codecs that stand beside every front, on its page in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from study.fronts.judged import JudgedStudy
from study.fronts.rivals import Rival
from study.metrics.measurement import CloudResult
from study.report import ReportFiles, write_report
from study.report.beside import Beside
from study.report.standing import Standing
from tests.study.report.pages import color_at, layers_drawn, open_page
from tests.study.report.studies import OBJECTIVES, study

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> ReportFiles:
    octree = Rival(
        "octree",
        "octree",
        "measured bytes",
        ("8 voxels", "16 voxels"),
        tuple(
            (CloudResult("a", 100, 9, {"bpp": bpp, "d1_psnr_db": db, "chamfer": 0.25}, {"bpp": b}),)
            for bpp, db, b in ((0.72, 35.5, 72.0), (1.25, 37.25, 125.0))
        ),
    )
    told = Standing("octree", "octree", "dominates 1 of the 3 points of the front")
    folder = tmp_path_factory.mktemp("page")
    beside = Beside(rivals=[octree], standings=[told])
    return write_report("made up", JudgedStudy(study(), OBJECTIVES), folder, beside)


@pytest.fixture
def opened(page: Page, files: ReportFiles) -> Page:
    """The page, drawn; what it asks of the network fails the test."""
    return open_page(page, files.html)


def test_the_yardsticks_curve_is_in_the_legend_and_tells_its_points(opened: Page) -> None:
    box = opened.locator("label:has(input[data-layer='rival octree'])")
    assert box.inner_text().strip() == "octree (yardstick, measured bytes)"
    assert box.locator("svg path").count() == 2  # the line and its mark
    place = opened.evaluate(
        """() => {
            const chart = page.charts.front;
            const { points } = chart.layers.find((each) => each.key === "rival octree");
            const frame = chart.element.getBoundingClientRect();
            return [frame.left + chart.px(points.x[1]), frame.top + chart.py(points.y[1])];
        }"""
    )
    opened.mouse.move(*place)
    told = opened.inner_text("#hover")
    assert "octree, 16 voxels" in told
    assert "bpp\n1.250" in told
    assert "D1 PSNR dB\n37.25" in told
    assert color_at(opened, "rival octree", 0) == [230, 159, 0, 255]
    assert "octree dominates 1 of the 3 points of the front." in opened.inner_text("#view-front")
    box.locator("input").uncheck()
    assert "rival octree" not in layers_drawn(opened)
