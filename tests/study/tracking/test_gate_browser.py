"""The gate before MLflow against hostile pages in a real browser, whose user has the secret."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from study.tracking.links import experiments_link, run_link
from study.tracking.server import HOST
from tests.browser import PATIENCE_MS, chromium
from tests.study.tracking.gated import gated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from tests.study.tracking.gated import Gated

SEARCH = "/ajax-api/2.0/mlflow/experiments/search?max_results=9"
CREATE = "/ajax-api/2.0/mlflow/experiments/create"

_READ = """
async (url) => {
    try {
        const answer = await fetch(url, { credentials: "include" });
        return `${answer.status} ${await answer.text()}`;
    } catch (error) {
        return `${error}`;
    }
}
"""

_WRITE = """
async (url) => {
    const body = JSON.stringify({ name: "evil" });
    await fetch(url, { method: "POST", mode: "no-cors", credentials: "include", body });
}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gated]:
    with gated(tmp_path_factory.mktemp("site")) as served:
        yield served


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser to which names of .example resolve to this machine, as their owner may let them."""
    with chromium(f"--host-resolver-rules=MAP *.example {HOST}") as opened:
        yield opened


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty page of a new user, who may complain: attacks fail."""
    context = browser.new_context()
    context.set_default_timeout(PATIENCE_MS)
    yield context.new_page()
    context.close()


@pytest.fixture
def entered(page: Page, site: Gated) -> str:
    """The address of MLflow's pages, which the page has opened by the link."""
    page.goto(experiments_link(site.server.link))
    page.get_by_text("Default").first.wait_for()
    assert site.secret not in page.url
    address, _, fragment = page.url.partition("/#/")
    assert fragment.startswith("experiments")
    return address


class Elsewhere(ThreadingHTTPServer):
    """Another user's server on this machine.

    Attributes:
        asked: the request lines and headers that it was sent.
        content: what it answers.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.content = "<p>hello</p>"
        super().__init__((HOST, 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: Elsewhere

    def do_GET(self) -> None:
        self.server.asked.append(f"{self.requestline}\n{self.headers}")
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(self.server.content.encode())

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@contextmanager
def elsewhere() -> Iterator[Elsewhere]:
    with Elsewhere() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def names(site: Gated) -> set[str]:
    return {one.name for one in site.database.search_experiments()}


def test_a_page_of_another_name_reads_nothing(page: Page, site: Gated, entered: str) -> None:
    """Its server is gone, its name now leads to this one: to the browser it reads its own."""
    room = entered.removeprefix(site.server.address)
    for host in ("10.evil.example", "evil.example"):
        shown = page.goto(f"http://{host}:{site.port}/")
        assert shown is not None
        assert shown.status == 403
        assert "answers to" in page.inner_text("body")
        for path in (SEARCH, room + SEARCH, "/version", f"/?key={site.secret}"):
            said = page.evaluate(_READ, path)
            assert said.startswith("403 This server answers to")
        page.evaluate(_WRITE, CREATE)
    assert "evil" not in names(site)


def test_a_page_at_another_port_reads_nothing_and_is_sent_no_cookie(
    page: Page, site: Gated, entered: str
) -> None:
    """For cookies it is the same site, and it may even know where MLflow's pages are."""
    with elsewhere() as other:
        page.goto(f"http://{HOST}:{other.server_port}/")
        with page.expect_navigation():  # By itself: a first visit is the user's, and no page's.
            page.evaluate("() => location.reload()")
        for address in (site.server.address, entered):
            assert "Failed to fetch" in page.evaluate(_READ, address + SEARCH)
            page.evaluate(_WRITE, address + CREATE)
        page.set_content(f"<iframe src='{entered}/#/experiments'></iframe>")
        page.wait_for_timeout(1000)
        assert "MLflow" not in page.frames[1].content()
    assert "evil" not in names(site)
    assert len(other.asked) >= 2
    assert not any("study-ui" in told for told in other.asked)
    page.goto(f"{entered}/#/experiments")
    page.get_by_text("Default").first.wait_for()


def test_the_assistant_is_not_opened(page: Page, entered: str) -> None:
    assert page.url.startswith(entered)
    assert page.get_by_text("Model registry").count() > 0
    assert page.get_by_text("Welcome to MLflow Assistant").count() == 0


def test_the_link_can_be_followed_from_a_page_elsewhere(page: Page, site: Gated) -> None:
    """As a terminal in the browser shows it: the cookie is not sent with what others began."""
    with elsewhere() as other:
        other.content = f"<a href='{experiments_link(site.server.link)}'>studies</a>"
        page.goto(f"http://elsewhere.example:{other.server_port}/")
        page.get_by_text("studies").click()
        page.get_by_text("Default").first.wait_for()
    assert site.secret not in page.url


def test_two_servers_do_not_push_each_other_out(
    page: Page, entered: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with gated(tmp_path_factory.mktemp("second")) as second:
        page.goto(experiments_link(second.server.link))
        page.get_by_text("Default").first.wait_for()
        page.goto(f"{entered}/#/experiments")
        page.get_by_text("Default").first.wait_for()
        assert page.evaluate(_READ, f"{entered}{SEARCH}").startswith("200")


def test_a_file_that_is_shown_reads_nothing_and_tells_nobody(
    page: Page, site: Gated, entered: str
) -> None:
    """A page among a run's files, of a study that was handed over."""
    with elsewhere() as other:
        spy = f"http://{HOST}:{other.server_port}"
        run = site.database.create_run(
            site.database.create_experiment("handed over", (site.folder / "mlartifacts").as_uri())
        ).info
        hostile = f"""
            <p id=said>reading</p>
            <img src='{spy}/image'><script src='{spy}/script'></script>
            <script>
            const told = [];
            const tell = (what) => {{
                told.push(what);
                if (told.length === 3) document.getElementById("said").innerText = told.join("; ");
            }};
            for (const url of ["{entered}{SEARCH}", "{site.server.address}{SEARCH}", "{spy}/fetch"])
                fetch(url, {{ credentials: "include" }}).then(
                    (answer) => answer.text().then(tell), () => tell("nothing"));
            </script>
        """
        site.database.log_text(run.run_id, hostile, "page.html")
        link = run_link(f"{entered}/", run.experiment_id, run.run_id)
        page.goto(link.replace("?", "/artifacts/page.html?"))
        said = page.frame_locator("iframe").locator("#said")
        said.get_by_text(";").wait_for()
        assert said.inner_text() == "nothing; nothing; nothing"
    assert other.asked == []
