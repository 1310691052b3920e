"""The tab of reconstructions in a real browser: all points are drawn, and views turn together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from study.fronts.judged import JudgedStudy
from study.report import write_report
from study.report.exhibits import Exhibit, Gallery, Reconstruction
from study.report.reconstructions import COLOURS, tab
from tests.browser import chromium, new_page
from tests.study.on_disk import COMPLETE, OBJECTIVES, record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Page

POINTS = 200
NAMES = ("a <chair>", "table")

NEAR_COLOURS = """(canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const near = [];
  for (let i = 0; i < data.length; i += 4) {
    if (data[i + 3] > 220) near.push([...data.slice(i, i + 3)]);
  }
  return near;
}"""
"""Of the pixels that hardly fade."""

VALUES = {"bpp": 0.5, "d1_psnr_db": 30.0}


def gallery() -> Gallery:
    """Two spheres of points, and two codecs: the one loses nothing, the other the scale's whole."""
    random = np.random.default_rng(0)
    exhibits = []
    for name in NAMES:
        points = random.normal(size=(POINTS, 3))
        points /= np.linalg.norm(points, axis=1, keepdims=True)
        errors = (np.zeros(POINTS, np.float32), np.full(POINTS, 2.0, np.float32))
        shown = [
            Reconstruction(trial, (word,), points.astype(np.float32), of, 90, VALUES)
            for trial, (word, of) in enumerate(zip(("knee", "high-rate"), errors, strict=True))
        ]
        exhibits.append(Exhibit(name, points, tuple(shown)))
    return Gallery("s", "test", tuple(exhibits))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    folder: Path = tmp_path_factory.mktemp("report")
    records = [record(0, (1.0, 30.0), state=COMPLETE), record(1, (2.0, 35.0), state=COMPLETE)]
    files = write_report("s", JudgedStudy(records, OBJECTIVES), folder, extra_tabs=[tab(gallery())])
    with chromium() as browser, new_page(browser) as opened:
        opened.goto(files.html.as_uri())
        opened.click("#tab-reconstructions")
        opened.wait_for_selector("canvas[data-drawn]")
        yield opened


def look(page: Page) -> tuple[float, ...]:
    """From where it is looked, once the views are drawn from there."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    told = page.locator(".stage").evaluate("(stage) => ({ ...stage.dataset })")
    return tuple(float(told[name]) for name in ("yaw", "pitch", "zoom"))


def pictures(page: Page) -> list[str]:
    return page.locator(".stage canvas").evaluate_all("(all) => all.map((one) => one.toDataURL())")  # type: ignore[no-any-return]


def test_every_point_of_every_view_is_drawn(page: Page) -> None:
    views = page.locator(".stage canvas")
    told = views.evaluate_all("(all) => all.map((one) => ({ ...one.dataset }))")
    assert [(each["object"], each["view"]) for each in told] == [
        (name, title) for name in NAMES for title in (name, "trial 0, knee", "trial 1, high-rate")
    ]
    assert {each["drawn"] for each in told} == {str(POINTS)}
    assert "0.500 bpp, 30.00 dB D1" in page.locator("figcaption").nth(1).inner_text()


def test_colours_are_those_of_the_scale(page: Page) -> None:
    look(page)
    for column, colour in ((1, COLOURS[0]), (2, COLOURS[-1])):
        seen = page.locator(".stage canvas").nth(column).evaluate(NEAR_COLOURS)
        assert len(seen) > 20
        expected = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
        assert np.abs(np.array(seen) - expected).max() <= 2  # A canvas rounds with transparency.
    assert page.locator(".bar .scale").bounding_box()


def test_dragging_turns_all_views_and_a_double_click_goes_back(page: Page) -> None:
    start, before = look(page), pictures(page)
    box = page.locator(".stage canvas").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 50, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 110, box["y"] + 74)
    page.mouse.up()
    yaw, pitch, zoom = look(page)
    assert (yaw, pitch, zoom) == pytest.approx((start[0] + 0.5, start[1] + 0.2, 1.0))
    assert all(one != other for one, other in zip(before, pictures(page), strict=True))
    page.mouse.wheel(0, -250)
    assert look(page)[2] == pytest.approx(np.exp(0.5))
    page.locator(".stage canvas").first.dblclick()
    assert look(page) == start
    assert pictures(page) == before


def test_keys_turn_and_zoom_too(page: Page) -> None:
    start = look(page)
    page.locator(".stage").focus()
    for key in ("ArrowLeft", "ArrowDown", "+"):
        page.keyboard.press(key)
    assert look(page) == pytest.approx((start[0] - 0.1, start[1] + 0.1, 1.2))
    page.keyboard.press("Home")
    assert look(page) == start


def test_a_narrow_window_has_room_to_scroll(page: Page) -> None:
    page.set_viewport_size({"width": 420, "height": 380})
    look(page)
    assert {each.get_attribute("data-drawn") for each in page.locator(".stage canvas").all()} == {
        str(POINTS)
    }
    heights = "(view) => [view.scrollHeight, view.clientHeight]"
    tab_view = page.locator("#view-reconstructions")
    whole, seen = tab_view.evaluate(heights)
    assert whole > seen
    before = look(page)
    page.locator(".stage").blur()
    page.locator(".stage canvas").first.hover()
    page.mouse.wheel(0, 60)
    page.wait_for_function("document.getElementById('view-reconstructions').scrollTop > 0")
    assert look(page) == before
    page.locator(".stage canvas").first.click()
    page.mouse.wheel(0, -250)
    assert look(page)[2] == pytest.approx(before[2] * np.exp(0.5))
