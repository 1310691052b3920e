"""Whether a study runs, as whoever only looks can tell."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import pytest

from study.base.errors import StudyError
from study.base.records import TrialState
from study.commands.main import main
from study.commands.status import summary
from study.driver.resuming import check_can_go_on
from study.driver.runner import open_store
from study.storage.folder import create_study_folder
from study.storage.lease import STALE_S, _ourselves
from study.storage.progress import read_progress
from study.storage.study_file import parse_study
from study.training.codec_files import codec_file
from tests.study.measured import measured_study
from tests.study.toy import STUDY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from study.storage.folder import StudyFolder

READING = (
    ["status", "mine"],
    ["front", "mine"],
    ["front", "mine", "--json"],
    ["front", "other", "--with", "mine"],
    ["compare", "other", "mine"],
    ["export", "mine", "--knee", "out"],
    ["export", "mine", "--clouds", "out"],
    ["mlflow", "sync", "mine"],
    ["resume", "mine", "--trials", "20"],
)


def contents(root: Path) -> dict[str, bytes]:
    """All that a reader may not touch: what is below a root, but for locks."""
    files = (path for path in root.rglob("*") if path.is_file() and path.suffix != ".lock")
    return {str(path): path.read_bytes() for path in files}


def with_codec(folder: StudyFolder) -> None:
    file = codec_file(folder.codecs, 0, 1)
    file.parent.mkdir(parents=True)
    file.write_text("weights")


def with_report(folder: StudyFolder) -> None:
    assert main(["front", folder.path.name, "--root", str(folder.path.parent)]) == 0


def with_checkpoint(folder: StudyFolder) -> None:
    (folder.cohorts / "cohort-0000" / "opening-001" / "step-000001").mkdir(parents=True)


def test_a_driver_on_another_machine_is_told_by_its_signs_of_life(tmp_path: Path) -> None:
    config = parse_study(STUDY + f"root: {tmp_path}/studies\n", origin="toy")
    with create_study_folder(config) as folder:
        folder.ray.mkdir()
    assert read_progress(folder, config).records == []
    store = open_store(config, folder)
    store.ask()
    assert summary(config, read_progress(folder, config)).startswith("interrupted, 0 of 3 trials")

    elsewhere = replace(_ourselves(folder), host="elsewhere", machine="other", beat=time.time())
    store.write_lease(asdict(elsewhere))
    standing = read_progress(folder, config)
    assert summary(config, standing) == "running, 0 of 3 trials finished (1 running)"
    assert [record.state for record in standing.records] == [TrialState.RUNNING]

    store.write_lease(asdict(replace(elsewhere, beat=time.time() - STALE_S - 5)))
    assert not read_progress(folder, config).driven


@pytest.mark.parametrize(
    ("leave", "told"),
    [(with_codec, "codecs"), (with_report, "a report"), (with_checkpoint, "checkpoints")],
)
def test_a_lost_database_is_never_taken_for_an_empty_one(
    leave: Callable[[StudyFolder], None],
    told: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "studies"
    folder = measured_study(root, "mine")
    measured_study(root, "other")
    leave(folder)
    folder.database.unlink()
    before = contents(tmp_path)
    capsys.readouterr()
    for words in READING:
        assert main(words) == 2, words
        sentence = capsys.readouterr().err
        assert (
            f"but {folder.database} is missing, while {folder.path} still holds {told}; put "
            in (sentence)
        )
        assert contents(tmp_path) == before, words
    with pytest.raises(StudyError, match=r"put optuna.db back from a backup"):
        open_store(folder.config(), folder)
    assert contents(tmp_path) == before


def test_a_study_without_a_trial_is_empty_and_no_reader_makes_its_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = measured_study(tmp_path / "studies", "mine")
    folder.database.unlink()
    for words in (["front", "mine"], ["status", "mine"]):  # The first one's report has no rows.
        assert main(words) == 0
        assert "0 of 12 trials finished" in capsys.readouterr().out or words[0] == "front"
    for words in (["mlflow", "sync", "mine"], ["export", "mine", "--clouds", "out"]):
        assert main(words) == 2
        assert "wait for one" in capsys.readouterr().err
    assert not folder.database.exists()
    check_can_go_on(folder, folder.config())
    assert open_store(folder.config(), folder).records(driver_alive=False) == []
