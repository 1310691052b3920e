"""Checkpoints: whole or not at all, and never run."""

from __future__ import annotations

import io
import os
import pickle
import signal
import subprocess
import sys
import time
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
import torch

from study.base.errors import StudyError
from study.training.checkpoint import FILE_NAME, FORMAT, read_checkpoint, write_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

STATE = {"epoch": 3, "weights": torch.arange(5000.0), "nested": {"lost": torch.tensor([True])}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """It holds a checkpoint."""
    write_checkpoint(tmp_path / "trial", STATE)
    return tmp_path / "trial"


def assert_holds_state(folder: Path) -> None:
    state = read_checkpoint(folder)
    assert state["epoch"] == 3
    assert state["weights"].equal(STATE["weights"])
    assert state["nested"]["lost"].tolist() == [True]
    assert [path.name for path in folder.iterdir()] == [FILE_NAME]


def test_what_is_written_is_read(folder: Path) -> None:
    assert_holds_state(folder)


def test_a_new_checkpoint_replaces_the_old(folder: Path) -> None:
    write_checkpoint(folder, {**STATE, "epoch": 4})
    assert read_checkpoint(folder)["epoch"] == 4


def test_a_full_disk_leaves_the_old_checkpoint(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="No space left"):
        write_checkpoint(folder, {**STATE, "epoch": 4})
    assert_holds_state(folder)


def test_a_kill_leaves_one_whole_checkpoint(tmp_path: Path) -> None:
    """A process that writes one after the other is killed somewhere in between."""
    writer = (
        "import itertools, pathlib, sys, torch\n"
        "from study.training.checkpoint import write_checkpoint\n"
        "for epoch in itertools.count():\n"
        "    weights = torch.full((500_000,), float(epoch))\n"
        "    write_checkpoint(pathlib.Path(sys.argv[1]), {'epoch': epoch, 'weights': weights})\n"
    )
    process = subprocess.Popen([sys.executable, "-c", writer, str(tmp_path)])
    deadline = time.monotonic() + 60
    while not (tmp_path / FILE_NAME).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    state = read_checkpoint(tmp_path)
    assert state["weights"].equal(torch.full((500_000,), float(state["epoch"])))


def test_no_checkpoint_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=f"holds {FILE_NAME}, and .* has none; name another"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.999])
def test_a_cut_file_is_a_sentence(folder: Path, share: float) -> None:
    path = folder / FILE_NAME
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(StudyError, match="is damaged or no checkpoint; train this trial anew"):
        read_checkpoint(folder)


def test_another_file_is_a_sentence(folder: Path) -> None:
    (folder / FILE_NAME).write_text("once upon a time")
    with pytest.raises(StudyError, match="is damaged or no checkpoint"):
        read_checkpoint(folder)


def sealed(payload: bytes) -> bytes:
    """Return a checkpoint file with this payload, whole as far as its hash can tell."""
    return sha256(payload).hexdigest().encode() + payload


def saved(content: object) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


@pytest.mark.parametrize(
    "content", [{"epoch": 1}, {"format": 1}, {"format": 2}, {"format": 99}, [1, 2]]
)
def test_a_checkpoint_of_other_code_is_a_sentence(folder: Path, content: object) -> None:
    (folder / FILE_NAME).write_bytes(sealed(saved(content)))
    with pytest.raises(StudyError, match="reads checkpoints of format 3"):
        read_checkpoint(folder)


class Malicious:
    """Unpickled, it makes a folder."""

    def __init__(self, target: Path) -> None:
        self.target = str(target)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.target,)


@pytest.mark.parametrize("in_torch_file", [True, False])
def test_a_malicious_file_is_refused_and_not_run(
    folder: Path, tmp_path: Path, *, in_torch_file: bool
) -> None:
    trap = tmp_path / "trap"
    state = {"format": FORMAT, "epoch": Malicious(trap)}
    payload = saved(state) if in_torch_file else pickle.dumps(state, protocol=2)
    (folder / FILE_NAME).write_bytes(sealed(payload))
    with pytest.raises(StudyError, match="is damaged or no checkpoint"):
        read_checkpoint(folder)
    assert not trap.exists()
