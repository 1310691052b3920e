"""The front's page in a real browser: what is drawn, told, hidden and found. No file is fetched."""

from __future__ import annotations

import html
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from study.fronts.judged import JudgedStudy
from study.metrics import RateCurve
from study.report import ReportFiles, write_report
from study.report.beside import Beside
from study.report.page import Tab
from tests.study.report.pages import (
    color_at,
    layers_drawn,
    open_page,
    page_of,
    rows_shown,
    trials_drawn,
)
from tests.study.report.studies import DENSITY, OBJECTIVES, study, trial

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page


TAB = Tab("mine", "My own", "table.js", {"answer": 42})
"""Any script will do: the test registers what draws it."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> ReportFiles:
    draco = RateCurve("Draco", (0.6, 1.2), (34.5, 36.0))
    rival = [trial(0, 0.6, 36.0), trial(1, 1.0, 37.0)]
    return write_report(
        "made up",
        JudgedStudy(study(), OBJECTIVES),
        tmp_path_factory.mktemp("page"),
        Beside([draco], [("rival", JudgedStudy(rival, OBJECTIVES))], ["other clouds <b>"]),
        extra_tabs=[TAB],
    )


@pytest.fixture
def opened(page: Page, files: ReportFiles) -> Page:
    """The page, drawn; what it asks of the network fails the test."""
    return open_page(page, files.html)


def test_what_one_points_at_tells_its_setting_and_operating_points_have_their_names(
    opened: Page,
) -> None:
    assert trials_drawn(opened) == [1, 2, 0]
    for number, bpp, weight in ((1, "0.500", "6.4e-4"), (2, "0.900", "9.6e-4")):
        opened.hover(f"[data-layer=front] [data-trial='{number}']", force=True)
        told = opened.inner_text("#hover")
        assert f"trial {number}, complete" in told
        assert f"bpp\n{bpp}" in told
        assert f"loss.bpp_lambda\n{weight}" in told
        assert "training.norm" in told
        assert "density diff.\n0.5" in told  # no objective, and shown of every codec
        assert "3 of 3 in 2m 05s" in told
        assert f"study export made up --trial {number} OUT" in told
    opened.mouse.move(2, 2)
    assert not opened.is_visible("#hover")
    assert opened.inner_text("#view-front").count("D2 PSNR is not shown: it needs") == 1
    for key, words in (("curve Draco", "Draco"), ("other 0", "rival, trial 0")):
        opened.evaluate(
            """(key) => {
                const layer = page.charts.front.layers.find((each) => each.key === key);
                page.charts.front.point({ layer, i: 0 });
            }""",
            key,
        )
        assert words in opened.inner_text("#hover h3")
    texts = opened.locator("#view-front svg text").all_text_contents()
    assert {"low-rate", "knee", "high-rate", "λ 6.4e-4"} <= set(texts)


def test_boxes_of_the_legend_hide_and_show(opened: Page) -> None:
    everything = layers_drawn(opened)
    assert {"front", "beaten", "pruned", "failed", "infeasible", "paths"} < everything
    assert {"curve Draco", "other 0", "published", "running"} < everything
    assert color_at(opened, "beaten", 0) == [86, 180, 233, 255]
    for key in ("beaten", "front", "other 0"):
        opened.locator(f"input[data-layer='{key}']").uncheck()
    assert layers_drawn(opened) == everything - {"beaten", "front", "other 0"}
    assert trials_drawn(opened) == []
    assert color_at(opened, "beaten", 0) != [86, 180, 233, 255]
    opened.locator("input[data-layer='front']").check()
    assert trials_drawn(opened) == [1, 2, 0]


def test_a_click_pins_all_about_a_trial(opened: Page) -> None:
    opened.click("[data-layer=front] [data-trial='2']", force=True)
    told = opened.inner_text("#panel")
    assert "trial 2, complete, knee" in told
    assert "decode s\n0.0123" in told
    assert "study export made up --trial 2 OUT" in told
    assert f"{2:032x}" in told
    assert "1\t1.2\t33.8" in told  # its first epoch's estimates
    assert opened.locator("#view-front .pinned").count() == 1
    opened.click("#panel .close")
    assert not opened.is_visible("#panel")
    assert opened.locator("#view-front .pinned").count() == 0
    opened.evaluate("page.pin(3)")
    assert "<img src=x onerror=alert(1)> & more" in opened.inner_text("#panel")
    assert opened.locator("#panel img").count() == 0


def test_wheel_box_and_keys_zoom(opened: Page) -> None:
    ranges = "[page.charts.front.xRange, page.charts.front.yRange]"
    before = opened.evaluate(ranges)
    x, y = middle_of(opened, 2)
    opened.mouse.move(x, y)
    opened.mouse.wheel(0, -100)
    opened.wait_for_function(f"JSON.stringify({ranges}) !== '{as_json(before)}'")
    zoomed = opened.evaluate(ranges)
    assert before[0][0] < zoomed[0][0] < 0.9 < zoomed[0][1] < before[0][1]
    opened.wait_for_timeout(50)  # a frame
    assert middle_of(opened, 2) == pytest.approx((x, y), abs=1)  # what one points at stays there
    opened.mouse.move(x - 60, y - 40)
    opened.mouse.down()
    opened.mouse.move(x + 60, y + 40)
    opened.mouse.up()
    box = opened.evaluate(ranges)
    assert zoomed[0][0] < box[0][0] < 0.9 < box[0][1] < zoomed[0][1]
    opened.focus("#view-front .chart")
    opened.keyboard.press("0")
    assert opened.evaluate(ranges) == before


def middle_of(page: Page, number: int) -> tuple[float, float]:
    """Where a member of the front is in the window."""
    box = page.locator(f"[data-layer=front] [data-trial='{number}']").bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def as_json(ranges: list[list[float]]) -> str:
    return json.dumps(ranges, separators=(",", ":"))


def test_the_keyboard_walks_along_the_front(opened: Page) -> None:
    opened.focus("#view-front .chart")
    told = []
    for _ in range(3):
        opened.keyboard.press("ArrowRight")
        told.append(opened.inner_text("#hover h3").split(",")[0])
    assert told == ["trial 1", "trial 2", "trial 0"]
    opened.keyboard.press("Enter")
    assert opened.get_attribute("#panel", "data-trial") == "0"


def test_a_setting_is_seen_by_colour(opened: Page) -> None:
    look = "#view-front [data-layer=front] [data-trial='1']"
    before = opened.get_attribute(look, "fill")
    opened.select_option("#view-front select", "setting model.k")
    assert opened.get_attribute(look, "fill") != before
    assert "model.k" in opened.inner_text(".legend")
    assert trials_drawn(opened) == [1, 2, 0]


def test_cautions_are_told_as_they_are(opened: Page) -> None:
    assert opened.inner_text("#view-front .caution") == "Caution: other clouds <b>."


def test_learning_curves_are_over_epochs(opened: Page) -> None:
    opened.click("#tab-learning")
    assert opened.evaluate("page.charts.learning.xTitle") == "epoch"
    front = "page.charts.learning.layers.find((each) => each.key === 'front').points"
    assert opened.evaluate(f"{front}.x") == [1, 2, 3, None] * 3
    assert opened.evaluate(f"{front}.y[0]") == pytest.approx(34.5)  # 37.5 dB less 3, trial 0's
    opened.select_option("#view-learning select", label="bpp")
    assert opened.evaluate(f"{front}.y[0]") == pytest.approx(1.7)
    opened.evaluate(
        "() => { const c = page.charts.learning; c.point({ layer: c.layers[1], i: 1 }); }"
    )
    assert "trial 0, complete" in opened.inner_text("#hover h3")
    assert "after epoch 2" in opened.inner_text("#hover h3")


def test_the_volume_is_seen_where_it_grows(opened: Page) -> None:
    """It begins with the first trial that covers anything, not at nothing."""
    opened.click("#tab-progress")
    low, high = opened.evaluate("page.charts.trials.yRange")
    steps = opened.evaluate("page.charts.trials.layers[0].points.y")
    assert steps[0] > 0
    assert low <= steps[0] < steps[-1] <= high
    assert low > 0.5 * steps[0]


def test_trials_that_all_break_a_constraint_have_finished(page: Page, tmp_path: Path) -> None:
    broken = [replace(trial(number, 1.0, 35.0), feasible=False) for number in range(4)]
    open_page(page, page_of(broken, OBJECTIVES, tmp_path / "broken.html"))
    assert "0 of 4 finished codecs on the front, 4 break a constraint" in page.title() + str(
        page.evaluate("page.data.title")
    )
    for tab in ("parallel", "importance"):
        page.click(f"#tab-{tab}")
        told = page.inner_text(f"#view-{tab}")
        assert told == "4 trials have finished, and each of them breaks a constraint."
    open_page(page, page_of(broken[:1], OBJECTIVES, tmp_path / "one.html"))
    page.click("#tab-parallel")
    assert page.inner_text("#view-parallel") == "1 trial has finished, and it breaks a constraint."


def test_each_tab_draws(opened: Page) -> None:
    titles = opened.locator("#tabs button").all_inner_texts()
    assert titles[-1] == "My own"
    opened.click("#tab-progress")
    assert opened.evaluate("page.charts.trials.layers[1].points.x.length") == 7
    opened.evaluate(
        "() => { const c = page.charts.epochs; c.point({ layer: c.layers[1], i: 5 }); }"
    )
    assert "when trial 6 had ended (pruned)" in opened.inner_text("#hover")
    assert "their epochs\n18" in opened.inner_text("#hover")
    assert "7 trials have ended: too few to tell" in opened.inner_text("#view-progress")
    told = opened.evaluate("[lateGrowth([0], null), lateGrowth([1, 2], {trials: 1, gained: 0.5})]")
    assert told == [
        "The hypervolume is 0: no trial is better than every reference.",
        "The hypervolume is 2; the last 1 of the 2 trials added 50 % of it.",
    ]
    opened.click("#tab-parallel")
    assert "4 of 4 finished trials, 3 of them on the front" in opened.inner_text("#view-parallel")
    opened.evaluate("page.charts.parallel.choose(3, 0.9, 1)")  # the rate, its best tenth
    assert "1 of 4 finished trials, 1 of them" in opened.inner_text("#view-parallel")
    opened.evaluate("page.charts.parallel.choose(3, 0, 0)")
    assert "4 of 4 finished trials" in opened.inner_text("#view-parallel")
    opened.click("#tab-importance")
    assert "4 trials have finished" in opened.inner_text("#view-importance")
    opened.click("#tab-learning")
    assert "trials of the front (3)" in opened.inner_text("#view-learning")
    opened.evaluate(
        "() => { tabs.mine = (element, data) => element.append(`answer ${data.answer}`); }"
    )
    opened.click("#tab-mine")
    opened.wait_for_selector("#view-mine >> text=answer 42")
    opened.click("#tab-front")
    assert opened.is_visible("#view-front")
    assert not opened.is_visible("#view-mine")


def test_the_table_finds_and_sorts_trials_and_says_what_it_did_not_understand(opened: Page) -> None:
    opened.click("#tab-table")
    for search, found in {
        "": list(range(9)),
        "front": [0, 1, 2],
        "bpp<0.85": [1, 6, 8],
        "bpp<0.85 masked": [6, 8],
        "model.k=16": [1],
        "stopped": [6],
        "trial>=7": [7, 8],
    }.items():
        opened.fill("#view-table input", search)
        assert rows_shown(opened) == found, search
    opened.fill("#view-table input", "front bpp<x")
    assert "3 of 9 trials; not understood: bpp<x" in opened.inner_text("#view-table .bar")
    for order in ([1, 2, 0], [0, 2, 1]):
        opened.click("#view-table th button >> text='bpp'")
        assert rows_shown(opened) == order


def test_it_works_in_a_frame_without_an_origin(page: Page, files: ReportFiles) -> None:
    """MLflow shows artifacts in one: no storage, no links, no requests."""
    content = html.escape(files.html.read_text(encoding="utf-8"))
    page.set_content(
        f'<iframe sandbox="allow-scripts" width="1200" height="800" srcdoc="{content}"></iframe>'
    )
    frame = page.frame_locator("iframe")
    frame.locator("body[data-ready]").wait_for()
    assert frame.locator("[data-layer=front] [data-trial]").count() == 3
    frame.locator("[data-trial='1']").hover(force=True)
    assert "loss.bpp_lambda" in frame.locator("#hover").inner_text()
    frame.locator("[data-trial='1']").click(force=True)
    frame.locator("#panel .copy button").first.click()
    assert frame.locator("#panel .copy button").first.inner_text() in {"copied", "press Ctrl+C"}


def test_three_objectives_have_a_menu_of_planes(page: Page, tmp_path: Path) -> None:
    records = [*study(), trial(9, 1.5, 36.0, density=0.1)]
    open_page(page, page_of(records, (*OBJECTIVES, DENSITY), tmp_path / "three.html"))
    assert trials_drawn(page) == [1, 2, 0, 9]
    assert "D-PCC's density metric" in page.inner_text(".legend")  # the third is seen by colour
    colors = [page.get_attribute(f"[data-trial='{n}']", "fill") for n in (1, 2, 9)]
    assert colors[0] == colors[1] != colors[2]
    page.select_option("#view-front select >> nth=0", label="bpp and density")
    assert sorted(trials_drawn(page)) == [0, 1, 2, 9]
    assert "plane of bpp and density" in page.inner_text("#subtitle")
