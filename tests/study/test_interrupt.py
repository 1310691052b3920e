"""What is left when a driver is stopped or killed: told by another process, from the disk alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
import toy

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = [sys.executable, toy.__file__]


def command_line(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *words], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_study_keeps_its_epochs_and_tells_the_truth(
    how: signal.Signals, tmp_path: Path
) -> None:
    (tmp_path / "toy.yaml").write_text(toy.STUDY)
    driver = subprocess.Popen(
        [*COMMAND, "run", "toy.yaml"],
        cwd=tmp_path,
        env={**os.environ, "TOY_EPOCH_S": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert driver.stdout is not None
    assert any("epoch 1/3" in line for line in driver.stdout)
    assert "running, 0 of 3" in command_line("status", folder=tmp_path).stdout

    stopped = time.monotonic()
    os.killpg(driver.pid, how)
    shown, errors = driver.communicate(timeout=60)
    assert time.monotonic() - stopped < 30  # seconds on an idle machine
    if how is signal.SIGKILL:
        assert driver.returncode == -signal.SIGKILL
    else:
        assert driver.returncode == 130
        assert "interrupted with 0 of 3 trials complete" in shown
        assert errors == ""

    status = command_line("status", "toy", folder=tmp_path)
    assert status.returncode == 0
    assert "toy interrupted, 0 of 3 trials finished" in status.stdout
    assert "interrupted" in status.stdout.splitlines()[4]
    assert any(f"{done}/3" in status.stdout for done in (1, 2, 3))


def test_ctrl_c_before_the_first_trial_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "toy.yaml").write_text(toy.STUDY)
    driver = subprocess.Popen(
        [*COMMAND, "run", "toy.yaml"], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    assert driver.stdout is not None
    assert driver.stdout.readline().startswith("data")  # Ray starts now
    driver.send_signal(signal.SIGINT)
    driver.communicate(timeout=60)
    assert driver.returncode == 130
    assert not (tmp_path / "studies" / "toy").exists()
