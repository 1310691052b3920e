"""docs/families.md as a user follows it: a family in a file of its own, and a whole study of it."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import numpy as np
import pytest

from study.clouds import read_cloud
from study.tracking.client import connect
from tests.study.families.called import said, study
from tests.study.families.documented import block

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(400)

EPOCHS, TRIALS = 400, 3
"""Many more epochs than the page has: the study is to be interrupted, on a fast machine too."""


@pytest.mark.slow
def test_a_family_of_a_users_own_runs_resumes_and_goes_home(tmp_path: Path) -> None:
    (tmp_path / "tiny.py").write_text(block("python"))
    text = block("yaml").replace("epochs: 4", f"epochs: {EPOCHS}")
    text = text.replace("trials: 4", f"trials: {TRIALS}") + "halting: {rule: none}\n"
    (tmp_path / "tiny.yaml").write_text(text)

    with study(tmp_path, "run", "tiny.yaml") as process:
        assert process.stdout is not None
        assert any("epoch 1" in line for line in process.stdout)
        os.killpg(process.pid, signal.SIGINT)
        told, _ = process.communicate()
    assert process.returncode == 130, told
    assert "study resume tiny" in told

    shown = said(tmp_path, "resume", "tiny")
    assert f"({TRIALS} of {TRIALS} finished)" in shown
    assert "A fresh process decoded the same points" in shown

    runs = connect(f"sqlite:///{tmp_path}/studies/mlflow.db")
    (experiment,) = (e for e in runs.search_experiments() if e.name == "tiny")
    found = [run.data for run in runs.search_runs([experiment.experiment_id])]
    trials = [run for run in found if run.tags.get("kind") == "trial"]
    assert len(trials) == TRIALS
    logged = {"final/bpp", "term_rate", "weighted_distortion"}
    assert [logged - set(run.metrics) for run in trials] == [set()] * TRIALS

    said(tmp_path, "export", "tiny", "--knee", "knee")
    points = np.random.default_rng(0).uniform(-1, 1, (500, 3))
    np.save(tmp_path / "cloud.npy", points)
    refusal = said(tmp_path, "compress", "knee", "cloud.npy", code=2)
    assert "--family module:Class, if you trust that code" in refusal
    mine = ("--family", "tiny:Tiny")
    said(tmp_path, "compress", "knee", "cloud.npy", "out.dpcs", *mine)
    said(tmp_path, "decompress", "knee", "out.dpcs", "out.ply", *mine)
    decoded = read_cloud(tmp_path / "out.ply").points
    assert len(decoded) == 128
    assert np.ptp(decoded, axis=0).max() <= 2.1
