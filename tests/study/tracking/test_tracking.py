"""The observer against a real MLflow SQLite database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from mlflow import MlflowClient

from study.base.records import EpochRecord, TrialState
from study.tracking import observer as tracking
from tests.study.tracked import (
    PATIENCE_S,
    database,
    observer,
    record,
    rows,
    runs,
    steps,
    trial,
    values_of_trials,
    wait_for_deliveries,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_a_study_is_one_experiment_of_flat_runs_and_a_summary(tmp_path: Path) -> None:
    watching = observer(tmp_path)
    watching.on_trial(trial(0))
    watching.on_trial(trial(1, state=TrialState.RUNNING, epochs=1))
    failed = trial(2, state=TrialState.FAILED, epochs=2)
    watching.on_trial(replace(failed, outcome="diverged: the loss was NaN in epoch 3"))
    watching.on_end({"front.html": b"<p>front</p>"})
    assert watching.close(PATIENCE_S) is None

    found = runs(tmp_path)
    assert set(found) == {"0", "1", "2", ""}
    assert {key: run.info.status for key, run in found.items()} == {
        "0": "FINISHED",
        "1": "RUNNING",
        "2": "FAILED",
        "": "KILLED",  # Not all of its trials came to their end.
    }
    first = found["0"].data
    assert first.params == {"loss.bpp_lambda": "1.0", "loss.chamfer_coe": "0.1"}
    assert first.metrics["final/bpp"] == first.metrics["objective/bpp"] == 1.0
    assert first.metrics["d1_psnr_db"] == pytest.approx(36 - 1 / 3)
    expected = {"study": "quickstart", "state": "complete", "baseline": "true", "pareto": "true"}
    assert expected.items() <= first.tags.items()
    assert not any(
        key.startswith("mlflow.parent") for run in found.values() for key in run.data.tags
    )
    assert found["2"].data.tags["outcome"] == "diverged: the loss was NaN in epoch 3"
    assert found["2"].data.tags["pareto"] == "false"
    assert steps(tmp_path, found["0"], "d1_psnr_db") == [1, 2, 3]
    folder = tmp_path / "artifacts" / found[""].info.run_id / "artifacts"
    assert (folder / "front.html").read_text() == "<p>front</p>"
    assert json.loads((folder / "study.json").read_text())["seed"] == 7
    assert (folder / "study.yaml").read_text() == "seed: 7\n"


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
    assert set(found) == {"0", "1", ""}
    assert steps(folder, found["0"], "bpp_estimated") == [1, 2, 3]
    assert found["0"].info.status == "FINISHED"


def test_a_trial_has_its_run_from_its_start(folder: Path) -> None:
    told: list[tuple[int, str]] = []
    begun = trial(0, state=TrialState.RUNNING, epochs=0)
    record(folder, [begun], on_run=lambda *run: told.append(run))
    run = runs(folder)["0"]
    assert told == [(0, run.info.run_id)]
    assert run.info.status == "RUNNING"
    assert run.data.params == {"loss.bpp_lambda": "1.0", "loss.chamfer_coe": "0.1"}
    assert run.data.metrics == {}


def test_each_run_is_told_once_and_before_anything_is_written_into_it(folder: Path) -> None:
    told: list[tuple[int, str]] = []

    def on_run(number: int, run: str) -> None:
        assert values_of_trials(folder) == written[number]
        told.append((number, run))

    written = {0: 0, 1: 6}  # Three epochs of two metrics.
    watching = observer(folder, on_run=on_run)
    for number in (0, 1):
        watching.on_trial(trial(number, state=TrialState.RUNNING))
        wait_for_deliveries(watching)
        watching.on_trial(trial(number))
        wait_for_deliveries(watching)
        written[1] = values_of_trials(folder)
    assert watching.close(PATIENCE_S) is None
    assert told == [(number, runs(folder)[str(number)].info.run_id) for number in (0, 1)]


def test_whoever_cannot_take_note_of_a_run_is_told_again(folder: Path) -> None:
    told: list[int] = []

    def on_run(number: int, _run: str) -> None:
        told.append(number)
        if len(told) == 1:
            message = "database is locked"
            raise RuntimeError(message)

    watching = observer(folder, on_run=on_run)
    watching.on_trial(trial(0))
    wait_for_deliveries(watching)
    assert watching.close(PATIENCE_S) is None
    assert told == [0, 0]
    run = runs(folder)["0"]
    assert run.data.metrics["final/bpp"] == 1.0
    assert steps(folder, run, "d1_psnr_db") == [1, 2, 3]


def test_a_study_that_goes_on_continues_its_runs(folder: Path) -> None:
    """Three drivers: each is told the same runs, and none writes a point that is there."""
    told: list[dict[int, str]] = []
    lives = [
        [trial(0, state=TrialState.INTERRUPTED, epochs=1), trial(1)],
        [trial(0, state=TrialState.RUNNING, epochs=1), trial(1)],
        [trial(0, state=TrialState.RUNNING, epochs=2), trial(1)],
    ]
    statuses = []
    for trials in lives:
        ids: dict[int, str] = {}
        record(folder, trials, on_run=ids.__setitem__)
        told.append(ids)
        found = runs(folder)
        statuses.append(found["0"].info.status)
    assert told[0] == told[1] == told[2]
    assert told[0].keys() == {0, 1}
    assert statuses == ["KILLED", "RUNNING", "RUNNING"]
    assert steps(folder, found["0"], "d1_psnr_db") == [1, 2]
    assert steps(folder, found["1"], "d1_psnr_db") == [1, 2, 3]
    assert steps(folder, found["1"], "final/bpp") == [3]


def test_a_trial_that_begins_anew_writes_no_epoch_twice(folder: Path) -> None:
    """Its first checkpoint was lost; the run has two epochs of its life before."""
    record(folder, [trial(0, state=TrialState.RUNNING, epochs=2)])
    watching = observer(folder)
    for epochs in range(4):
        watching.on_trial(trial(0, state=TrialState.RUNNING, epochs=epochs))
        watching._workers_work.set()
        wait_for_deliveries(watching)
    assert watching.close(PATIENCE_S) is None
    assert steps(folder, runs(folder)["0"], "d1_psnr_db") == [1, 2, 3]


def test_mlflow_is_not_imported_while_the_first_workers_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached = threading.Event()

    def reach(_uri: str) -> None:
        reached.set()
        raise ConnectionError

    monkeypatch.setattr(tracking, "connect", reach)
    watching = observer(tmp_path)
    watching.on_trial(trial(0, state=TrialState.RUNNING, epochs=0))
    assert not reached.wait(0.5)
    watching.on_trial(trial(0, state=TrialState.RUNNING, epochs=1))
    assert reached.wait(10)
    watching.close(0)


def test_workers_that_start_slowly_do_not_keep_a_trial_from_its_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached = threading.Event()
    monkeypatch.setattr(tracking, "_WORKERS_START_S", 0.1)
    monkeypatch.setattr(tracking, "connect", lambda _uri: reached.set())
    watching = observer(tmp_path)
    watching.on_trial(trial(0, state=TrialState.RUNNING, epochs=0))
    assert reached.wait(10)
    watching.close(0)


def test_leaving_the_front_is_noted(folder: Path) -> None:
    record(folder, [trial(0), trial(1, bpp=0.9, psnr_db=35.0), trial(2, bpp=0.8, psnr_db=35.5)])
    pareto = {key: run.data.tags["pareto"] for key, run in runs(folder).items() if key}
    assert pareto == {"0": "true", "1": "false", "2": "true"}


def test_studies_of_one_name_stay_apart(folder: Path) -> None:
    record(folder, [trial(0)], study_id="mine")
    record(folder, [trial(0, bpp=0.5), trial(1)], study_id="yours")
    assert (rows(folder)["experiments"], rows(folder)["runs"]) == (2, 5)  # with "Default"


def test_a_removed_study_does_not_count_among_the_next_of_its_name(folder: Path) -> None:
    """In a root's own MLflow; on a server, someone else may have a study of that name."""
    record(folder, [trial(0), trial(1)], study_id="removed", owns_name=True)
    for _ in range(2):  # Nothing of the newer is taken for an earlier one's, when it goes on.
        record(folder, [trial(0, bpp=0.5)], study_id="new", owns_name=True)
    assert set(runs(folder)) == {"", "0"}
    (earlier,) = MlflowClient(database(folder)).search_experiments(
        filter_string="name LIKE 'quickstart (earlier: %'"
    )
    found = MlflowClient(database(folder)).search_runs([earlier.experiment_id])
    assert sorted(run.data.tags.get("trial", "") for run in found) == ["", "0", "1"]
    assert {run.data.tags["study_id"] for run in found} == {"removed"}
    assert rows(folder)["runs"] == 5


