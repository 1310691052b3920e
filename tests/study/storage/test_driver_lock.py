"""Who can hold a study's lock, and what is said of who does: real processes, and a second user."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from study.base.errors import StudyError
from study.commands.main import main
from study.storage.driver_lock import DRIVER_LOCK, driver_lock, is_locked
from study.storage.folder import create_study_folder
from study.storage.study_file import parse_study
from tests.study.second_user import SECOND_USER, needs_second_user
from tests.study.toy import STUDY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from study.storage.folder import StudyFolder

CODE = Path(__file__).parents[3]
HOLDS = """
import fcntl, sys
file = open(sys.argv[1])
fcntl.flock(file, fcntl.LOCK_SH)
print("held", flush=True)
sys.stdin.read()
"""
DRIVES = """
import sys
from pathlib import Path
from study.storage.driver_lock import driver_lock
with driver_lock(Path(sys.argv[1]).parent):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that all may look into, as those of pytest may not."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        study = Path(made) / "mine"
        study.mkdir()
        yield study


@contextmanager
def held(folder: Path, code: str = HOLDS, command: Sequence[str] = ()) -> Iterator[int]:
    """A process that holds the lock; its id."""
    with subprocess.Popen(
        command or [sys.executable, "-c", code, str(folder / DRIVER_LOCK)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process.pid
        assert process.stdin is not None
        process.stdin.close()


def refusal(folder: Path) -> str:
    with pytest.raises(StudyError) as found, driver_lock(folder):
        pass
    return str(found.value)


def test_a_driver_is_named_and_may_be_ended(folder: Path) -> None:
    with held(folder, DRIVES) as pid:
        assert is_locked(folder)
        assert refusal(folder) == (
            f"a study has one driver at a time, and 'mine' is driven by process {pid} on this "
            f"machine; wait for it, or stop it with `kill {pid}`"
        )
    assert not is_locked(folder)


def test_who_waited_for_a_lock_that_was_removed_does_not_drive_beside_another(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("study.storage.driver_lock._PATIENCE_S", 5.0)  # Python starts meanwhile.
    lock, said = folder / DRIVER_LOCK, []
    waits = Thread(target=lambda: said.append(refusal(folder)))
    with ExitStack() as second:
        with driver_lock(folder):
            waits.start()
            time.sleep(0.2)
            lock.unlink()  # As the sentence advises, and too early.
            pid = second.enter_context(held(folder, DRIVES))
        waits.join()
    assert f"is driven by process {pid}" in said[0]


def test_a_driver_of_an_earlier_version_is_named_too(folder: Path) -> None:
    lock = folder / DRIVER_LOCK
    lock.touch(0o644)
    with held(folder) as pid:
        lock.write_text(str(pid))
        assert f"stop it with `kill {pid}`" in refusal(folder)


@pytest.mark.parametrize("written", ["", "1", "{}", "[]", "\xff", '{"pid": "x"}', "9" * 300])
def test_nobody_who_merely_holds_it_is_said_to_drive(written: str, folder: Path) -> None:
    """The one before drove, or nobody: ids of processes are used again."""
    (folder / DRIVER_LOCK).write_text(written.replace("1", str(os.getpid())), encoding="latin-1")
    with held(folder) as pid:
        sentence = refusal(folder)
    assert "kill" not in sentence
    assert f"process {pid} of root holds" in sentence or os.geteuid() != 0
    assert "without being known to drive it" in sentence
    assert "`lslocks`" in sentence


def test_an_id_that_is_another_process_by_now_is_not_to_be_killed(folder: Path) -> None:
    with driver_lock(folder):
        ours = json.loads((folder / DRIVER_LOCK).read_text())
    assert (folder / DRIVER_LOCK).read_text() == "", "this process lives, and drives no more"
    assert ours["pid"] == os.getpid()
    for changed in ({"began": ours["began"] - 1}, {"boot": "another"}, {}):
        (folder / DRIVER_LOCK).write_text(json.dumps(ours | changed))
        with held(folder):
            assert "kill" not in refusal(folder)


def test_its_owner_alone_may_open_it(folder: Path) -> None:
    lock = folder / DRIVER_LOCK
    for _ in range(2):
        with driver_lock(folder):
            assert lock.stat().st_mode & 0o777 == 0o600
        lock.chmod(0o644)  # As of earlier versions.


@needs_second_user
def test_another_user_cannot_hold_it(folder: Path) -> None:
    with driver_lock(folder):
        pass
    command = [*SECOND_USER, "flock", "--nonblock", "--shared", str(folder / DRIVER_LOCK), "true"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "Permission denied" in done.stderr


@needs_second_user
def test_another_user_who_holds_the_lock_of_an_earlier_version_is_named(folder: Path) -> None:
    lock = folder / DRIVER_LOCK
    lock.touch(0o644)
    lock.write_text(str(os.getpid()))  # Once it was this one's.
    says = ["sh", "-c", "echo held; cat"]
    with held(folder, command=[*SECOND_USER, "flock", "--shared", str(lock), *says]) as pid:
        sentence = refusal(folder)
        assert f"process {pid} of nobody holds the lock" in sentence
        assert "kill" not in sentence
        lock.unlink()  # The way out, as it is told.
        with driver_lock(folder):
            pass


@needs_second_user
def test_another_users_lock_is_theirs_and_status_still_tells(folder: Path) -> None:
    with driver_lock(folder):
        pass
    code = (
        "import sys; from pathlib import Path;"
        "from study.storage.driver_lock import driver_lock, is_locked;"
        "folder = Path(sys.argv[1]); print(is_locked(folder))\n"
        "try:\n  with driver_lock(folder): print('held')\n"
        "except ValueError as error: print(error)"
    )
    done = subprocess.run(
        [*SECOND_USER, sys.executable, "-c", code, str(folder)],
        capture_output=True, text=True, check=False,
        cwd="/", env={**os.environ, "PYTHONPATH": str(CODE), "HOME": "/nowhere"},
    )  # fmt: skip
    assert done.stdout.splitlines()[:1] == ["None"], done.stderr
    assert f"{folder / DRIVER_LOCK} belongs to root; let that user go on with it" in done.stdout


@pytest.mark.parametrize("kind", ["link", "dangling", "folder", "pipe"])
def test_what_lies_in_its_place_is_not_written_to(kind: str, folder: Path) -> None:
    """In a folder from somebody else: through a link, a file of the user's would be emptied."""
    lock, precious = folder / DRIVER_LOCK, folder.parent / "precious"
    if kind == "link":
        precious.write_text("mine")
    if kind in {"link", "dangling"}:
        lock.symlink_to(precious)
    elif kind == "folder":
        lock.mkdir()
    else:
        os.mkfifo(lock)
    assert "a study's lock must be a file" in refusal(folder)
    is_locked(folder)
    assert precious.exists() == (kind == "link")
    assert kind != "link" or precious.read_text() == "mine"


def test_commands_tell_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = parse_study(STUDY + f"root: {folder.parent}/studies\n", origin="toy")
    made: StudyFolder
    with create_study_folder(config) as made:
        made.ray.mkdir()
    with (made.path / DRIVER_LOCK).open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        assert main(["resume", "toy", "--root", str(made.path.parent)]) == 2
    sentence = capsys.readouterr().err
    assert "without being known to drive it" in sentence
    assert sentence.count("\n") == 1
