"""Studies made by the code of d8a9e6b: shown, compared, resumed and exported by today's.

`tests/data/studies_d8a9e6b.tar.xz` holds two folders as that code left them, without the workers'
logs, the pictures and the prepared data, all of which are made anew. `finished` has trials of every
end; `interrupted` was stopped by Ctrl-C after three of twelve epochs.
"""

from __future__ import annotations

import csv
import json
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from mlflow import MlflowClient

from study.base.records import TrialState
from study.commands.main import main
from study.storage.folder import StudyFolder
from study.storage.progress import read_records
from study.storage.study_file import load_study

if TYPE_CHECKING:
    from study.base.records import TrialRecord

FIXTURE = Path(__file__).parents[1] / "data" / "studies_d8a9e6b.tar.xz"
FINISHED, INTERRUPTED = "finished", "interrupted"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Both studies, in the folder that commands run in look into."""
    monkeypatch.chdir(tmp_path)
    with tarfile.open(FIXTURE) as archive:
        archive.extractall(tmp_path / "studies", filter="data")
    return tmp_path / "studies"


def records_of(folder: Path) -> list[TrialRecord]:
    study = StudyFolder(folder)
    return read_records(study, study.config())


def rows_of(table: Path) -> list[dict[str, str]]:
    with table.open(newline="") as file:
        return list(csv.DictReader(file))


def output(capsys: pytest.CaptureFixture[str]) -> str:
    """What a command has printed, without the breaks of lines."""
    return " ".join(capsys.readouterr().out.split())


def test_all_are_listed_and_each_is_shown(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status"]) == 0
    told = output(capsys)
    assert "finished, 8 of 8 trials finished (2 complete, 3 pruned, 3 failed)" in told
    assert "interrupted, 0 of 4 trials finished (2 interrupted" in told
    assert main(["status", FINISHED]) == 0
    assert "diverged: its loss, parameters or validation stopped" in output(capsys)
    assert {path.name for path in root.iterdir()} == {FINISHED, INTERRUPTED}


def test_the_front_is_the_one_that_was_reported(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = rows_of(root / FINISHED / "front.csv")
    assert main(["front", FINISHED, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {member["trial"] for member in told["front"]} == {0, 1}
    assert main(["front", FINISHED]) == 0
    assert "trial 1 after epoch 5 would be on the front" in output(capsys)
    now = rows_of(root / FINISHED / "front.csv")
    assert before == [{name: row[name] for name in before[0]} for row in now]


@pytest.mark.usefixtures("root")
def test_a_study_is_not_compared_with_itself(capsys: pytest.CaptureFixture[str]) -> None:
    for other in (FINISHED, f"studies/{FINISHED}"):
        assert main(["compare", FINISHED, other]) == 2
        assert "'finished' is named twice; name another" in capsys.readouterr().err
        assert main(["front", FINISHED, "--with", other]) == 2
        assert "another study is drawn beside" in capsys.readouterr().err


@pytest.mark.usefixtures("root")
def test_its_codecs_are_exported_and_code(seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", FINISHED, "--knee", "knee"]) == 0
    assert "trial 1" in output(capsys)
    assert main(["export", FINISHED, "--trial", "0", "--epoch", "4", "earlier"]) == 0
    np.save("cloud.npy", np.random.default_rng(seed).random((500, 3)))
    for codec in ("knee", "earlier"):
        about = json.loads(Path(codec, "codec.json").read_text())
        assert "d8a9e6b" in json.dumps(about)
        assert main(["compress", codec, "cloud.npy", f"{codec}.dpcs"]) == 0
        assert main(["decompress", codec, f"{codec}.dpcs", f"{codec}.npy"]) == 0
        assert np.isfinite(np.load(f"{codec}.npy")).all()


@pytest.mark.timeout(300)
def test_an_interrupted_one_goes_on_and_is_compared(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its database has two epochs; the third is in the checkpoint, and is not trained again."""
    before = records_of(root / INTERRUPTED)
    assert [(r.state, len(r.epochs)) for r in before] == [(TrialState.INTERRUPTED, 2)] * 2
    (progress,) = root.glob("*/cohorts/*/*/step-000003/cohort.json")
    untold = {each["trial"]: each for each in json.loads(progress.read_text())["told"][-1]}
    assert main(["resume", INTERRUPTED]) == 0
    records = records_of(root / INTERRUPTED)
    assert [(r.state, len(r.epochs)) for r in records] == [(TrialState.COMPLETE, 12)] * 4
    for was, now in zip(before, records, strict=False):
        assert now.params == was.params
        assert now.epochs[:2] == was.epochs
        assert now.epochs[2].elapsed_s == untold[was.number]["elapsed_s"]
        assert now.epochs[2].metrics == untold[was.number]["metrics"]
    output(capsys)
    assert main(["compare", FINISHED, INTERRUPTED]) == 0
    told = output(capsys)
    assert FINISHED in told
    assert INTERRUPTED in told
    assert main(["export", INTERRUPTED, "--knee", "knee"]) == 0


@pytest.mark.timeout(300)
def test_a_renamed_one_gets_another_trial_under_its_new_name(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = records_of(root / FINISHED)
    (root / FINISHED).rename(root / "renamed")
    assert main(["resume", "renamed"]) == 2
    assert "nothing is left to do in 'renamed'" in capsys.readouterr().err
    assert main(["resume", "renamed", "--trials", "9"]) == 0
    told = output(capsys)
    assert "study ui renamed" in told
    assert "ui finished" not in told
    *same, ninth = records_of(root / "renamed")
    assert [replace(r, run=None) for r in same] == [replace(r, run=None) for r in before]
    assert ninth.state.is_final
    assert not (root / FINISHED).exists()
    assert load_study(root / "renamed" / "study.yaml").name == "renamed"
    experiments = MlflowClient(f"sqlite:///{root}/mlflow.db").search_experiments()
    assert {each.name for each in experiments} == {"Default", "renamed"}


def test_a_copy_goes_by_its_own_name(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(root / FINISHED, root / "copy")
    assert main(["front", "copy"]) == 0
    told = output(capsys)
    assert "study ui copy" in told
    assert "study export copy --trial 1" in told
    assert FINISHED not in told
    assert main(["front", "copy", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["study"] == "copy"
    assert main(["status", "copy"]) == 0
    assert output(capsys).startswith("copy finished, 8 of 8")
    assert main(["compare", FINISHED, "copy"]) == 0
    told = output(capsys)
    assert FINISHED in told
    assert "copy" in told


def test_two_of_one_name_are_told_apart(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(root / FINISHED, root.parent / "other" / FINISHED)
    assert main(["compare", FINISHED, f"other/{FINISHED}"]) == 0
    told = output(capsys)
    assert "studies/finished" in told
    assert "other/finished" in told
    assert main(["front", FINISHED, "--with", f"other/{FINISHED}"]) == 0
    assert "other/finished" in (root / FINISHED / "front.svg").read_text()


def test_a_study_is_found_by_its_path(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (f"studies/{FINISHED}", f"studies/{FINISHED}/", str(root / FINISHED)):
        assert main(["status", path]) == 0
        assert output(capsys).startswith("finished finished, 8 of 8")
    monkeypatch.chdir(root)
    assert main(["status", FINISHED]) == 0
    capsys.readouterr()
    assert main(["status", "fnished"]) == 2
    assert (
        f"there is no study 'fnished' in studies, for {root}/studies does not exist; say with "
        in (capsys.readouterr().err)
    )
