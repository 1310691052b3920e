"""The browser that other tests rely on: it runs scripts, and complaints are not overheard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser import new_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


def test_scripts_of_a_page_run(page: Page) -> None:
    page.set_content("<p></p><script>document.querySelector('p').append(6 * 7)</script>")
    assert page.inner_text("p") == "42"


@pytest.mark.parametrize(
    "script", ["throw new Error('lost')", "console.error('lost')", "Promise.reject('lost')"]
)
def test_what_a_page_complains_of_fails_its_test(browser: Browser, script: str) -> None:
    content = f"<p></p><script>{script}</script>"
    with pytest.raises(AssertionError, match="lost"), new_page(browser) as page:
        page.set_content(content)
    with new_page(browser, forgiven=["lost"]) as page:
        page.set_content(content)


def test_a_file_that_cannot_be_fetched_is_a_complaint(browser: Browser) -> None:
    with pytest.raises(AssertionError, match="ERR_"), new_page(browser) as page:
        page.set_content("<img src='http://127.0.0.1:1/none.png'>")
