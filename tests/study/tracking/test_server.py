"""MLflow's server as `study ui` runs it: ports, failures, and an end without leftovers."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from study.base.errors import StudyError
from study.tracking.client import connect
from study.tracking.server import FIRST_PORT, HOST, Server, free_port, running_server

if TYPE_CHECKING:
    from pathlib import Path


def test_a_port_that_is_taken_is_a_sentence_and_passed_over() -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        with pytest.raises(StudyError, match=f"at {taken.getsockname()[1]} already"):
            free_port(taken.getsockname()[1])
    first = free_port(None)
    with socket.socket() as taken:
        taken.bind((HOST, first))
        taken.listen()
        assert FIRST_PORT <= first < free_port(None)


@pytest.mark.parametrize("port", [5060, 6000, 80, 0, -1, 70000])
def test_a_port_that_browsers_refuse_is_a_sentence(port: int) -> None:
    with pytest.raises(StudyError, match=f"browsers open, .* refuse {port}"):
        free_port(port)


def test_a_server_that_cannot_start_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_LOGGING_LEVEL", "CRITICAL")  # As `quieten` leaves it.
    (tmp_path / "mlflow.db").write_text("no database")
    log = tmp_path / "server.log"
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    with (
        pytest.raises(StudyError, match=r"ended before it answered: .*not a database.* is in"),
        running_server(uri, tmp_path, free_port(None), log) as server,
    ):
        server.wait_until_up()


def test_files_in_the_current_folder_are_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies beside a study that was downloaded, say."""
    for name in ("study", "mlflow", "uvicorn", "starlette"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    uri, log = f"sqlite:///{tmp_path}/mlflow.db", tmp_path / "server.log"
    connect(uri).search_experiments()
    with running_server(uri, tmp_path / "mlartifacts", free_port(None), log) as server:
        server.wait_until_up()
    assert not (tmp_path / "ran").exists()


def test_a_log_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    log = tmp_path / "nosuch" / "server.log"
    with (
        pytest.raises(StudyError, match=r"needs a log, and .* cannot be written \(No such file"),
        running_server("sqlite://", tmp_path, 5000, log),
    ):
        pass


def test_another_server_that_answers_is_not_taken_for_ours(tmp_path: Path) -> None:
    """Two users start one at once, and both find the same port free."""
    log = tmp_path / "server.log"
    log.write_text("INFO: begun\nERROR:    address already in use\nINFO: ended\n")
    with ThreadingHTTPServer((HOST, 0), SimpleHTTPRequestHandler) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        with subprocess.Popen([sys.executable, "-c", ""]) as ours:
            server = Server(ours, other.server_port, "secret", log)
            with pytest.raises(StudyError, match="before it answered: address already in use"):
                server.wait_until_up()
        other.shutdown()
