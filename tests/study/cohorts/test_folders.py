"""Checkpoints, orders and patience: what a worker and its driver leave each other on the disk."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from study.cohorts.folders import HUNG_FILE, CohortFolders, Opening
from study.cohorts.orders import ORDERS_FILE, Order, orders_after
from study.workers.patience import BEGINNING, Patience

if TYPE_CHECKING:
    from pathlib import Path


def nothing(_folder: Path) -> None:
    """Save nothing."""


def steps(paths: list[Path]) -> list[str]:
    return [f"{path.parent.name[-1]}:{int(path.name[-6:])}" for path in paths]


def test_a_checkpoint_is_whole_or_not_there(tmp_path: Path) -> None:
    opening = Opening(tmp_path / "opening-001")

    def fails(folder: Path) -> None:
        (folder / "part").write_text("half")
        raise OSError("no space left")

    opening.write_checkpoint(1, nothing)
    with pytest.raises(OSError, match="no space left"):
        opening.write_checkpoint(2, fails)
    assert steps(opening.checkpoints()) == ["1:1"]
    assert len(list(opening.path.iterdir())) == 1


def test_what_a_killed_worker_left_is_no_checkpoint(tmp_path: Path) -> None:
    opening = Opening(tmp_path / "opening-001")
    opening.write_checkpoint(1, nothing)
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from study.cohorts.folders import Opening\n"
        "def save(folder):\n"
        "    (folder / 'part').write_text('half'); os.kill(os.getpid(), signal.SIGKILL)\n"
        "Opening(Path(sys.argv[1])).write_checkpoint(2, save)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(opening.path)], check=False)
    assert done.returncode == -9
    assert steps(opening.checkpoints()) == ["1:1"]
    opening.write_checkpoint(2, nothing)
    assert steps(opening.checkpoints()) == ["1:2", "1:1"]
    assert list((opening.path / "step-000002").iterdir()) == []


def test_the_two_newest_checkpoints_stay(tmp_path: Path) -> None:
    opening = Opening(tmp_path / "opening-001")
    for step in (8, 9, 10, 11):
        opening.write_checkpoint(step, nothing)
    assert steps(opening.checkpoints()) == ["1:11", "1:10"]


def test_every_worker_has_a_folder_of_its_own_and_the_newest_is_tried_first(tmp_path: Path) -> None:
    folders = CohortFolders(tmp_path / "cohorts")
    first, second = folders.open(3), folders.open(3)
    other = folders.open(1)
    first.write_checkpoint(7, nothing)
    second.write_checkpoint(8, nothing)
    second.write_checkpoint(9, nothing)
    other.write_checkpoint(5, nothing)
    assert steps(folders.checkpoints([3, 1])) == ["2:9", "2:8", "1:7", "1:5"]
    folders.forget_before(3, second)
    assert steps(folders.checkpoints([3])) == ["2:9", "2:8"]
    assert folders.open(3).path.name == "opening-003"
    folders.forget()
    assert folders.checkpoints([3, 1]) == []


def test_orders_are_followed_once_and_a_torn_line_is_none(tmp_path: Path) -> None:
    opening = Opening(tmp_path / "opening-001")
    assert orders_after(opening.path, 0) == []
    opening.give(Order(leave=(1,)))
    opening.give(Order(leave=(2, 3)))
    assert [order.leave for order in orders_after(opening.path, 0)] == [(1,), (2, 3)]
    assert [order.leave for order in orders_after(opening.path, 1)] == [(2, 3)]
    with (opening.path / ORDERS_FILE).open("a") as file:
        file.write('{"join": [], "lea')  # The driver is killed here.
    assert [order.leave for order in orders_after(opening.path, 1)] == [(2, 3)]
    assert orders_after(opening.path, 2) == []


def test_a_step_that_hangs_ends_its_process_and_says_where(tmp_path: Path) -> None:
    opening = Opening(tmp_path / "opening-001")
    script = (
        "import sys, time; from pathlib import Path; from study.workers.patience import Patience\n"
        "patience = Patience(Path(sys.argv[1]), 0.3)\n"
        "with patience.limit('beginning'): time.sleep(0.6)\n"
        "with patience.limit('epoch'): pass\n"
        "time.sleep(0.6)\n"
        "print('alive', flush=True)\n"
        "def stuck(): time.sleep(60)\n"
        "with patience.limit('epoch'): stuck()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(opening.path / HUNG_FILE)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("alive\n", 1)
    assert opening.hung()
    assert "in stuck" in (opening.path / HUNG_FILE).read_text()


def test_a_worker_that_is_killed_has_not_hung(tmp_path: Path) -> None:
    opening = Opening(tmp_path / "opening-001")
    assert not opening.hung()
    with Patience(opening.path / HUNG_FILE, 60.0).limit("epoch"):
        assert not opening.hung()
    assert not opening.hung()


def test_patience_is_learnt_from_the_steps_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patience, now = Patience(tmp_path / HUNG_FILE, None), [0.0]
    monkeypatch.setattr("study.workers.patience.time.monotonic", lambda: now[0])
    assert patience.limit_s("epoch") == 6 * 3600
    for seconds, limit_s in [(1.0, 600.0), (100.0, 2000.0), (50.0, 2000.0)]:
        with patience.limit("epoch"):
            now[0] += seconds
        assert patience.limit_s("epoch") == limit_s
    assert patience.limit_s("measuring") == 6 * 3600
    assert Patience(tmp_path / HUNG_FILE, None, before=patience).limit_s("epoch") == 2000.0
    fixed = Patience(tmp_path / HUNG_FILE, 2.0)
    assert (fixed.limit_s("epoch"), fixed.limit_s(BEGINNING)) == (2.0, 600.0)
