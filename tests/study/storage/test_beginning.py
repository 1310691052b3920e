"""Where a study may begin, and under which names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from study.base.errors import StudyError
from study.commands.main import main
from study.commands.ui import _LOG
from study.driver.sizing import FILE_NAME
from study.storage.folder import create_study_folder, folder_of
from study.storage.study_file import load_study, parse_study
from study.tracking.opening import artifact_root, tracking_uri
from tests.study.toy import STUDY, TOY_STUDY

if TYPE_CHECKING:
    from study.config import StudyConfig


def study(name: str, root: Path) -> StudyConfig:
    text = STUDY.replace("name: toy", f"name: {name}")
    return parse_study(f"{text}root: {root}\n", origin="toy")


def refused(config: StudyConfig) -> str:
    with pytest.raises(StudyError) as found, create_study_folder(config):
        pass
    return str(found.value)


@pytest.mark.parametrize("is_used", [False, True])
@pytest.mark.parametrize("name", ["mlflow.db", "mlartifacts", "MLflow.db", "mlflow.db-wal"])
def test_a_name_that_mlflow_needs_is_refused_whether_it_lies_there_or_not(
    name: str,
    is_used: bool,  # noqa: FBT001
    tmp_path: Path,
) -> None:
    if is_used:
        (tmp_path / name).write_text("precious")
    sentence = refused(study(name, tmp_path))
    assert f"a study cannot be called '{name}', for that name is reserved; so are " in sentence
    assert "cohort-sizes.json, " in sentence
    assert name.lower() not in sentence.partition("so are ")[2].partition(":")[0].split(", ")
    assert "remove" not in sentence
    assert [path.name for path in tmp_path.iterdir()] == ([name] if is_used else [])


def test_every_file_beside_the_studies_has_its_name_for_itself(tmp_path: Path) -> None:
    toy = study("toy", tmp_path)
    folder = folder_of(toy)
    database = Path(tracking_uri(toy, folder).removeprefix("sqlite:///"))
    for path in (database, artifact_root(folder), tmp_path / _LOG, tmp_path / FILE_NAME):
        assert path.parent == tmp_path
        assert "that name is reserved" in refused(study(path.name, tmp_path))


@pytest.mark.parametrize("command", ["prepare", "run"])
def test_a_reserved_name_is_refused_before_data_are_prepared(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.yaml"
    data = f"root: {tmp_path}/studies\ndata_root: {tmp_path}/data\n"
    file.write_text(STUDY.replace("name: toy", "name: mlartifacts") + data)
    assert main([command, str(file)]) == 2
    assert "a study cannot be called 'mlartifacts'" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.yaml"]


@pytest.mark.parametrize("below", ["", "/deeper"])
def test_a_root_that_is_a_file_is_refused_with_a_sentence(
    below: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("taken").write_text("mine")
    Path("toy.yaml").write_text(f"{TOY_STUDY}root: taken{below}\n")
    assert main(["run", "toy.yaml"]) == 2
    sentence = capsys.readouterr().err
    assert sentence.startswith("error: ")
    assert sentence.count("\n") == 1
    assert str(tmp_path / "taken") in sentence
    assert Path("taken").read_text() == "mine"


def test_a_study_file_may_be_named_by_text(tmp_path: Path) -> None:
    file = tmp_path / "toy.yaml"
    file.write_text(STUDY)
    assert load_study(str(file)) == load_study(file)
    with pytest.raises(StudyError, match=r"there is no study file x\.yaml"):
        load_study("x.yaml")
