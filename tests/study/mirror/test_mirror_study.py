"""A study whose head is lost goes on elsewhere from its mirror: real Ray, MLflow and moto."""

from __future__ import annotations

import io
import shutil
from typing import TYPE_CHECKING

import pytest
from mlflow import MlflowClient
from rich.console import Console

from study.base.errors import StudyError
from study.base.records import TrialState
from study.driver.cluster import ray_running
from study.driver.resuming import with_more
from study.driver.runner import resume_study, run_study
from study.mirror.restoring import restore
from study.storage.study_file import parse_study
from tests.study import toy
from tests.study.mirror import stores

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from study.base.records import TrialRecord
    from study.config import StudyConfig
    from study.driver.runner import Ended


@pytest.fixture(scope="module", autouse=True)
def one_ray() -> Iterator[None]:
    with ray_running(None):
        yield


def study(root: Path, trials: int, mirror: str | None = stores.URL) -> StudyConfig:
    text = toy.TOY_STUDY.replace(
        "{trials: 3, startup_trials: 2}", f"{{trials: {trials}, sampler: qmc}}"
    )
    text += f"root: {root}/studies\ndata_root: {root}/data\n"
    text += "resources: {cohort: 1, concurrent_cohorts: 1}\n"
    if mirror:
        text += f"storage: {{mirror: '{mirror}', mirror_every_s: 0.1, keep: all}}\n"
    return parse_study(text, origin="toy")


def run(config: StudyConfig) -> Ended:
    return run_study(config, Console(file=io.StringIO()))


def told(records: Sequence[TrialRecord]) -> list[object]:
    return [
        (r.number, r.state, r.params, [(e.epoch, e.metrics) for e in r.epochs], r.final)
        for r in records
    ]


def test_a_study_goes_on_from_its_mirror_when_all_else_is_lost(
    tmp_path: Path, moto: stores.Moto
) -> None:
    undisturbed = run(study(tmp_path / "undisturbed", 4, None))
    first = run(study(tmp_path / "first", 2))
    assert first.unmirrored is None
    codecs = sorted(p.name for p in first.folder.codecs.rglob("*") if p.is_file())
    assert codecs
    shutil.rmtree(tmp_path / "first")

    said: list[str] = []
    folder = restore(stores.URL, "toy", tmp_path / "second" / "studies", said.append)
    assert sorted(p.name for p in folder.codecs.rglob("*") if p.is_file()) == codecs
    config = with_more(folder, trials=4).model_copy(
        update={"data_root": str(tmp_path / "second" / "data")}
    )
    ended = resume_study(folder, config, Console(file=io.StringIO()))
    assert ended.unmirrored is None
    assert told(ended.records) == told(undisturbed.records)
    assert {record.state for record in ended.records} == {TrialState.COMPLETE}
    assert any(name.startswith("studies/toy/manifests/00000002") for name in moto.names())

    client = MlflowClient(f"sqlite:///{folder.path.parent / 'mlflow.db'}")
    (experiment,) = [e for e in client.search_experiments() if e.name == "toy"]
    runs = client.search_runs([experiment.experiment_id])
    assert len(runs) == 1 + 4, "the summary and every trial, also those of the first head"
    (summary,) = [run for run in runs if run.data.tags["kind"] == "summary"]
    kept = {artifact.path for artifact in client.list_artifacts(summary.info.run_id)}
    opened = ["provenance-001.json", "provenance-002.json"]
    assert kept.issuperset(opened), "what opened it on either head"


def test_a_new_study_does_not_write_over_another_one_of_its_name(
    tmp_path: Path, moto: stores.Moto
) -> None:
    run(study(tmp_path / "first", 1))
    names = moto.names()
    with pytest.raises(StudyError, match="is another 'toy'"):
        run(study(tmp_path / "second", 1))
    assert not (tmp_path / "second" / "studies" / "toy").exists()
    assert [n for n in moto.names() if "manifests" in n] == [n for n in names if "manifests" in n]