def test_more_metrics_than_one_request_takes(folder: Path) -> None:
    epochs = tuple(EpochRecord(e, {f"m{i}": 0.5 for i in range(30)}) for e in range(1, 41))
    record(folder, [replace(trial(0, state=TrialState.RUNNING), epochs=epochs)])
    assert values_of_trials(folder) == 1200


def test_the_study_does_not_wait_for_the_database(tmp_path: Path) -> None:
    watching = observer(tmp_path)
    for epoch in range(1, 200):
        watching.on_trial(trial(epoch % 20, state=TrialState.RUNNING, epochs=epoch % 4))
    # mlflow is still being imported, and its database made: nobody waited for them.
    assert watching._courier._place is None
    assert watching.close(PATIENCE_S) is None


def test_a_long_list_of_what_is_missing_is_cut(tmp_path: Path) -> None:
    watching = observer(tmp_path, "no-such-scheme://here")
    for number in range(40):
        watching.on_trial(trial(number, state=TrialState.RUNNING))
    sentence = watching.close(PATIENCE_S)
    assert sentence is not None
    assert "lacks trial 0, trial 1, trial 2, trial 3 and 38 more (" in sentence


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
        from study.fronts.front import Direction, Objective
        from study.tracking.facts import StudyFacts
        from study.tracking.observer import MlflowObserver
        assert "mlflow" not in sys.modules, "imported by the caller"
        from study.base.records import TrialRecord, TrialState

        watching = MlflowObserver(
            uri={database(tmp_path)!r}, artifact_root=Path({str(tmp_path)!r}),
            facts=StudyFacts("s", "", (Objective("bpp", Direction.MINIMIZE, 3.0),), {{}}),
        )
        watching.on_trial(TrialRecord(number=0, state=TrialState.RUNNING, params={{}}))
        watching.on_end({{"front.html": b"front"}})
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
