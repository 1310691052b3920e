"""Trials on a real PostgreSQL server that is restarted, or ends connections, beneath them."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

from study.base.errors import StudyError
from study.storage.servers import POOL, wait_for_restarts
from study.storage.study_file import parse_study
from study.storage.trial_store import TrialStore
from tests.study.ports import unused_port
from tests.study.toy import STUDY

if TYPE_CHECKING:
    from collections.abc import Iterator

psycopg = pytest.importorskip("psycopg", reason="psycopg is the extra `postgres`")
_PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
pytestmark = pytest.mark.skipif(
    not _PROGRAMS, reason="needs PostgreSQL's server (Debian's `postgresql`)"
)
_PASSWORD = "not in the study file"  # noqa: S105 (of a server that lives for seconds)


class Server:
    """A PostgreSQL server on loopback, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.port, self._data, self._folder = unused_port(), folder / "data", folder
        word = folder / "word"
        word.write_text(_PASSWORD)
        if os.geteuid() == 0:
            for path in (folder, word):
                shutil.chown(path, "postgres", "postgres")
        self._call(
            "initdb", "-D", self._data, "-U", "me", "-A", "scram-sha-256", f"--pwfile={word}"
        )

    @property
    def uri(self) -> str:
        return f"postgresql+psycopg://me@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = f"-p {self.port} -h 127.0.0.1 -k {self._folder} -F"
        log = self._folder / "log"
        self._call("pg_ctl", "-D", self._data, "-w", "-l", log, "-o", options, "start")

    def stop(self, how: str = "fast") -> None:
        self._call("pg_ctl", "-D", self._data, "-w", "-m", how, "stop")

    def kill_connections(self) -> int:
        """End all connections but its own, and return how many there were."""
        with psycopg.connect(self.uri.replace("+psycopg", ""), password=_PASSWORD) as link:
            found = link.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE usename = 'me' AND backend_type = 'client backend' "
                "AND pid <> pg_backend_pid()"
            ).fetchall()
        return len(found)

    def _call(self, program: str, *arguments: object) -> None:
        as_postgres = (
            ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
            if os.geteuid() == 0  # PostgreSQL refuses root.
            else []
        )
        command = [*as_postgres, str(_PROGRAMS[-1] / program), *map(str, arguments)]
        with (self._folder / f"{program}.out").open("w") as out:
            subprocess.run(command, check=True, cwd="/", stdout=out, stderr=out, timeout=60)


@contextmanager
def _running() -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # pytest's folders are closed to `postgres`.
    try:
        server = Server(folder)
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with _running() as running:
        yield running


@pytest.fixture
def store(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[TrialStore]:
    """A store on the server, whose password is in a file as libpq reads it."""
    passwords = tmp_path / "pgpass"
    passwords.touch(mode=0o600)
    passwords.write_text(f"127.0.0.1:{server.port}:*:me:{_PASSWORD}\n")
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    name = request.node.name.replace("_", "-")
    text = STUDY.replace("name: toy", f"name: {name}") + f"storage: {{uri: '{server.uri}'}}\n"
    assert name in text
    made = TrialStore(parse_study(text, origin="toy"), tmp_path / "unused.db")
    made.enqueue_first("v1")
    yield made
    made._storage.engine.dispose()  # type: ignore[attr-defined]


def _epochs(store: TrialStore) -> list[list[int]]:
    return [[e.epoch for e in each.epochs] for each in store.records(driver_alive=False)]


def test_killed_connections_cost_nothing(server: Server, store: TrialStore) -> None:
    number, _ = store.ask()
    for epoch in (1, 2, 3):
        store.record_epoch(number, epoch, {"bpp": 1.0}, elapsed_s=1.0)
        assert server.kill_connections() > 0
    assert _epochs(store) == [[1, 2, 3]]


def test_a_restarted_server_is_waited_for(server: Server, store: TrialStore) -> None:
    number, _ = store.ask()
    store.record_epoch(number, 1, {"bpp": 1.0}, elapsed_s=1.0)
    server.stop()
    later = threading.Timer(2.0, server.start)
    later.start()
    began = time.monotonic()
    try:
        store.record_epoch(number, 2, {"bpp": 1.0}, elapsed_s=1.0)
    finally:
        later.join()
    assert time.monotonic() - began >= 1.0
    assert _epochs(store) == [[1, 2]]


@pytest.mark.usefixtures("store")  # Its password is in the environment.
def test_a_server_that_stays_away_is_not_waited_for_ever(server: Server) -> None:
    engine = create_engine(server.uri, **POOL)
    wait_for_restarts(engine, 2.0)
    engine.connect().close()
    server.stop()
    began = time.monotonic()
    try:
        with pytest.raises(OperationalError):
            engine.connect()
    finally:
        server.start()
        engine.dispose()
    assert 2.0 <= time.monotonic() - began < 30.0


def test_a_wrong_password_is_told_at_once(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", "wrong")
    config = parse_study(STUDY + f"storage: {{uri: '{server.uri}'}}\n", origin="toy")
    began = time.monotonic()
    with pytest.raises(StudyError, match="cannot be opened as such") as told:
        TrialStore(config, tmp_path / "unused.db")
    assert time.monotonic() - began < 10
    assert "wrong" not in str(told.value)
