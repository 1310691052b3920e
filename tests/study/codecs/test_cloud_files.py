"""The validation clouds of a study as files, and another codec measured on exactly those."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from study.base.errors import StudyError
from study.clouds import read_cloud
from study.codecs.cloud_files import file_stems, write_validation_clouds
from study.commands.main import main
from study.data import open_data_set
from study.storage.folder import data_of
from study.storage.trial_store import TrialStore
from tests.study.finished import finished_study

if TYPE_CHECKING:
    from pathlib import Path

    from study.storage.folder import StudyFolder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    return finished_study(tmp_path_factory.mktemp("finished"))


def test_the_files_hold_the_very_points_that_codecs_are_measured_on(
    made: StudyFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    root = ["--root", str(made.path.parent)]
    assert main(["export", "small", "--clouds", "clouds", *root]) == 0
    assert "clouds  1 validation cloud of small: `study baseline draco" in capsys.readouterr().out
    config = made.config()
    folder = TrialStore(config, made.database).worker_config(0)["data_folder"]
    clouds = open_data_set(data_of(made, config, str(folder))).clouds("validation")
    files = sorted((tmp_path / "clouds").iterdir())
    assert len(files) == len(clouds) == 1
    np.testing.assert_array_equal(read_cloud(files[0]).points, clouds[0].points)
    assert main(["baseline", "draco", str(files[0]), "--out", "draco.json"]) == 0
    (measured,) = json.loads((tmp_path / "draco.json").read_text())["clouds"].values()
    assert measured["points"] == len(clouds[0].points)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--clouds"], "clouds are written into a new folder: name it"),
        (["--clouds", "."], "clouds are written into a new folder, and . exists"),
        (["--clouds", "--register"], "--clouds writes clouds, and --register is for codecs"),
    ],
)
def test_what_does_not_go_together_is_refused(
    words: list[str], sentence: str, made: StudyFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "small", *words, "--root", str(made.path.parent)]) == 2
    assert sentence in capsys.readouterr().err


def test_without_a_trial_there_are_no_clouds_yet(made: StudyFolder, tmp_path: Path) -> None:
    config = made.config()
    young = type(made)(tmp_path)
    TrialStore(config, young.database).enqueue_first("v1")
    with pytest.raises(StudyError, match="none of small does yet; wait for one"):
        write_validation_clouds(young, config, tmp_path / "clouds")


def test_every_cloud_has_a_file_of_its_own_in_the_folder() -> None:
    names = ["chair.ply", "chair.obj", "a/b c.npz", "../x", "v1.2", "/", "x"]
    assert file_stems(names) == ["chair", "chair-1", "a_b_c", "x", "v1.2", "cloud", "x-6"]
