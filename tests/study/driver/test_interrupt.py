"""What is left when a driver is stopped or killed: told by another process, from the disk alone."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from study.commands.main import main
from study.storage.study_file import parse_study
from study.storage.trial_store import TrialStore
from tests.study import toy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module", autouse=True)
def databases_are_quickly_read(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The first one that a process reads takes seconds, and no epoch of the driver's waits."""
    database = tmp_path_factory.mktemp("first") / "optuna.db"
    store = TrialStore(parse_study(toy.TOY_STUDY, origin="toy"), database)
    assert store.records(driver_alive=False) == []


COMMAND = [sys.executable, "-m", "study", "run", "toy.yaml"]


@contextmanager
def driver(
    folder: Path, resources: str = "{}", seconds: int = 3, study: str = toy.TOY_STUDY
) -> Iterator[subprocess.Popen[str]]:
    """A `study run` in a process group of its own, as a shell would start it."""
    (folder / "toy.yaml").write_text(f"{study}resources: {resources}\n")
    with subprocess.Popen(
        COMMAND,
        cwd=folder,
        env={**os.environ, "TOY_EPOCH_S": str(seconds)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(text: str, process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert any(text in line for line in process.stdout)


def wait_for_epoch(process: subprocess.Popen[str]) -> int:
    """Return the epoch that the first line about one tells of."""
    assert process.stdout is not None
    found = (re.search(r"epoch (\d)/", line) for line in process.stdout)
    return next(int(epoch[1]) for epoch in found if epoch)


def wait_for_workers(folder: Path) -> None:
    latest_s = time.monotonic() + 60
    while not list(folder.glob("studies/toy/cohorts/*/opening-*/hung.txt")):
        assert time.monotonic() < latest_s, "no worker began"
        time.sleep(0.2)
    time.sleep(3)  # Ray hears of it.


@pytest.mark.parametrize(
    "how",
    [
        signal.SIGINT,
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
        signal.SIGKILL,
    ],
)
def test_a_stopped_study_tells_the_truth_and_goes_on(
    how: signal.Signals, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def status(*name: str) -> str:
        assert main(["status", *name, "--root", f"{tmp_path}/studies"]) == 0
        return capsys.readouterr().out

    # Of more epochs than may pass between two looks: the line of the first may be left out.
    longer = toy.TOY_STUDY.replace("epochs: 3", "epochs: 8")
    with driver(tmp_path, study=longer) as process:
        shown = wait_for_epoch(process)
        assert "toy  running, 0 of 3 trials finished" in status()
        stopped = time.monotonic()
        if how is signal.SIGTERM:  # as `kill` does; Ctrl-C and a closed session reach all processes
            process.send_signal(how)
        else:
            os.killpg(process.pid, how)
        said, errors = process.communicate()
    assert time.monotonic() - stopped < 30  # 5 s on an idle machine: the epoch is finished first
    if how is signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
    else:
        assert process.returncode == 130
        assert "interrupted: the epochs in training are finished and saved" in said
        assert "interrupted with 0 of 3 trials complete" in said
        assert "study resume toy" in said
        assert errors == ""
    assert "toy interrupted, 0 of 3 trials finished" in status("toy")
    # Both that trained have trained the epoch that they were in, or lost no more than that.
    least = shown if how is signal.SIGKILL else shown + 1
    assert any(f"{epoch}/8" in status("toy") for epoch in range(least, 9))

    done = subprocess.run(
        [*COMMAND[:3], "resume", "toy"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "toy finished, 3 of 3 trials finished (3 complete)" in status("toy")
    store = TrialStore(parse_study(longer, origin="toy"), tmp_path / "studies/toy/optuna.db")
    records = store.records(driver_alive=False)
    trained = [[epoch.epoch for epoch in record.epochs] for record in records]
    assert trained == [list(range(1, 9))] * 3


def test_ctrl_c_twice_stops_at_once(tmp_path: Path) -> None:
    with driver(tmp_path, seconds=60) as process:
        wait_for_workers(tmp_path)
        os.killpg(process.pid, signal.SIGINT)
        wait_for("Ctrl-C again", process)
        stopped = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        process.communicate()
    assert process.returncode == 130
    assert time.monotonic() - stopped < 30


@pytest.mark.slow
def test_every_trial_of_a_stopped_cohort_keeps_its_epochs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with driver(tmp_path, "{cohort: 3, concurrent_cohorts: 1}") as process:
        wait_for("epoch 1/3", process)
        os.killpg(process.pid, signal.SIGINT)
        shown, errors = process.communicate()
    assert (process.returncode, errors) == (130, "")
    assert "with the 6 finished epochs of 3 unfinished trials" in shown
    assert main(["status", "toy", "--root", f"{tmp_path}/studies"]) == 0
    assert capsys.readouterr().out.count("2/3") == 3


def test_ctrl_c_before_the_first_trial_leaves_nothing(tmp_path: Path) -> None:
    with driver(tmp_path) as process:
        wait_for("data", process)  # Ray starts now
        os.killpg(process.pid, signal.SIGINT)
        process.communicate()
    assert process.returncode == 130
    assert not (tmp_path / "studies" / "toy").exists()


@pytest.mark.slow
def test_a_driver_whose_study_was_taken_over_writes_nothing_more(tmp_path: Path) -> None:
    """As after a machine that slept: meanwhile another one took the lease."""
    with driver(tmp_path) as process:
        wait_for("epoch 1/3", process)
        store = TrialStore(
            parse_study(toy.TOY_STUDY, origin="toy"), tmp_path / "studies/toy/optuna.db"
        )
        theirs = {**(store.lease() or {}), "id": "another", "host": "elsewhere", "machine": "other"}
        store.write_lease(theirs)
        shown, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "")
    assert "another driver has taken the study over" in shown
    assert store.lease() == theirs
    records = store.records(driver_alive=True)
    assert any(not record.state.is_final for record in records)  # For the new driver to finish.


def test_a_driver_that_ray_no_longer_answers_ends_all_the_same() -> None:
    script = (
        "import time; from study.driver.interrupts import exit_when_stuck\n"
        "with exit_when_stuck(0.2): time.sleep(60)"
    )
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert time.monotonic() - started < 30
    assert done.returncode == 130
    assert "Every finished epoch was kept" in done.stderr
