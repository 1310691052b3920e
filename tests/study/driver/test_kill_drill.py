"""The kill drill, as a user runs it, and its way of telling whether epochs were trained again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tools.drill_checks import trainings

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("sampler", ["random", "qmc"])
def test_a_study_that_is_killed_thirty_times_ends_as_if_it_were_not(
    sampler: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "tools.kill_drill", "--kills", "30", "--sampler", sampler]
    done = subprocess.run(
        [*command, "--folder", str(tmp_path / "drill")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "30 kills" in done.stdout


def began(pid: int, epoch: int) -> dict[str, Any]:
    return {"what": "began", "pid": pid, "epochs": {"0": epoch}}


def saved(pid: int, epoch: int) -> dict[str, Any]:
    return {"what": "saved", "pid": pid, "epochs": {"0": epoch}}


def trained(pid: int, epoch: int) -> dict[str, Any]:
    return {"what": "trained", "pid": pid, "trial": 0, "epoch": epoch}


def test_an_epoch_may_be_trained_again_only_where_no_checkpoint_held_it() -> None:
    begin = [began(1, 0), trained(1, 1), saved(1, 1), trained(1, 2)]
    (good,) = trainings([*begin, began(2, 1), trained(2, 2), saved(2, 2)])
    assert good.is_well
    assert good.how == "2 epochs trained, 1 again that no checkpoint held"
    (bad,) = trainings([*begin, saved(1, 2), began(2, 1), trained(2, 2)])
    assert not bad.is_well
    assert "trial 0 trained epoch 2, saved 2" in bad.how
    (idle,) = trainings([*begin, saved(1, 2), began(2, 0), trained(1, 3)])
    assert idle.is_well
    (skipped,) = trainings([*begin, began(2, 1), trained(2, 3)])
    assert not skipped.is_well
    assert not trainings([])[0].is_well
