"""A disk that is full, and a folder that only others may write: a sentence, and nothing is lost."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from study.driver.runner import open_store
from study.storage.folder import create_study_folder
from study.storage.study_file import parse_study
from tests.study.second_user import SECOND_USER, needs_second_user
from tests.study.toy import STUDY

if TYPE_CHECKING:
    from collections.abc import Iterator

CODE = Path(__file__).parents[3]
FULL = """
import os, sys
from contextlib import suppress
from pathlib import Path
from study.commands.main import main
from study.commands.running import _told_what_is_left
from study.base.errors import StudyError
from study.driver.runner import open_store
from study.storage.folder import create_study_folder, find_study
from study.storage.study_file import parse_study
from tests.study.toy import STUDY
config = parse_study(f"{STUDY}root: {Path.cwd()}", origin="toy")
with create_study_folder(config) as folder:
    store = open_store(config, folder)
    store.ask()
    folder.ray.mkdir()
with suppress(OSError), open("fill", "wb", buffering=0) as file:
    while True:
        file.write(bytes(1024))
kept = folder.database.read_bytes()
try:
    with _told_what_is_left(folder, config):
        store.write_lease({"beat": "x" * 100_000})
except StudyError as error:
    print(error)
print(main(["front", "toy", "--root", "."]))
print(main(["run", sys.argv[1]]))
print(main(["status", "--root", "."]))
assert folder.database.read_bytes() == kept
"""


def may(*words: str) -> bool:
    """Tell whether a command works here."""
    if shutil.which(words[0]) is None:
        return False
    return subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not may("unshare", "-rm"), reason="no file system can be mounted here")
def test_a_full_disk_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "full.py").write_text(FULL)
    study = tmp_path / "other.yaml"
    study.write_text(STUDY.replace("name: toy", f"name: other\nroot: {tmp_path}/disk/deeper"))
    mount = (
        f"mount -t tmpfs -o size=400k,nr_inodes=12 tmpfs {tmp_path}/disk && cd {tmp_path}/disk && "
        f"exec {sys.executable} {tmp_path}/full.py {study}"
    )
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", mount],  # noqa: S607 (wherever the system has it)
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(CODE)},
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "(database or disk is full); nothing that was finished is lost: make room" in lines[0]
    assert [line for line in lines if line.isdecimal()] == ["2", "2", "0"]
    assert "interrupted, 0 of 3 trials finished" in done.stdout
    errors = [line for line in done.stderr.splitlines() if line.startswith("error")]
    assert len(errors) == 2
    assert all("No space left on device" in error for error in errors)
    assert "Traceback" not in done.stderr


@pytest.fixture
def somebody_elses() -> Iterator[Path]:
    """A study that anybody may read and only its owner may write."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        with create_study_folder(parse_study(f"{STUDY}root: {root}", origin="toy")) as folder:
            store = open_store(folder.config(), folder)
            store.ask()
            store.close()
            folder.ray.mkdir()
        root.chmod(0o755)
        yield root


def as_somebody(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a user who does not own the studies."""
    return subprocess.run(
        [*SECOND_USER, sys.executable, "-m", "study", *words, "--root", str(root)],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env={**os.environ, "PYTHONPATH": str(CODE), "HOME": "/nowhere"},
    )


@needs_second_user
@pytest.mark.parametrize("words", [["status"], ["front", "toy"]])
def test_a_root_that_cannot_be_looked_into_is_not_called_empty(
    words: list[str], somebody_elses: Path
) -> None:
    somebody_elses.chmod(0o700)
    done = as_somebody(somebody_elses, *words)
    assert "error: the folder of studies must be readable" in done.stderr
    assert done.returncode == 2


@needs_second_user
def test_a_study_that_cannot_be_looked_into_does_not_hide_the_others(
    somebody_elses: Path,
) -> None:
    other = parse_study(f"{STUDY}root: {somebody_elses}\n", origin="toy")
    with create_study_folder(other.model_copy(update={"name": "shut"})) as folder:
        folder.ray.mkdir()
    folder.path.chmod(0o700)
    done = as_somebody(somebody_elses, "status")
    assert "toy   interrupted, 0 of 3 trials finished" in done.stdout
    assert "shut  cannot be read: " in done.stdout
    assert as_somebody(somebody_elses, "front", "shut").returncode == 2


@needs_second_user
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["status"], "toy  interrupted, 0 of 3 trials finished (1 interrupted)"),
        (["status", "toy"], "toy interrupted, 0 of 3 trials finished (1 interrupted)"),
        (["resume", "toy"], "error: a study is driven by the user whose lock it has, and"),
        (["front", "toy"], "error: the report of study toy cannot be written: "),
    ],
)
def test_a_folder_that_cannot_be_written_is_a_sentence(
    words: list[str], sentence: str, somebody_elses: Path
) -> None:
    done = as_somebody(somebody_elses, *words)
    assert sentence in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == (0 if words[0] == "status" else 2)
