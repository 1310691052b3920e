"""The page of unusual studies in a real browser: nothing yet, very many trials, very long words."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from benchmarks.page import BAR_BYTES, many_trials, visit
from study.base.records import TrialState
from study.fronts.judged import JudgedStudy
from tests.browser import new_page
from tests.study.report.pages import open_page, page_of, rows_shown, trials_drawn
from tests.study.report.studies import OBJECTIVES, study, trial

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page


@pytest.mark.parametrize("count", [0, 1])
def test_a_study_that_has_hardly_begun_has_a_page(page: Page, tmp_path: Path, count: int) -> None:
    open_page(page, page_of(study()[4 : 4 + count], OBJECTIVES, tmp_path / "new.html"))
    for key in ("progress", "parallel", "importance", "learning", "table"):
        page.click(f"#tab-{key}")
        assert page.is_visible(f"#view-{key}")
    assert "No trial has ended yet" in (page.text_content("#view-progress") or "")
    assert rows_shown(page) == [4][:count]


def test_ten_thousand_trials_are_drawn_and_told(browser: Browser, tmp_path: Path) -> None:
    """How soon is measured by `python -m benchmarks page`: this machine may be busy."""
    records, objectives = many_trials(10_000)
    path = page_of(records, objectives, tmp_path / "many.html")
    assert path.stat().st_size < BAR_BYTES
    with new_page(browser) as page:
        visit(page, path)  # points at one of the front, and opens every tab
        assert set(trials_drawn(page)) == {r.number for r in JudgedStudy(records, objectives).front}


def test_zooming_ends_before_numbers_do(page: Page, tmp_path: Path) -> None:
    """Steps between ticks that no number has room for would be counted for ever."""
    open_page(page, page_of(study(), OBJECTIVES, tmp_path / "page.html"))
    ranges = "[page.charts.front.xRange, page.charts.front.yRange]"
    for factor in (1 / 1.3, 1.3):
        page.evaluate(
            """(factor) => {
                const chart = page.charts.front;
                chart.reset();
                for (let i = 0; i < 400; i++) chart.zoomBy(factor, 400, 300);
                chart.draw();
            }""",
            factor,
        )
        assert all(high - low > 0 for low, high in page.evaluate(ranges))
        for axis in "xy":
            texts = f"ticks(page.charts.front.{axis}Range, 8).map((each) => each.text)"
            labels = page.evaluate(texts)
            assert len(set(labels)) == len(labels) > 2
    page.focus("#view-front .chart")
    page.keyboard.press("0")
    assert trials_drawn(page) == [1, 2, 0]


def test_what_is_told_of_a_trial_fits_the_window(page: Page, tmp_path: Path) -> None:
    many = {f"section.a_setting_with_a_long_name_{n}": n / 7 for n in range(60)}
    record = replace(trial(0, 1.0, 35.0, outcome="no end, " * 4000 + "x" * 4000), params=many)
    open_page(page, page_of([record], OBJECTIVES, tmp_path / "long.html"))
    for key in ("learning", "front"):
        page.click(f"#tab-{key}")
        page.evaluate(
            """(key) => {
                const chart = page.charts[key];
                chart.point({ layer: chart.layers.findLast((each) => each.hover), i: 0 });
            }""",
            key,
        )
        box = page.locator("#hover").bounding_box()
        assert box is not None
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= 950  # the window's
        assert "46 more settings" in page.inner_text("#hover")
        if key == "front":
            assert "study export" in page.inner_text("#hover")
    page.click("#tab-table")
    row = page.locator("#view-table tbody tr").bounding_box()
    assert row is not None
    assert row["height"] < 200
    outcome = page.locator("#view-table td.long").bounding_box()
    assert outcome is not None
    assert outcome["width"] < 700
    page.evaluate("page.pin(0)")
    assert page.inner_text("#panel").count("no end") == 4000


def test_a_setting_that_no_finished_trial_has_is_no_axis(page: Page, tmp_path: Path) -> None:
    pruned = replace(trial(4, 0.8, 35.0, TrialState.PRUNED), params={"odd": 1e-5})
    other = replace(trial(5, 0.9, 35.0, TrialState.PRUNED), params={"odd": 1e-1})
    path = page_of([*study()[:4], pruned, other], OBJECTIVES, tmp_path / "page.html")
    open_page(page, path)
    page.select_option("#view-front select", "setting odd")
    assert page.locator("#view-front .ends span").all_inner_texts() == ["1e-5", "0.1"]
    page.click("#tab-parallel")
    titles = page.locator("#view-parallel text.axis").all_text_contents()
    assert titles == ["λ bpp", "norm", "k", "bpp", "D1 PSNR dB"]
