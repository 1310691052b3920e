"""The study of docs/families.md of a model that others wrote, as a user runs it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest

from study.clouds import read_cloud
from study.storage.study_file import parse_study
from study.tracking.client import connect
from tests.study.families.called import said
from tests.study.families.documented import blocks

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(600)

COSTS = {"parameters", "encode_mac_per_point", "decode_mac_per_point"}


@pytest.mark.slow
def test_the_documented_study_runs_and_its_codec_goes_home(tmp_path: Path) -> None:
    """Of fewer trials, and epochs: what is asked is not how good it is."""
    text = blocks("yaml")[1].replace("epochs: 20", "epochs: 3").replace("trials: 8", "trials: 3")
    config = parse_study(text, origin="the page")
    assert config.family == "compressai:sfu2023-pcc-rec-pointnet"
    (tmp_path / "pointnet.yaml").write_text(text)
    shown = said(tmp_path, "run", "pointnet.yaml")
    assert "(3 of 3 finished)" in shown
    assert "A fresh process decoded the same points" in shown
    assert re.search(r"our network: [\d,]+ parameters; [\d,]+ multiply-accumulates per", shown)

    front = json.loads(said(tmp_path, "front", "pointnet", "--json"))
    assert all(point["values"].keys() >= COSTS for point in front["front"])
    runs = connect(f"sqlite:///{tmp_path}/studies/mlflow.db")
    (experiment,) = (e for e in runs.search_experiments() if e.name == "pointnet")
    found = [run.data for run in runs.search_runs([experiment.experiment_id])]
    trials = [run for run in found if run.tags.get("kind") == "trial"]
    logged = {"final/bpp", "term_bpp", "weighted_rec", *(f"final/{name}" for name in COSTS)}
    assert [logged - set(run.metrics) for run in trials] == [set()] * 3

    said(tmp_path, "export", "pointnet", "--knee", "knee")
    cloud = np.random.default_rng(0).uniform(-1, 1, (500, 3))
    np.save(tmp_path / "cloud.npy", cloud)
    for number, family in enumerate(((), ("--family", config.family))):
        said(tmp_path, "compress", "knee", "cloud.npy", f"{number}.dpcs", *family)
        said(tmp_path, "decompress", "knee", f"{number}.dpcs", f"{number}.ply", *family)
    files = [(tmp_path / f"{number}.dpcs").read_bytes() for number in (0, 1)]
    assert files[0] == files[1]
    ours, same = (read_cloud(tmp_path / f"{number}.ply").points for number in (0, 1))
    np.testing.assert_array_equal(ours, same)
    assert len(ours) == 8 * config.model.points
    told = said(tmp_path, "evaluate", "knee", "cloud.npy")
    assert re.search(r"network: [\d,]+ parameters; ", told)
    measured = json.loads((tmp_path / "knee-evaluation.json").read_text())
    assert all(measured["results"][name][0] > 0 for name in COSTS)
    assert set(COSTS) <= measured["units"].keys()
