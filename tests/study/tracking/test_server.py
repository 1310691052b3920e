"""MLflow's server as `study ui` runs it: ports, failures, and an end without leftovers."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from study.errors import StudyError
from study.tracking.server import FIRST_PORT, HOST, free_port, running_server

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


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("no database")
    log = tmp_path / "server.log"
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    with (
        pytest.raises(StudyError, match=r"ended before it answered: .*not a database.* is in"),
        running_server(uri, tmp_path, free_port(None), log) as server,
    ):
        server.wait_until_up()
