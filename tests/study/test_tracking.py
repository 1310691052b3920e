"""The observer against a real MLflow: a SQLite database, and a server that is killed midway."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from study.front import Direction, Objective
from study.ledger import connect, quieten
from study.records import EpochRecord, TrialRecord, TrialState
from study.tracking import MlflowObserver, ui_command

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mlflow.entities import Run

OBJECTIVES = (
    Objective("bpp", Direction.MINIMIZE, reference=2.0),
    Objective("d1_psnr_db", Direction.MAXIMIZE, reference=30.0),
)
PATIENCE_S = 90.0


def trial(
    number: int,
    *,
    epochs: int = 3,
    state: TrialState = TrialState.COMPLETE,
    bpp: float = 1.0,
    psnr_db: float = 36.0,
) -> TrialRecord:
    """Return a trial with these final values, complete unless said otherwise."""
    return TrialRecord(
        number=number,
        state=state,
        params={"loss.bpp_lambda": 10.0**-number, "loss.chamfer_coe": 0.1},
        epochs=tuple(
            EpochRecord(e, {"bpp_estimated": bpp + 1 / e, "d1_psnr_db": psnr_db - 1 / e})
            for e in range(1, epochs + 1)
        ),
        total_epochs=3,
        final={"bpp": bpp, "d1_psnr_db": psnr_db} if state is TrialState.COMPLETE else {},
        outcome="completed 3 epochs" if state is TrialState.COMPLETE else "",
        is_baseline=number == 0,
        elapsed_s=2.5,
    )


def database(folder: Path) -> str:
    return f"sqlite:///{folder / 'mlflow.db'}"


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make MLflow's tables once for all tests that do not test their making; it takes seconds."""
    folder = tmp_path_factory.mktemp("mlflow")
    quieten()
    connect(database(folder)).search_experiments()
    return folder / "mlflow.db"


@pytest.fixture
def folder(tmp_path: Path, empty_database: Path) -> Path:
    """Return a folder with an empty tracking database."""
    return Path(shutil.copy(empty_database, tmp_path)).parent


def observer(folder: Path, uri: str = "", study_id: str = "") -> MlflowObserver:
    return MlflowObserver(
        uri=uri or database(folder),
        artifact_root=folder / "artifacts",
        study_name="quickstart",
        study_config={"seed": 7, "loss": {"bpp_lambda": 1e-4}},
        objectives=OBJECTIVES,
        study_id=study_id,
    )


def record(folder: Path, trials: Sequence[TrialRecord], study_id: str = "") -> None:
    """Give the trials to a new observer and wait for it."""
    watching = observer(folder, study_id=study_id)
    for one in trials:
        watching.on_trial(one)
    assert watching.close(PATIENCE_S) is None


