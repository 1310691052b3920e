"""A study of one objective, from its first trial to its report, its codec and MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mlflow import MlflowClient

from study.commands.main import main
from study.driver.cluster import ray_running
from study.report.page.assembling import unpack
from tests.study import toy
from tests.study.finished import STUDY, finished_study

if TYPE_CHECKING:
    from pathlib import Path

OBJECTIVE = "  - {metric: d1_psnr_db, direction: maximize, reference: 10.0}\n"
RATE = "  - {metric: bpp, direction: minimize, reference: 3.0}\n"


@pytest.mark.timeout(240)  # Ray starts once, and two studies run.
def test_studies_of_one_objective_run_to_their_reports(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the default sampler, and with the one that takes no more objectives."""
    pytest.importorskip("cmaes")
    root = tmp_path / "studies"
    with ray_running(None):
        for sampler in ("tpe", "cmaes"):
            text = toy.TOY_STUDY.replace(RATE, "").replace("name: toy", f"name: {sampler}")
            text = text.replace("startup_trials: 2", f"startup_trials: 2, sampler: {sampler}")
            file = tmp_path / f"{sampler}.yaml"
            file.write_text(f"{text}root: {root}\ndata_root: {tmp_path}/data\n")
            assert main(["run", str(file)]) == 0
            assert "1 of 3 complete trials" in capsys.readouterr().out
    client = MlflowClient(f"sqlite:///{root / 'mlflow.db'}")
    for sampler in ("tpe", "cmaes"):
        page = unpack((root / sampler / "front.html").read_text(encoding="utf-8"))
        assert len(page["front"]) == 1
        assert set(page["named"]) == {"best-d1-psnr-db", "knee"}
        assert (root / sampler / "front.png").stat().st_size > 10_000
        experiment = client.get_experiment_by_name(sampler)
        assert experiment is not None
        runs = client.search_runs([experiment.experiment_id], "tags.kind = 'trial'")
        assert sorted(run.data.tags["rank"] for run in runs) == ["1", "2", "3"]
        assert [r.data.tags["trial"] for r in runs if r.data.tags["pareto"] == "true"] == [
            str(number) for number in page["front"]
        ]
    assert main(["compare", "tpe", "cmaes", "--root", str(root)]) == 0
    told = capsys.readouterr().out
    assert "of the 1 points of cmaes by tpe" in told
    assert "BD-rate is of bpp and a PSNR, and these studies have other objectives" in told
    assert main(["front", "tpe", "--with", "cmaes", "--root", str(root)]) == 0


def test_its_codec_is_taken_and_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = finished_study(tmp_path, STUDY.replace(RATE, ""))
    root = ["--root", str(study.path.parent)]
    assert main(["front", study.path.name, *root]) == 0
    told = capsys.readouterr().out
    assert "Pareto front: 1 of 2 complete trials" in told
    assert (study.path / "reconstructions.png").exists()
    codec = tmp_path / "codec"
    assert main(["export", study.path.name, "--knee", str(codec), *root]) == 0
    assert "D1 PSNR" in capsys.readouterr().out
    assert {each.name for each in codec.iterdir()} >= {"codec.json"}
