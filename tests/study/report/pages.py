"""What the tests of pages do with a page: write it, open it, and see what it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from study.fronts.judged import JudgedStudy
from study.report.page import write_page
from study.report.page.content import Material, page_content
from study.report.picture import draw_planes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from playwright.sync_api import Page

    from study.base.records import TrialRecord
    from study.fronts.front import Objective


def open_page(page: Page, path: Path) -> Page:
    """Open a page and wait until it is drawn; what it asks of the network fails the test."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_selector("body[data-ready]")
    assert asked == [path.as_uri()]
    return page


def page_of(records: Sequence[TrialRecord], objectives: Sequence[Objective], path: Path) -> Path:
    """Write the page of a study without the other files of its report."""
    pictures = draw_planes("made up", JudgedStudy(records, objectives))
    write_page(
        "made up",
        page_content(Material("made up", JudgedStudy(records, objectives), pictures)),
        path,
    )
    return path


def trials_drawn(page: Page) -> list[int]:
    """The members of the front that are seen."""
    dots = page.locator("#view-front [data-layer=front] [data-trial]")
    return [int(dot.get_attribute("data-trial") or -1) for dot in dots.all()]


def rows_shown(page: Page) -> list[int]:
    """The trials of the table."""
    numbers: list[str] = page.evaluate(
        "[...document.querySelectorAll('#view-table tbody tr')].map((row) => row.dataset.trial)"
    )
    return [int(number) for number in numbers]


def layers_drawn(page: Page) -> set[str]:
    """The layers that are shown, from what the chart knows of itself."""
    shown = page.evaluate("page.charts.front.layers.filter((each) => each.on).map((e) => e.key)")
    return set(shown)


def color_at(page: Page, layer: str, point: int) -> list[int]:
    """The canvas' red, green, blue and opacity in the middle of a point."""
    color: list[int] = page.evaluate(
        """([key, i]) => {
            const chart = page.charts.front;
            const { points } = chart.layers.find((each) => each.key === key);
            const ratio = window.devicePixelRatio || 1;
            const at = [chart.px(points.x[i]) * ratio, chart.py(points.y[i]) * ratio];
            return [...chart.canvas.getContext("2d").getImageData(at[0], at[1], 1, 1).data];
        }""",
        [layer, point],
    )
    return color
