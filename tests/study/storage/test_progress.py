"""Whether a study runs, as whoever only looks can tell."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import optuna
import pytest

from study.base.errors import StudyError
from study.base.records import TrialState
from study.commands.main import main
from study.commands.status import summary
from study.driver.resuming import check_can_go_on
from study.driver.runner import open_store
from study.storage.database import check_new
from study.storage.folder import create_study_folder
from study.storage.lease import STALE_S, ourselves
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


def with_logs(folder: StudyFolder) -> None:
    (folder.ray / "driver-0123abcd").mkdir(parents=True)


def with_journal(folder: StudyFolder) -> None:
    folder.database.with_name("optuna.db-journal").write_text("the last trials")


def test_a_driver_on_another_machine_is_told_by_its_signs_of_life(tmp_path: Path) -> None:
    config = parse_study(STUDY + f"root: {tmp_path}/studies\n", origin="toy")
    with create_study_folder(config) as folder:
        folder.ray.mkdir()
    assert read_progress(folder, config).records == []
    store = open_store(config, folder)
    store.ask()
    assert summary(config, read_progress(folder, config)).startswith("interrupted, 0 of 3 trials")

    elsewhere = replace(ourselves(folder), host="elsewhere", machine="other", beat=time.time())
    store.write_lease(asdict(elsewhere))
    standing = read_progress(folder, config)
    assert summary(config, standing) == "running, 0 of 3 trials finished (1 running)"
    assert [record.state for record in standing.records] == [TrialState.RUNNING]

    store.write_lease(asdict(replace(elsewhere, beat=time.time() - STALE_S - 5)))
    assert not read_progress(folder, config).driven


@pytest.mark.parametrize(
    ("leave", "told"),
    [
        (with_codec, "codecs"),
        (with_report, "a report"),
        (with_checkpoint, "checkpoints"),
        (with_logs, "workers' logs"),
        (with_journal, "the database's optuna.db-journal"),
    ],
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


@pytest.mark.parametrize("linked", [True, False])
def test_a_database_that_is_not_mounted_is_never_taken_for_an_empty_one(
    linked: bool,  # noqa: FBT001
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It lies on another disk: `optuna.db` is a link to it, or `storage.uri` is its address."""
    monkeypatch.chdir(tmp_path)
    disk = tmp_path / "disk"
    disk.mkdir()
    elsewhere = disk / "trials.db"
    folder = measured_study(tmp_path / "studies", "mine")
    measured_study(tmp_path / "studies", "other")
    if linked:
        folder.database.rename(elsewhere)
        folder.database.symlink_to(elsewhere)
    else:
        file = folder.path / "study.yaml"
        file.write_text(file.read_text().replace("storage:\n  uri: null", uri_of(elsewhere)))
        folder.database.rename(elsewhere)
        with_codec(folder)
    assert main(["front", "mine"]) == 0
    disk.rename(tmp_path / "not mounted")
    disk.mkdir()  # The mount point stays.
    before = contents(tmp_path)
    place = (
        f"a link to {elsewhere}; put optuna.db back" if linked else "holds no study of this name"
    )
    capsys.readouterr()
    for words in READING:
        assert main(words) == 2, words
        sentence = capsys.readouterr().err
        assert place in sentence, words
        assert str(elsewhere) in sentence
        assert contents(tmp_path) == before, words
    with pytest.raises(StudyError, match="a study's trials are in its database, but"):
        open_store(folder.config(), folder)
    assert contents(tmp_path) == before
    disk.rmdir()
    (tmp_path / "not mounted").rename(disk)
    assert main(["front", "mine"]) == 0


def uri_of(database: Path) -> str:
    return f"storage:\n  uri: sqlite:///{database}"


def test_a_server_that_does_not_know_the_study_is_not_taken_for_its_own(tmp_path: Path) -> None:
    """As one whose dump is older, or another one under the same address."""
    shared = tmp_path / "shared.db"
    text = f"{STUDY}root: {tmp_path}/studies\nstorage: {{uri: 'sqlite:///{shared}'}}\n"
    config = parse_study(text, origin="toy")
    with create_study_folder(config) as folder:
        open_store(config, folder).ask()
        with_codec(folder)
    optuna.delete_study(study_name="toy", storage=f"sqlite:///{shared}")
    for look in (read_progress, check_can_go_on):
        with pytest.raises(StudyError, match=r"shared\.db \(storage\.uri\) holds no study of this"):
            look(folder, config)
    with pytest.raises(StudyError, match="or, where it has moved, write its address into"):
        open_store(config, folder)
    assert optuna.get_all_study_names(f"sqlite:///{shared}") == []


def test_a_study_of_another_program_keeps_its_name(tmp_path: Path) -> None:
    """It has no trials yet; only one of ours that never began is made anew under its name."""
    uri = f"sqlite:///{tmp_path}/shared.db"
    config = parse_study(f"{STUDY}storage: {{uri: '{uri}'}}\nroot: {tmp_path}\n", origin="toy")
    optuna.create_study(study_name="toy", storage=uri)
    with pytest.raises(StudyError, match="must be new in its storage"):
        check_new(config)
    optuna.delete_study(study_name="toy", storage=uri)
    with create_study_folder(config) as folder:  # Its preparation fails.
        open_store(config, folder)
    check_new(config)
    assert optuna.get_all_study_names(uri) == []
