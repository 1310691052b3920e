"""The page of a study with very many trials: how large it is, and how soon it answers in a browser.

No study of 10,000 trials has been recorded. This one is made of the recorded trials that come along
(`study/simulation/embedded.parquet`): each is drawn with replacement and moved a little, at random,
in its settings and in what it measured; a quarter are stopped early and a few fail. All have a run
in MLflow, whose name no compression shortens.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from study.base.records import EpochRecord, TrialRecord, TrialState
from study.config.derived import objectives_of
from study.fronts.judged import JudgedStudy
from study.report import write_report
from study.simulation.table_file import read_recording

if TYPE_CHECKING:
    from collections.abc import Mapping

    from playwright.sync_api import Page

    from study.fronts.front import Objective

MANY = 10_000
MOST_ROUNDS = 9
BAR_S = 2.0
"""From asking for the page to the front drawn, and a trial told when pointed at."""
BAR_BYTES = 5_000_000

_TABLE = Path(__file__).parent.parent / "study" / "simulation" / "embedded.parquet"
_ON_SCREEN = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
"""Two frames after it was drawn it is on the screen, not only in the document."""

_PRUNED, _FAILED = 0.25, 0.02
_NARROW = 0.02
"""By how much, as a share, a trial's rate differs from that of the recorded one; its PSNR by ten
times as many decibels."""


def run(pairs: int) -> bool:
    """Measure and print; whether the bars are held."""
    records, objectives = many_trials(MANY)
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        files = write_report("many", JudgedStudy(records, objectives), Path(folder))
        wrote_s = time.perf_counter() - began
        size = files.html.stat().st_size
        epochs = sum(len(record.epochs) for record in records)
        print(f"  {len(records):,} trials, {epochs:,} epochs: report in {wrote_s:.1f} s")
        print(f"  front.html {size:,} bytes, front.svg {files.of_kind('svg').stat().st_size:,}")
        visits = _visits(files.html, min(pairs, MOST_ROUNDS))
    if visits is None:
        print("  no Chromium on the PATH: how soon the page answers was not measured")
        return size <= BAR_BYTES
    for name in ("drawn", "answered"):
        values = sorted(getattr(visit, f"{name}_s") for visit in visits)
        print(f"  {name:8} after {statistics.median(values):.2f} s (longest {values[-1]:.2f} s)")
    for tab in visits[0].tabs_s:
        median_s = statistics.median(visit.tabs_s[tab] for visit in visits)
        print(f"  {tab:10} drawn {median_s:.2f} s after a click on its tab")
    held = size <= BAR_BYTES and statistics.median(v.answered_s for v in visits) <= BAR_S
    print(f"  bars {BAR_S:.0f} s, {BAR_BYTES:,} bytes: {'held' if held else 'NOT HELD'}")
    return held


def many_trials(count: int, seed: int = 0) -> tuple[list[TrialRecord], tuple[Objective, ...]]:
    """Return made-up trials that are like the recorded ones, and what spans their front."""
    recording = read_recording(_TABLE)
    generator = np.random.default_rng(seed)
    records = []
    for number in range(count):
        like = recording.trials[generator.integers(len(recording.trials))]
        rate, quality_db = generator.normal(scale=(_NARROW, 10 * _NARROW))
        moved = [_moved(each, rate, quality_db) for each in (*like.epochs, like.final)]
        fate = generator.random()
        state = TrialState.COMPLETE
        if fate < _PRUNED + _FAILED:
            state = TrialState.PRUNED if fate < _PRUNED else TrialState.FAILED
        done = len(like.epochs) if state is TrialState.COMPLETE else int(generator.integers(1, 4))
        records.append(
            TrialRecord(
                number=number,
                state=state,
                params={
                    name: float(value) * float(np.exp(generator.normal(scale=0.1)))
                    for name, value in like.settings.items()
                },
                epochs=tuple(EpochRecord(e, moved[e - 1]) for e in range(1, done + 1)),
                total_epochs=len(like.epochs),
                final=moved[-1] if state is TrialState.COMPLETE else {},
                outcome=_outcome(state, done, number),
                is_baseline=number == 0,
                elapsed_s=float(generator.uniform(30, 300)),
                ended_s=float(number),
                run=generator.bytes(16).hex(),
            )
        )
    return records, objectives_of(recording.config)


def _moved(metrics: Mapping[str, float], rate: float, quality_db: float) -> dict[str, float]:
    """Return what a trial measured, a little elsewhere."""
    moved = dict(metrics)
    for name in moved.keys() & {"bpp", "bpp_estimated"}:
        moved[name] *= float(np.exp(rate))
    moved["d1_psnr_db"] += float(quality_db)
    return moved


def _outcome(state: TrialState, epochs: int, number: int) -> str:
    """Return a sentence as trials have it."""
    match state:
        case TrialState.PRUNED:
            return f"stopped after epoch {epochs}: place {number % 97} of {97 + number % 5}"
        case TrialState.FAILED:
            return f"diverged: the loss of patch {number} was NaN in epoch {epochs}"
        case _:
            return "trained to the end and measured"


@dataclass(frozen=True)
class Visit:
    """One opening of the page, in a fresh window.

    Attributes:
        drawn_s: until the front was drawn.
        answered_s: until a trial was told, its dot having been pointed at as soon as it was drawn.
        tabs_s: from the click on each other tab until it was drawn.
    """

    drawn_s: float
    answered_s: float
    tabs_s: dict[str, float]


def _visits(page: Path, rounds: int) -> list[Visit] | None:
    """Open a page several times; None without a browser."""
    import shutil  # noqa: PLC0415  only where a page is measured

    from playwright.sync_api import sync_playwright  # noqa: PLC0415  likewise

    path = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    if path is None:
        return None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--disable-gpu"])
        visits = []
        for _ in range(rounds):
            window = browser.new_page(viewport={"width": 1500, "height": 950})
            visits.append(visit(window, page))
            window.close()
        browser.close()
    return visits


def visit(page: Page, path: Path) -> Visit:
    """Open the page in an empty window, point at a trial of its front, and open its tabs."""
    began = time.perf_counter()
    page.goto(path.as_uri(), wait_until="commit")
    page.wait_for_selector("body[data-ready] [data-trial]", state="attached")
    page.evaluate(_ON_SCREEN)
    drawn_s = time.perf_counter() - began
    page.hover("[data-trial]:nth-child(3)", force=True)
    page.wait_for_selector("#hover >> text=loss.bpp_lambda")
    answered_s = time.perf_counter() - began
    tabs_s = {}
    for tab in ("progress", "parallel", "importance", "learning", "table"):
        clicked = time.perf_counter()
        page.click(f"#tab-{tab}")
        page.evaluate(_ON_SCREEN)
        tabs_s[tab] = time.perf_counter() - clicked
    return Visit(drawn_s, answered_s, tabs_s)
