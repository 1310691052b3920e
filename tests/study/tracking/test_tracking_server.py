"""The observer against a real MLflow server that is dead, or killed midway."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from study.base.records import TrialState
from study.tracking.server import answers, client_uri, server_command, server_environment
from tests.study.ports import silent_port, unused_port
from tests.study.tracked import (
    PATIENCE_S,
    database,
    everything,
    observer,
    runs,
    trial,
    wait_for_deliveries,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "of-the-tests"  # noqa: S105


def test_an_unreachable_server_costs_a_sentence(tmp_path: Path) -> None:
    with silent_port() as port:
        uri = f"http://me:secret@127.0.0.1:{port}"
        watching = observer(tmp_path, uri)
        for number in range(2):
            watching.on_trial(trial(number))
        watching.on_end({})
        sentence = watching.close(PATIENCE_S)
    assert sentence is not None
    assert "lacks trial 0, trial 1, the summary and the front's pictures ([Errno" in sentence
    assert "Connection refused); the study's own records are whole" in sentence
    assert "secret" not in sentence


@contextmanager
def server(folder: Path, port: int) -> Iterator[str]:
    """Run the real server as `study ui` does; killed without notice at the end."""
    uri = f"sqlite:///{folder / 'server.db'}"
    with (folder / "server.log").open("a") as log:
        process = subprocess.Popen(
            server_command(port),
            env=server_environment(uri, folder / "mlartifacts", port, SECRET),
            cwd=folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            deadline = time.monotonic() + PATIENCE_S
            while not answers(port, SECRET):
                assert process.poll() is None, (folder / "server.log").read_text()
                assert time.monotonic() < deadline, (folder / "server.log").read_text()
                time.sleep(0.2)
            yield client_uri(port, SECRET)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_server_that_dies_midway_and_comes_back(tmp_path: Path) -> None:
    """The next driver writes what the first one could not, into the same runs."""
    port = unused_port()
    picture = {"front.html": b"<p>front</p>"}
    told: list[dict[int, str]] = [{}, {}]
    with server(tmp_path, port) as uri:
        watching = observer(tmp_path, uri, on_run=told[0].__setitem__)
        watching.on_trial(trial(0, state=TrialState.RUNNING, epochs=0))
        watching.on_trial(trial(0, state=TrialState.RUNNING, epochs=1))
        wait_for_deliveries(watching)
    watching.on_trial(trial(0, state=TrialState.RUNNING, epochs=2))
    time.sleep(2)  # long enough for an attempt on the dead server
    start = time.monotonic()
    watching.on_trial(trial(0))
    watching.on_trial(trial(1))
    watching.on_end(picture)
    assert time.monotonic() - start < 5  # an attempt on a dead server takes longer
    sentence = watching.close(20)
    assert time.monotonic() - start < 15
    assert sentence is not None
    assert "lacks trial 0, trial 1, the summary and the front's pictures (" in sentence

    with server(tmp_path, port) as uri:
        again = observer(tmp_path, uri, on_run=told[1].__setitem__)
        again.on_trial(trial(0, state=TrialState.RUNNING, epochs=2))
        wait_for_deliveries(again)
        assert runs(tmp_path, uri)["0"].info.status == "RUNNING"
        again.on_trial(trial(0))
        again.on_trial(trial(1))
        again.on_end(picture)
        assert again.close(PATIENCE_S) is None
        found = runs(tmp_path, uri)
        assert set(found) == {"0", "1", ""}
        assert told[1] == {int(n): run.info.run_id for n, run in found.items() if n}
        assert told[0] == {0: told[1][0]}
        page = urllib.request.Request(
            f"http://127.0.0.1:{port}/get-artifact?path=front.html&run_uuid={found[''].info.run_id}",
            headers={"Authorization": f"Bearer {SECRET}"},
        )
        with urllib.request.urlopen(page, timeout=20) as answer:  # noqa: S310
            assert answer.read() == b"<p>front</p>"
        undisturbed = observer(tmp_path)
        for number in range(2):
            undisturbed.on_trial(trial(number))
        undisturbed.on_end(picture)
        assert undisturbed.close(PATIENCE_S) is None
        assert everything(uri) == everything(database(tmp_path))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_driver_catches_up_with_a_server_that_was_away(tmp_path: Path) -> None:
    """One driver, whose server is killed between two epochs, and once comes back emptied."""
    port = unused_port()
    picture = {"front.html": b"<p>front</p>"}
    watching = observer(tmp_path, client_uri(port, SECRET), draw=lambda _: picture)
    with server(tmp_path, port):
        watching.on_trial(trial(0))
        watching.on_trial(trial(1, state=TrialState.RUNNING, epochs=1))
        wait_for_deliveries(watching)
    watching.on_trial(trial(1, state=TrialState.RUNNING, epochs=2))
    watching.on_trial(trial(2, state=TrialState.FAILED, epochs=2))
    time.sleep(2)
    with server(tmp_path, port):
        wait_for_deliveries(watching)
    (tmp_path / "server.db").unlink()
    watching.on_trial(trial(1, bpp=0.5, psnr_db=35.0))
    with server(tmp_path, port) as uri:
        wait_for_deliveries(watching)
        watching.on_end(picture)
        assert watching.close(PATIENCE_S) is None
        undisturbed = observer(tmp_path)
        undisturbed.on_trial(trial(0))
        undisturbed.on_trial(trial(1, bpp=0.5, psnr_db=35.0))
        undisturbed.on_trial(trial(2, state=TrialState.FAILED, epochs=2))
        undisturbed.on_end(picture)
        assert undisturbed.close(PATIENCE_S) is None
        assert everything(uri) == everything(database(tmp_path))
