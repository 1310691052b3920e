"""The pictures of docs/mlflow.md, taken of a study of yours.

    python -m tools.screenshots quickstart-001 [--root studies] [--out docs/images]

MLflow has to hold the study, and its registry the named points of its front:
`study mlflow sync NAME` and `study export NAME --points --register` see to that. Needs Chromium or
Chrome on the PATH.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

from study.storage.folder import find_study
from study.storage.trial_store import TrialStore
from study.tracking.links import (
    chart_link,
    experiment_link,
    find_summary,
    registry_link,
    summary_link,
)
from study.tracking.opening import artifact_root, tracking_uri
from study.tracking.server import free_port, running_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def take(page: Page, url: str, experiment: str, summary: str) -> Iterator[str]:
    """Go through MLflow's pages as docs/mlflow.md does, and stop where a picture is taken."""
    page.goto(summary_link(url, experiment, summary))
    frame = page.frame_locator("iframe")
    frame.locator("[data-layer=front] [data-trial]").nth(2).hover()
    # The picture shall not show a path of this machine.
    page.get_by_text("Path: file:").evaluate("line => line.parentElement.remove()")
    yield "front"
    page.goto(experiment_link(url, experiment))
    search = page.get_by_placeholder("metrics.rmse")
    search.fill("tags.pareto = 'true'")
    search.press("Enter")
    page.wait_for_timeout(3000)
    yield "trials"
    page.goto(chart_link(url, experiment))
    page.reload()
    page.locator(".scatterlayer .points path").first.wait_for()
    yield "chart"
    page.goto(registry_link(url))
    page.get_by_role("dialog").get_by_role("button", name="Try it now").click()
    page.get_by_role("link", name="dpcc-codec").click()
    page.get_by_role("link", name="Version 1").first.wait_for()
    yield "registry"


def main() -> None:
    """Start MLflow's server, follow the links that `study ui` prints, and take the pictures."""
    parser = argparse.ArgumentParser(description="Take the pictures of docs/mlflow.md.")
    parser.add_argument("name", help="a finished study")
    parser.add_argument("--root", type=Path, default=Path("studies"), help="where it is")
    parser.add_argument("--out", type=Path, default=Path("docs/images"), help="where pictures go")
    arguments = parser.parse_args()
    path = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if path is None:
        parser.error(f"there must be a browser on the PATH, one of {', '.join(_BROWSERS)}")
    folder = find_study(arguments.root, arguments.name)
    config = folder.config()
    uri = tracking_uri(config, folder)
    place = find_summary(uri, config.name, TrialStore(config, folder.database).identity)
    if place is None or place.summary_run_id is None:
        parser.error(f"MLflow must hold the study: `study mlflow sync {arguments.name}`")
    with (
        tempfile.TemporaryDirectory() as scratch,
        running_server(
            uri, artifact_root(folder), free_port(None), Path(scratch) / "log"
        ) as server,
        sync_playwright() as playwright,
    ):
        server.wait_until_up()
        browser = playwright.chromium.launch(executable_path=path, args=["--disable-gpu"])
        context = browser.new_context(viewport={"width": 1400, "height": 820})
        page = context.new_page()
        for what in take(page, server.link, place.experiment_id, place.summary_run_id):
            page.wait_for_timeout(1500)  # until animations have ended
            picture = arguments.out / f"mlflow-{what}.png"
            page.screenshot(path=picture)
            print(picture, f"{picture.stat().st_size / 1000:.0f} kB")
        browser.close()


if __name__ == "__main__":
    main()
