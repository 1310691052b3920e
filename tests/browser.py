"""A real browser for the tests of pages: Chromium without a window, in real time.

Playwright's synchronous interface keeps an event loop alive in the thread of the tests, which other
libraries take for theirs (`asyncio.run` refuses to work, and Ray uses it). So a browser lives no
longer than the tests of one file, and files that open one leave Ray alone.
"""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from playwright.sync_api import Browser, ConsoleMessage, Page

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

PATIENCE_MS = 60_000.0
"""How long a page may take to show what a test waits for; two busy cores are slow."""


def browser_path() -> str:
    """Return where the browser is; the test that asks is skipped where there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("needs a browser: install Debian's chromium, or have Chrome on the PATH")
    return found


@contextmanager
def chromium(*more: str) -> Iterator[Browser]:
    """Run a browser without a window, which asks nobody for updates; `more` of its arguments."""
    from playwright.sync_api import sync_playwright

    path = browser_path()
    with sync_playwright() as playwright:
        arguments = ["--disable-gpu", "--disable-quic", "--disable-sync", *more]
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@contextmanager
def new_page(browser: Browser, forgiven: Sequence[str] = ()) -> Iterator[Page]:
    """Open an empty page; whatever it complains of by the end fails the test.

    Args:
        browser: where.
        forgiven: parts of complaints that are not the test's concern.

    Complaints are uncaught errors and what is written to the console as an error, which includes
    every file that could not be fetched.
    """
    context = browser.new_context(viewport={"width": 1500, "height": 950})
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    said: list[str] = []
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("console", lambda told: said.append(_told(told)) if told.type == "error" else None)
    yield page
    if not page.is_closed():  # A rejected promise is told after the script that made it.
        page.evaluate("() => new Promise((done) => setTimeout(done))")
    context.close()
    unforgiven = [one for one in said if not any(part in one for part in forgiven)]
    if unforgiven:
        raise AssertionError("the page complained: " + "; ".join(unforgiven))


def _told(message: ConsoleMessage) -> str:
    return f"{message.text} ({message.location['url']})"
