"""A root that was copied or moved writes into itself, whatever paths its MLflow holds."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from study.commands.main import main
from study.storage.folder import find_study
from study.tracking.client import connect
from study.tracking.opening import own_artifacts
from study.tracking.places import is_elsewhere
from tests.study.finished import finished_study
from tests.study.ports import unused_port


def contents(root: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def artifacts(root: Path) -> set[str]:
    """Where the runs of the study's experiment keep their files."""
    client = connect(f"sqlite:///{root / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("small")
    assert experiment is not None
    return {run.info.artifact_uri for run in client.search_runs([experiment.experiment_id])}


def said_by_ui(root: Path) -> str:
    """What `study ui` prints until its links are there; Ctrl-C ends it."""
    command = [sys.executable, "-m", "study", "ui", "small", "--root", str(root)]
    with subprocess.Popen(
        [*command, "--port", str(unused_port())], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            lines = []
            for line in process.stdout:
                lines.append(line)
                if line.startswith("Ctrl-C"):
                    break
        finally:
            process.send_signal(signal.SIGINT)
    return "".join(lines)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with a finished study, whose front's knee is registered."""
    root = finished_study(tmp_path_factory.mktemp("original")).path.parent
    assert main(["mlflow", "sync", "small", "--root", str(root)]) == 0
    assert main(["export", "small", "--knee", "--register", "--root", str(root)]) == 0
    return root


def test_a_copied_root_is_its_own(
    original: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(original, copy)
    before, here = contents(original), contents(copy / "mlartifacts")
    register = ["export", "small", "--knee", "--register", "--root", str(copy)]
    capsys.readouterr()
    assert main(register) == 2
    sentence = capsys.readouterr().err
    assert f"outside {copy / 'mlartifacts'}: this root was copied or moved; " in sentence
    assert f"`study mlflow sync small --root {copy}`" in sentence
    assert contents(original) == before
    assert contents(copy / "mlartifacts") == here

    told = f"{copy} was copied or moved, and MLflow has the files of small where they were"
    assert told in said_by_ui(copy)
    assert main(["mlflow", "sync", "small", "--root", str(copy)]) == 0
    assert told not in said_by_ui(copy)
    assert main(register) == 0
    assert "which was there already" not in capsys.readouterr().out
    assert contents(original) == before
    assert len(contents(copy / "mlartifacts")) > len(here)
    own = (copy / "mlartifacts").as_uri()
    assert all(place.startswith(own) for place in artifacts(copy))
    experiments = connect(f"sqlite:///{copy / 'mlflow.db'}").search_experiments()
    assert {each.name for each in experiments} > {"small", "small (copied: experiment 1)"}

    known = contents(copy)
    assert main(["mlflow", "sync", "small", "--root", str(copy)]) == 0
    assert "lacked nothing" in capsys.readouterr().out
    assert contents(copy / "mlartifacts").keys() == {
        path for path in known if path.startswith(str(copy / "mlartifacts"))
    }


def test_a_moved_root_makes_no_ghost_of_the_old_one(original: Path, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    before = contents(original)
    shutil.copytree(original, old)
    assert main(["mlflow", "sync", "small", "--root", str(old)]) == 0
    old.rename(new)
    assert main(["mlflow", "sync", "small", "--root", str(new)]) == 0
    for trial in ("0", "1"):
        assert main(["export", "small", "--trial", trial, "--register", "--root", str(new)]) == 0
    assert not old.exists()
    assert contents(original) == before


def test_a_run_whose_folder_is_a_link_is_not_written_through(
    original: Path, tmp_path: Path
) -> None:
    """As in a root from somebody else: the files of a study would land wherever that says."""
    root, home = tmp_path / "root", tmp_path / "home"
    shutil.copytree(original, root)
    assert main(["mlflow", "sync", "small", "--root", str(root)]) == 0
    home.mkdir()
    for place in artifacts(root):
        folder = Path(place.removeprefix("file://"))
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(exist_ok=True)
        folder.symlink_to(home)
    assert main(["mlflow", "sync", "small", "--root", str(root)]) == 0
    assert not list(home.iterdir())


def test_places(tmp_path: Path) -> None:
    own = tmp_path / "root" / "mlartifacts"
    for there in (own, own / "run" / "artifacts"):
        assert not is_elsewhere(there.as_uri(), own)
        assert not is_elsewhere(str(there), own)
    assert is_elsewhere((tmp_path / "mlartifacts").as_uri(), own)
    assert is_elsewhere(f"{own.as_uri()}/../../../etc", own)
    assert is_elsewhere(f"{own.as_uri()}2", own)
    assert not is_elsewhere("s3://bucket/x", own)
    assert not is_elsewhere("file:///etc", None)
    spaced = tmp_path / "a b#c"
    assert not is_elsewhere((spaced / "run").as_uri(), spaced)
    own.mkdir(parents=True)
    (tmp_path / "again").symlink_to(tmp_path / "root")
    assert not is_elsewhere((tmp_path / "again" / "mlartifacts" / "run").as_uri(), own)


def test_a_database_of_the_users_choice_makes_no_copy(original: Path) -> None:
    folder = find_study(original, "small")
    config = folder.config()
    assert own_artifacts(config, folder) == original / "mlartifacts"
    chosen = config.tracking.model_copy(update={"uri": "sqlite:////elsewhere/mlflow.db"})
    assert own_artifacts(config.model_copy(update={"tracking": chosen}), folder) is None
    assert not is_elsewhere("file:///elsewhere/mlartifacts/1", None)
