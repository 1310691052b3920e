"""A study folder from somebody else is resumed: what it holds runs nothing. Passwords stay in."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from study.base.errors import StudyError
from study.codecs.gallery import _read as read_reconstruction
from study.training.checkpoint import read_codec
from tests.study import toy
from tests.study.planted import Touches, bomb, plant_state
from tests.study.ports import unused_port

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "hunter2"  # noqa: S105
RATE = "  - {metric: bpp, direction: minimize, reference: 3.0}\n"
RAYS = ("tuner.pkl", "trainable.pkl", "error.pkl", "searcher-state-x.pkl", "experiment_state.json")


def torch_file(mark: Path) -> bytes:
    """A checkpoint of ours, whole but for what it holds."""
    payload = io.BytesIO()
    torch.save(Touches(mark), payload)
    return hashlib.sha256(payload.getbuffer()).hexdigest().encode() + payload.getvalue()


def array_file(mark: Path) -> bytes:
    written = io.BytesIO()
    np.savez(written, points=np.array([Touches(mark)], dtype=object))
    return written.getvalue()


def test_the_files_of_codecs_and_of_the_gallery_run_nothing(tmp_path: Path) -> None:
    mark = tmp_path / "it ran"
    codec, picture = tmp_path / "codec", tmp_path / "picture.npz"
    codec.write_bytes(torch_file(mark))
    picture.write_bytes(array_file(mark))
    with pytest.raises(StudyError, match="is damaged or no codec"):
        read_codec(codec)
    assert read_reconstruction(picture, 0) is None
    assert not mark.exists()


@pytest.mark.slow
@pytest.mark.timeout(400)  # Ray starts twice.
def test_a_resumed_folder_runs_nothing_that_lies_in_it(tmp_path: Path) -> None:
    pytest.importorskip("cmaes")
    text = toy.TOY_STUDY.replace(RATE, "").replace("trials: 3,", "trials: 3, sampler: cmaes,")
    uri = f"http://me:{SECRET}@127.0.0.1:{unused_port()}"  # MLflow is out of reach.
    (tmp_path / "toy.yaml").write_text(f"{text}tracking: {{uri: '{uri}'}}\n")

    def study(*words: str) -> None:
        command = [sys.executable, "-m", "study", *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert SECRET not in done.stdout + done.stderr

    study("run", "toy.yaml")
    folder = tmp_path / "studies" / "toy"
    files = [path for path in (tmp_path / "studies").rglob("*") if path.is_file()]
    telling = [path for path in files if SECRET.encode() in path.read_bytes()]
    assert telling == [folder / "study.yaml"]
    assert telling[0].stat().st_mode & 0o777 == 0o600
    assert (folder / "ray").stat().st_mode & 0o777 == 0o700

    mark = tmp_path / "it ran"
    assert plant_state(folder / "optuna.db", mark) == 3
    for driver in (folder / "ray").glob("driver-*"):
        for place in (driver, *filter(os.path.isdir, driver.iterdir())):
            for name in RAYS:
                (place / name).write_bytes(bomb(mark))
    for path in (folder / "codecs").rglob("*"):
        if path.is_file() and path.suffix != ".jsonl":
            path.write_bytes(torch_file(mark))
    for path in (folder / "gallery").rglob("*.npz"):
        path.write_bytes(array_file(mark))
    study("resume", "toy", "--trials", "6")
    assert not mark.exists()
