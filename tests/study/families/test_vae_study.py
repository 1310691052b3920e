"""`study run vae` as a user follows the README: run, looked at, exported, and used."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import numpy as np
import pytest
import yaml

from study.clouds import read_cloud
from study.storage.study_file import EMBEDDED, load_study
from study.tracking.client import connect
from tests.study.families.called import said, study

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(400)


@pytest.mark.slow
def test_one_that_is_interrupted_goes_on(tmp_path: Path) -> None:
    """With fewer trials than the embedded study, and so long that a fast machine is in time."""
    sections = yaml.safe_load(EMBEDDED["vae"].read_text(encoding="utf-8"))
    sections["search"]["trials"] = sections["search"]["startup_trials"] = 3
    sections["training"]["epochs"] = 400
    (tmp_path / "long.yaml").write_text(yaml.safe_dump(sections | {"name": "long"}))
    with study(tmp_path, "run", "long.yaml") as process:
        assert process.stdout is not None
        assert any("epoch 1" in line for line in process.stdout)
        os.killpg(process.pid, signal.SIGINT)
        told, _ = process.communicate()
    assert process.returncode == 130, told
    assert "study resume long" in told

    shown = said(tmp_path, "resume", "long")
    assert "(3 of 3 finished)" in shown
    assert "A fresh process decoded the same points" in shown


@pytest.mark.slow
def test_the_embedded_study_shows_a_front_in_bits(tmp_path: Path) -> None:
    config = load_study(EMBEDDED["vae"])
    shown = said(tmp_path, "run", "vae")
    trials = config.search.trials
    assert f"({trials} of {trials} finished)" in shown
    assert "A fresh process decoded the same points" in shown

    front = json.loads(said(tmp_path, "front", "vae-001", "--json"))
    points = front["front"]
    assert len(points) >= 3
    assert all({"bpp", "bpp_estimated"} <= point["values"].keys() for point in points)
    lambdas = [point["settings"]["loss.kl_lambda"] for point in points]
    assert max(lambdas) > 3 * min(lambdas)
    assert (tmp_path / "studies" / "vae-001" / "front.png").stat().st_size > 0

    runs = connect(f"sqlite:///{tmp_path}/studies/mlflow.db")
    (experiment,) = (e for e in runs.search_experiments() if e.name == "vae-001")
    found = [run.data for run in runs.search_runs([experiment.experiment_id])]
    logged = {"final/bpp", "bpp_estimated", "term_kl_lambda", "weighted_chamfer"}
    logged_by = [run for run in found if run.tags.get("kind") == "trial"]
    assert len(logged_by) == trials
    assert all(logged <= set(run.metrics) for run in logged_by)

    said(tmp_path, "export", "vae-001", "--knee", "knee")
    cloud = np.random.default_rng(0).uniform(-1, 1, (500, 3))
    np.save(tmp_path / "cloud.npy", cloud)
    for number, family in enumerate(((), ("--family", "vae"))):
        said(tmp_path, "compress", "knee", "cloud.npy", f"{number}.dpcs", *family)
        said(tmp_path, "decompress", "knee", f"{number}.dpcs", f"{number}.ply", *family)
    ours, same = (read_cloud(tmp_path / f"{number}.ply").points for number in (0, 1))
    np.testing.assert_array_equal(ours, same)
    assert len(ours) == 8 * config.model.points
    assert np.ptp(ours, axis=0).max() <= 2.1
