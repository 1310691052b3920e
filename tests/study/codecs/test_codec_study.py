"""A whole study that trains, measures and reports the real codec, only smaller and shorter."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import optuna
import pytest
from rich.console import Console

from study.base.records import TrialState
from study.commands.main import main
from study.config import TrialConfig
from study.config.judging import judge
from study.data import open_data_set
from study.driver.runner import run_study
from study.storage.study_file import parse_study

if TYPE_CHECKING:
    from study.config import StudyConfig
    from study.driver.runner import Ended

EPOCHS = 5

STUDY = f"""
name: small
seed: 7
data: {{max_objects: 30, points_per_object: 1500, cube_size: 100.0}}
model: {{k: 8, hidden_dim: 16}}
training: {{epochs: {EPOCHS}, learning_rate: 5e-3}}
search: {{trials: 2, first: [{{loss.bpp_lambda: 0.2, loss.chamfer_coe: 0.5}}]}}
objectives:
  - {{metric: bpp, direction: minimize, reference: 3.0}}
  - {{metric: d1_psnr_db, direction: maximize, reference: 10.0}}
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> StudyConfig:
    folder = tmp_path_factory.mktemp("codec")
    places = f"root: {folder}/studies\ndata_root: {folder}/data\n"
    return parse_study(STUDY + places, origin="small")


@pytest.fixture(scope="module")
def ended(config: StudyConfig) -> Ended:
    return run_study(config, Console(file=io.StringIO(), width=120))


def worker_configs(ended: Ended) -> list[TrialConfig]:
    """What each trial's worker said it was given, from the study's database."""
    study = optuna.load_study(study_name=None, storage=f"sqlite:///{ended.folder.database}")
    told = [json.dumps(trial.user_attrs["config"]) for trial in study.trials]
    return [TrialConfig.model_validate_json(text) for text in told]


@pytest.mark.timeout(240)  # the study runs in whichever of these tests is first
class TestStudyOfTheCodec:
    def test_every_trial_is_trained_to_its_end_and_reported(self, ended: Ended) -> None:
        assert [record.state for record in ended.records] == [TrialState.COMPLETE] * 2
        assert all(len(record.epochs) == EPOCHS for record in ended.records)
        assert ended.note is None
        assert ended.files is not None
        written = (ended.files.html, ended.files.png, ended.files.csv, ended.files.parquet)
        assert all(file.stat().st_size for file in written)

    def test_every_trial_learns(self, ended: Ended) -> None:
        for record in ended.records:
            first, *_, last = (epoch.metrics["d1_psnr_db"] for epoch in record.epochs)
            assert last > first, f"trial {record.number}"

    def test_the_estimated_rate_is_the_measured_rate(self, ended: Ended) -> None:
        for record in ended.records:
            final = record.final
            expected = pytest.approx(final["bpp_estimated"], rel=0.05)
            assert final["bpp"] == expected, f"trial {record.number}"
            assert final["encode_s"] > 0.0
            assert final["decode_s"] > 0.0

    def test_the_measure_is_of_several_clouds(self, ended: Ended) -> None:
        data = open_data_set(Path(worker_configs(ended)[0].data_folder))
        assert len(data.clouds("validation")) >= 2

    def test_every_worker_trained_what_was_asked(self, config: StudyConfig, ended: Ended) -> None:
        for worker, record in zip(worker_configs(ended), ended.records, strict=True):
            asked = {name.removeprefix("loss."): value for name, value in record.params.items()}
            assert worker.trial == record.number
            assert worker.seed == config.seed
            assert worker.loss == config.loss.model_copy(update=asked)
            assert worker.threads == config.resources.cpus_per_cohort
            assert (worker.model, worker.training) == (config.model, config.training)
        assert ended.records[0].params["loss.bpp_lambda"] == config.loss.bpp_lambda
        assert ended.records[1].params["loss.bpp_lambda"] == 0.2

    def test_the_front_leaves_its_codecs_and_no_checkpoint(
        self, config: StudyConfig, ended: Ended
    ) -> None:
        for record in judge(config, ended.records).front:
            assert record.folder is not None
            assert (ended.folder.path / record.folder / f"epoch-{EPOCHS:04d}.pt").exists()
        assert not ended.folder.cohorts.exists()

    def test_the_report_of_a_run_is_the_one_that_front_would_draw(
        self, config: StudyConfig, ended: Ended, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert ended.files is not None
        before = {path: path.stat().st_mtime_ns for path in ended.files.paths}
        assert main(["front", config.name, "--root", str(config.root)]) == 0
        assert "Pareto front: " in capsys.readouterr().out
        assert before == {path: path.stat().st_mtime_ns for path in ended.files.paths}
