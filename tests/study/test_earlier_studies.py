"""Studies made by the code of d8a9e6b: shown, compared, resumed and exported by today's.

`tests/data/studies_d8a9e6b.tar.xz` holds two folders as that code left them, without the workers'
logs, the pictures and the prepared data, all of which are made anew. `finished` has trials of every
end; `interrupted` was stopped by Ctrl-C after three of twelve epochs.
"""

from __future__ import annotations

import csv
import json
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from study.cli import main
from study.records import TrialState
from study.storage.folder import StudyFolder
from study.storage.standing import read_records

if TYPE_CHECKING:
    from study.records import TrialRecord

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
def test_a_finished_one_gets_another_trial(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = records_of(root / FINISHED)
    assert main(["resume", FINISHED]) == 2
    assert "nothing is left to do in 'finished'" in capsys.readouterr().err
    assert main(["resume", FINISHED, "--trials", "9"]) == 0
    *same, ninth = records_of(root / FINISHED)
    assert [replace(r, run=None) for r in same] == [replace(r, run=None) for r in before]
    assert ninth.state.is_final
