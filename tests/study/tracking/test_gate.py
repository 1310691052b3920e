"""Who gets through the gate before MLflow, and what is behind it. Each test is an attack."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from study.tracking.client import connect
from study.tracking.server import HOST, free_port, running_server
from tests.study.second_user import NOBODY, as_second_user, needs_second_user
from tests.study.tracking.gated import gated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.study.tracking.gated import Gated

PASSWORD = "hunter2-of-the-database"  # noqa: S105 (nobody's)

RUNS = "/api/2.0/mlflow/runs/search"
SEARCH = "/api/2.0/mlflow/experiments/search?max_results=9"
CREATE = "/ajax-api/2.0/mlflow/experiments/create"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gated]:
    """A server whose database has a password in its address; SQLite does not mind."""
    folder = tmp_path_factory.mktemp("site")
    uri = f"sqlite:///file:{folder / 'mlflow.db'}?password={PASSWORD}&uri=true"
    with gated(folder, uri) as served:
        yield served


@pytest.mark.parametrize(
    "path", ["/", "/health", "/version", SEARCH, "/static-files/favicon.ico", "/graphql", "/nosuch"]
)
@pytest.mark.parametrize("given", [None, "Bearer", "Bearer x", "Basic c3R1ZHk6eA==", "Basic \xe9"])
def test_without_the_secret_nothing_is_answered(site: Gated, path: str, given: str | None) -> None:
    answer = site.ask(path, Authorization=given)
    assert answer.status == 403
    assert "`study ui` printed: open one of its links again" in answer.text


def test_a_wrong_key_is_a_sentence_and_no_cookie(site: Gated) -> None:
    for key in ("", "x", site.secret[:-1], f"{site.secret}x", "%00", "%F0%9F%92%A9"):
        answer = site.ask(f"/?key={key}", Authorization=None)
        assert answer.status == 403
        assert "not of the `study ui` that runs now" in answer.text
        assert "set-cookie" not in answer.headers


def test_the_link_gives_a_cookie_that_other_ports_are_not_sent(site: Gated) -> None:
    answer = site.ask(f"/?key={site.secret}", Authorization=None)
    cookie, *said = answer.headers["set-cookie"].split("; ")
    _, room = site.enter()
    assert cookie.partition("=")[0] == f"study-ui-{site.port}"
    assert {f"Path={room}", "HttpOnly", "SameSite=strict"} == set(said)
    assert len(room) > 20
    assert site.secret not in answer.text
    assert answer.headers["cache-control"] == "no-store"


def test_a_browser_with_the_cookie_reads_and_writes(site: Gated) -> None:
    cookie, room = site.enter()
    own = {"Authorization": None, "Cookie": cookie, "Sec_Fetch_Site": "same-origin"}
    assert "<title>MLflow</title>" in site.ask(f"{room}/", **own).text
    assert site.ask(room + SEARCH, **own).status == 200
    made = site.ask(room + CREATE, "POST", {"name": "own"}, Origin=site.server.address, **own)
    assert made.status == 200
    # Outside of the folder the cookie is worth nothing, nor is the folder without it.
    assert site.ask(SEARCH, **own).status == 403
    assert site.ask(room + SEARCH, **{**own, "Cookie": None}).status == 403
    assert site.ask(room + SEARCH, **{**own, "Cookie": f"study-ui-{site.port}=x"}).status == 403


def test_a_change_without_an_origin_is_refused(site: Gated) -> None:
    cookie, room = site.enter()
    body = {"name": "from nowhere"}
    answer = site.ask(room + CREATE, "POST", body, Authorization=None, Cookie=cookie)
    assert answer.status == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "port"])
def test_another_page_neither_reads_nor_writes(site: Gated, origin: str) -> None:
    """Not even one of another port, to which browsers and MLflow itself make no difference."""
    origin = f"http://localhost:{site.port}" if origin == "port" else origin
    cookie, room = site.enter()
    sent = {"Authorization": None, "Cookie": cookie, "Origin": origin}
    for answer in (
        site.ask(room + CREATE, "POST", {"name": "evil"}, **sent),
        site.ask(room + SEARCH, **sent),
        site.ask(room + CREATE, "OPTIONS", Access_Control_Request_Method="POST", **sent),
        site.ask(SEARCH, Origin=origin),
    ):
        assert answer.status == 403
        assert "its own pages only, and another page asked" in answer.text
        assert "access-control-allow-origin" not in answer.headers


def test_what_another_page_embeds_is_refused_and_what_it_links_is_not(site: Gated) -> None:
    cookie, room = site.enter()
    sent = {"Authorization": None, "Cookie": cookie, "Sec_Fetch_Site": "same-site"}
    for kind in ("script", "image", "iframe", "empty"):
        assert site.ask(room + SEARCH, Sec_Fetch_Dest=kind, **sent).status == 403
    assert site.ask(f"{room}/", Sec_Fetch_Dest="document", **sent).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "10.evil.example:{port}", "evil.example", "192.168.evil.example", "127.0.0.1", "localhost",
        "localhost:{port}",
        "127.0.0.1:1", "127.0.0.1:{port}.evil.example", "0.0.0.0:{port}", "[::1]:{port}", "", None,
    ],
)  # fmt: skip
def test_another_name_that_leads_here_is_refused(site: Gated, host: str | None) -> None:
    """As of a page whose name resolves to this machine; MLflow lets 10.anything pass."""
    name = None if host is None else host.format(port=site.port)
    for path in (SEARCH, "/health", "/version", f"/?key={site.secret}"):
        answer = site.ask(path, Host=name)
        if name is None:  # HTTP itself demands one.
            assert answer.status == 400
            continue
        assert answer.status == 403
        assert f"answers to {site.server.address} only" in answer.text


_ROUTES = """
import warnings
warnings.simplefilter("ignore")
from mlflow.server.fastapi_app import app
from mlflow.server import app as flask_app