def runs(folder: Path, uri: str = "") -> dict[str, Run]:
    """Return the study's runs by trial number, the summary as an empty string."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri or database(folder))
    experiment = client.get_experiment_by_name("quickstart")
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id])
    by_trial = {run.data.tags.get("trial", ""): run for run in found}
    assert len(by_trial) == len(found)
    return by_trial


def rows(folder: Path) -> dict[str, int]:
    """Count what the database holds."""
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        return {
            table: connection.execute(f"select count(*) from {table}").fetchone()[0]  # noqa: S608
            for table in ("experiments", "runs", "metrics", "params", "tags")
        }


def steps(folder: Path, run: Run, metric: str) -> list[int]:
    """Return the steps at which a metric was written, in order."""
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        query = "select step from metrics where run_uuid = ? and key = ? order by step"
        return [step for (step,) in connection.execute(query, (run.info.run_id, metric))]


def test_a_study_is_one_experiment_of_flat_runs_and_a_summary(tmp_path: Path) -> None:
    picture = tmp_path / "front.html"
    picture.write_text("<p>front</p>")
    watching = observer(tmp_path)
    watching.on_trial(trial(0))
    watching.on_trial(trial(1, state=TrialState.RUNNING, epochs=1))
    failed = trial(2, state=TrialState.FAILED, epochs=2)
    watching.on_trial(replace(failed, outcome="diverged: the loss was NaN in epoch 3"))
    watching.on_summary({"hypervolume": 6.0}, [picture])
    assert watching.close(PATIENCE_S) is None

    found = runs(tmp_path)
    assert set(found) == {"0", "1", "2", ""}
    assert {key: run.info.status for key, run in found.items()} == {
        "0": "FINISHED",
        "1": "RUNNING",
        "2": "FAILED",
        "": "FINISHED",
    }
    first = found["0"].data
    assert first.params == {"loss.bpp_lambda": "1.0", "loss.chamfer_coe": "0.1"}
    assert first.metrics["final/bpp"] == 1.0
    assert first.metrics["d1_psnr_db"] == pytest.approx(36 - 1 / 3)
    expected = {"study": "quickstart", "state": "complete", "baseline": "true", "pareto": "true"}
    assert expected.items() <= first.tags.items()
    assert not any(
        key.startswith("mlflow.parent") for run in found.values() for key in run.data.tags
    )
    assert found["2"].data.tags["outcome"] == "diverged: the loss was NaN in epoch 3"
    assert found["2"].data.tags["pareto"] == "false"
    assert steps(tmp_path, found["0"], "d1_psnr_db") == [1, 2, 3]
    assert found[""].data.metrics == {"hypervolume": 6.0}
    folder = tmp_path / "artifacts" / found[""].info.run_id / "artifacts"
    assert (folder / "front.html").read_text() == "<p>front</p>"
    assert json.loads((folder / "study.json").read_text())["seed"] == 7


def test_the_same_records_twice_give_the_same_runs(folder: Path) -> None:
    trials = [trial(0), trial(1, bpp=0.5, psnr_db=35.0), trial(2, state=TrialState.PRUNED)]
    record(folder, trials)
    before = rows(folder)
    record(folder, trials)
    record(folder, trials[::-1])
    assert rows(folder) == before


def test_a_later_observer_fills_the_gaps(folder: Path) -> None:
    record(folder, [trial(0, state=TrialState.INTERRUPTED, epochs=1)])
    assert runs(folder)["0"].info.status == "KILLED"
    record(folder, [trial(0, state=TrialState.RUNNING, epochs=2)])
    assert runs(folder)["0"].info.status == "RUNNING"
    record(folder, [trial(0), trial(1)])
    found = runs(folder)
    assert set(found) == {"0", "1"}
    assert steps(folder, found["0"], "bpp_estimated") == [1, 2, 3]
    assert found["0"].info.status == "FINISHED"


def test_leaving_the_front_is_noted(folder: Path) -> None:
    record(folder, [trial(0), trial(1, bpp=0.9, psnr_db=35.0), trial(2, bpp=0.8, psnr_db=35.5)])
    pareto = {key: run.data.tags["pareto"] for key, run in runs(folder).items()}
    assert pareto == {"0": "true", "1": "false", "2": "true"}


def test_studies_of_one_name_stay_apart(folder: Path) -> None:
    record(folder, [trial(0)], study_id="mine")
    record(folder, [trial(0, bpp=0.5), trial(1)], study_id="yours")
    assert (rows(folder)["experiments"], rows(folder)["runs"]) == (2, 3)  # with "Default"


def test_more_metrics_than_one_request_takes(folder: Path) -> None:
    epochs = tuple(EpochRecord(e, {f"m{i}": 0.5 for i in range(30)}) for e in range(1, 41))
    record(folder, [replace(trial(0, state=TrialState.RUNNING), epochs=epochs)])
    assert rows(folder)["metrics"] == 1200


def test_telling_of_an_epoch_costs_the_study_next_to_nothing(tmp_path: Path) -> None:
    watching = observer(tmp_path)
    durations_s = []
    for epoch in range(1, 200):  # mlflow is being imported and its database made meanwhile
        start = time.perf_counter()
        watching.on_trial(trial(epoch % 20, state=TrialState.RUNNING, epochs=epoch % 4))
        durations_s.append(time.perf_counter() - start)
        time.sleep(0.01)
    assert watching.close(PATIENCE_S) is None
    assert statistics.median(durations_s) < 0.002


def test_an_unreachable_server_costs_a_sentence(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        uri = f"http://me:secret@127.0.0.1:{unused.getsockname()[1]}"
        watching = observer(tmp_path, uri)
        for number in range(2):
            watching.on_trial(trial(number))
        watching.on_summary({"hypervolume": 6.0}, [])
        sentence = watching.close(PATIENCE_S)
    assert sentence is not None
    assert "lacks trial 0, trial 1, the front and the summary ([Errno" in sentence
    assert "Connection refused); the study's own records are whole" in sentence
    assert "secret" not in sentence


def test_a_long_list_of_what_is_missing_is_cut(tmp_path: Path) -> None:
    watching = observer(tmp_path, "no-such-scheme://here")
    for number in range(40):
        watching.on_trial(trial(number, state=TrialState.RUNNING))
    sentence = watching.close(PATIENCE_S)
    assert sentence is not None
    assert "lacks trial 0, trial 1, trial 2, trial 3 and 36 more (" in sentence


def test_nothing_is_printed_and_no_one_is_called(tmp_path: Path) -> None:
    """In a process of its own, since MLflow turns its telemetry off when it sees pytest."""
    script = f"""
        import sys
        from pathlib import Path

        calls = []
        sys.addaudithook(
            lambda event, args: event in {{"socket.connect", "socket.getaddrinfo"}}
            and calls.append((event, args))
        )
        from study.tracking import MlflowObserver
        assert "mlflow" not in sys.modules, "imported by the caller"
        from study.records import TrialRecord, TrialState

        watching = MlflowObserver(
            uri={database(tmp_path)!r}, artifact_root=Path({str(tmp_path)!r}), study_name="s",
            study_config={{}}, objectives=(),
        )
        watching.on_trial(TrialRecord(number=0, state=TrialState.RUNNING, params={{}}))
        watching.on_summary({{"hypervolume": 1.0}}, [])
        assert watching.close({PATIENCE_S}) is None
        from mlflow.telemetry.utils import is_telemetry_disabled
        assert is_telemetry_disabled()
        assert not calls, calls
    """
    known = {"PYTEST_CURRENT_TEST", "CI"}
    environment = {name: value for name, value in os.environ.items() if name not in known}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_command_that_opens_the_pages() -> None:
    command = ui_command("sqlite:////tmp/studies/mlflow.db")
    assert command[0] == "env"
    assert "MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false" in command
    assert command[-4:] == ["--port", "5000", "--workers", "1"]
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert ui_command("http://10.0.0.1:5000")[-1] == "http://10.0.0.1:5000"


@contextmanager
def server(folder: Path, port: int) -> Iterator[str]:
    """Run the real server by the command that users are given; killed without notice at the end."""
    uri = f"http://127.0.0.1:{port}"
    with (folder / "server.log").open("a") as log:
        process = subprocess.Popen(
            ui_command(f"sqlite:///{folder / 'server.db'}", port),
            cwd=folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            deadline = time.monotonic() + PATIENCE_S
            while not is_up(uri):
                assert process.poll() is None, (folder / "server.log").read_text()
                assert time.monotonic() < deadline, (folder / "server.log").read_text()
                time.sleep(0.2)
            yield uri
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def is_up(uri: str) -> bool:
    """Say whether the server answers."""
    try:
        with urllib.request.urlopen(f"{uri}/health", timeout=5):  # noqa: S310
            return True
    except (urllib.error.URLError, OSError):
        return False


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_server_that_dies_midway_and_comes_back(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    picture = tmp_path / "front.html"
    picture.write_text("<p>front</p>")
    with server(tmp_path, port) as uri:
        watching = observer(tmp_path, uri)
        watching.on_trial(trial(0, state=TrialState.RUNNING, epochs=1))
        deadline = time.monotonic() + PATIENCE_S
        while watching._courier._parcels:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    watching.on_trial(trial(0, state=TrialState.RUNNING, epochs=2))
    time.sleep(2)  # long enough for an attempt on the dead server
    start = time.monotonic()
    watching.on_trial(trial(0))
    watching.on_trial(trial(1))
    watching.on_summary({"hypervolume": 6.0}, [picture])
    assert time.monotonic() - start < 0.1
    sentence = watching.close(20)
    assert time.monotonic() - start < 15
    assert sentence is not None
    assert "lacks trial 0, trial 1, the front and the summary (" in sentence

    with server(tmp_path, port) as uri:
        again = observer(tmp_path, uri)
        again.on_trial(trial(0))
        again.on_trial(trial(1))
        again.on_summary({"hypervolume": 6.0}, [picture])
        assert again.close(PATIENCE_S) is None
        found = runs(tmp_path, uri)
        assert set(found) == {"0", "1", ""}
        assert found["0"].data.metrics["final/bpp"] == 1.0
        page = f"{uri}/get-artifact?path=front.html&run_uuid={found[''].info.run_id}"
        with urllib.request.urlopen(page, timeout=20) as answer:  # noqa: S310
            assert answer.read() == b"<p>front</p>"
    with closing(sqlite3.connect(tmp_path / "server.db")) as connection:
        query = "select step from metrics where run_uuid = ? and key = 'd1_psnr_db' order by step"
        written = connection.execute(query, (found["0"].info.run_id,)).fetchall()
    assert written == [(1,), (2,), (3,)]