for included in app.routes:
    if router := getattr(included, "original_router", None):
        prefix = included.include_context.prefix
        for route in router.routes:
            for method in route.methods:
                print(method, prefix + route.path)
for rule in flask_app.url_map.iter_rules():
    for method in rule.methods - {"HEAD", "OPTIONS"}:
        print(method, rule.rule)
"""

# What reaches model servers, runs tools or jobs, or fetches what it is told to.
_DANGEROUS = re.compile(
    "assistant|gateway|scorer|job|webhook|invoke|invocations|prompt|proxy|mcp|demo|telemetry|skills"
    "|v1/traces|upload|mlflow-artifacts"
)


def test_what_acts_on_this_machine_or_beyond_is_shut(site: Gated) -> None:
    """All such addresses of the MLflow that is installed: a new release may bring others."""
    told = subprocess.run(
        [sys.executable, "-P", "-c", _ROUTES], capture_output=True, text=True, check=True,
        env=os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"},
    ).stdout  # fmt: skip
    routes = sorted({line for line in told.splitlines() if _DANGEROUS.search(line)})
    for part in ("assistant/message", "assistant/config", "gateway-proxy", "scorer/invoke"):
        assert any(part in route for route in routes)
    # Not a file is sent or fetched by these two: they ask a store in the cloud for an address.
    routes = [one for one in routes if "/mlflow/artifacts/presigned-" not in one]
    assert len(routes) > 150
    for route in routes:
        method, path = route.split(" ", 1)
        address = re.sub(r"<[^>]+>|\{[^}]+\}", "x", path)
        answer = site.ask(address, method, {} if method != "GET" else None)
        assert (route, answer.status) == (route, 404)
        assert "this part of MLflow is shut" in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "//ajax-api/3.0/mlflow/assistant/config",
        "/ajax-api/3.0/mlflow/%61ssistant/config",
        "/ajax-api/2.0/mlflow/runs/../../../3.0/mlflow/assistant/config",
        "/ajax-api/2.0/mlflow/runs/%2e%2e/gateway-proxy",
        "/ajax-api/2.0/mlflow/runs//create-promptlab-run",
        "/ajax-api/2.0/mlflow/runs/create-promptlab-run/",
        "/static-files/..%2fserver%2f__init__.py",
        "http://127.0.0.1/ajax-api/3.0/mlflow/assistant/config",
        "/ajax-api/3.0/mlflow/assistant/config?x=/health",
    ],
)
def test_no_other_spelling_opens_them(site: Gated, path: str) -> None:
    for method in ("GET", "POST"):
        answer = site.ask(path, method, {})
        assert answer.status in {404, 405}


def test_programs_reach_what_is_open(site: Gated) -> None:
    client = connect(site.server.client_uri)
    experiment = client.create_experiment("a program's")
    run = client.create_run(experiment)
    client.log_metric(run.info.run_id, "bpp", 0.5)
    client.log_text(run.info.run_id, "<p>front</p>", "front.html")
    assert [one.path for one in client.list_artifacts(run.info.run_id)] == ["front.html"]
    assert client.get_run(run.info.run_id).data.metrics == {"bpp": 0.5}
    answer = site.artifact(run.info.run_id, "front.html")
    assert (answer.status, answer.text) == (200, "<p>front</p>")
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["content-disposition"].startswith("attachment")


class TestASecondUser:
    """Another user of this machine, while the server runs."""

    @needs_second_user
    def test_reads_nothing_through_the_port(self, site: Gated) -> None:
        said = as_second_user(
            "for path in / /health /version /ajax-api/3.0/mlflow/assistant/config "
            f"'{SEARCH}' '/?key=guess'; do exec 3<>/dev/tcp/{HOST}/{site.port}; "
            f"printf 'GET %s HTTP/1.1\\r\\nHost: {HOST}:{site.port}\\r\\nConnection: close"
            '\\r\\n\\r\\n\' "$path" >&3; cat <&3; done'
        )
        assert re.findall(r"HTTP/1\.1 (\d+)", said) == ["403"] * 6

    @needs_second_user
    def test_sees_neither_password_nor_secret(self, site: Gated) -> None:
        said = as_second_user("cat /proc/[0-9]*/cmdline | tr '\\0' ' '; ps -eo args")
        assert f"study.tracking.serving {site.port}" in said
        for hidden in (PASSWORD, site.secret):
            assert hidden not in said

    @needs_second_user
    def test_reads_neither_environment_nor_log(self, site: Gated) -> None:
        pid = site.server._process.pid
        said = as_second_user(
            f"id -u; for file in /proc/{pid}/environ /proc/{pid}/mem {site.log}; do cat $file; done"
        )
        assert said.startswith(f"{NOBODY}\n")
        assert said.count("Permission denied") == 3

    def test_finds_it_on_the_loopback_interface_only(self, site: Gated) -> None:
        table = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
        at_port = re.findall(rf" (\w+):{site.port:04X} \w+:0000 0A ", table)
        assert at_port == ["0100007F"]


def test_the_log_is_the_users_own_and_holds_no_secret(site: Gated) -> None:
    site.enter()
    site.ask(f"/x?key={site.secret}")
    site.ask("/get-artifact?run_uuid=nosuch&path=x")
    assert stat.S_IMODE(site.log.stat().st_mode) == 0o600
    assert site.secret not in site.log.read_text()
    # The server has both, and here they are.
    environment = Path(f"/proc/{site.server._process.pid}/environ").read_text()
    assert PASSWORD in environment
    assert site.secret in environment


def test_a_log_that_all_could_read_becomes_private(tmp_path: Path) -> None:
    """That of an earlier version, or a symbolic link that somebody put in its place."""
    other = tmp_path / "other"
    other.write_text("precious")
    (tmp_path / "mlflow-server.log").symlink_to(other)
    log = tmp_path / "mlflow-server.log"
    with running_server(f"sqlite:///{tmp_path}/mlflow.db", tmp_path, free_port(None), log):
        assert stat.S_IMODE(log.lstat().st_mode) == 0o600
    assert other.read_text() == "precious"
