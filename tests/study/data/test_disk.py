"""What remains when preparing is killed or the disk refuses: real kills, real full disks."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from study.base.errors import StudyError
from study.config import DataRecipe
from study.data import prepare
from study.families.dpcc.hierarchies import Hierarchies

CHECKOUT = Path(__file__).parents[3]

# Runs in a process of its own and prints the sentence of a StudyError.
SCRIPT = """
import os, resource, signal, sys
from pathlib import Path
from study.config import DataRecipe
from study.data import prepare
from study.families.dpcc.hierarchies import Hierarchies
from study.base.errors import StudyError

def kill(done, total):
    if done == 3:
        os.kill(os.getpid(), signal.SIGKILL)

def interrupt(done, total):
    if done == 3:
        raise KeyboardInterrupt

def fill(done, total):
    with Path(root, "of-somebody-else").open("ab", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass

source, root, action = sys.argv[1:]
if action == "limit":
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
recipe = DataRecipe(source=source, min_points=10, min_points_evaluation=10)
try:
    prepare(recipe, form=Hierarchies((1 / 3, 1 / 3, 1 / 3), 16), root=Path(root),
            on_progress={"kill": kill, "interrupt": interrupt, "fill": fill}.get(action))
except StudyError as error:
    print(error)
"""


def make(recipe: DataRecipe, root: Path) -> Path:
    return prepare(recipe, form=Hierarchies((1 / 3, 1 / 3, 1 / 3), 16), root=root)


def visible(root: Path) -> list[str]:
    """Everything under the root but the lock, which has no content."""
    return sorted(path.name for path in root.iterdir() if path.name != ".lock")


def run(recipe: DataRecipe, root: Path, action: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SCRIPT, recipe.source, str(root), action]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=CHECKOUT)


def test_a_kill_leaves_no_data_set_and_the_next_run_cleans_up(
    tmp_path: Path, recipe: DataRecipe
) -> None:
    root = tmp_path / "data"
    assert run(recipe, root, "kill").returncode == -signal.SIGKILL
    (left,) = visible(root)
    assert left.startswith(".")
    assert left.endswith(".partial")
    other = make(recipe.model_copy(update={"seed": 1}), root)
    assert visible(root) == [other.name], "what the kill left is gone, whoever comes next"
    folder = make(recipe, root)
    assert visible(root) == sorted([folder.name, other.name])


def test_ctrl_c_leaves_nothing(tmp_path: Path, recipe: DataRecipe) -> None:
    done = run(recipe, tmp_path / "data", "interrupt")
    assert "KeyboardInterrupt" in done.stderr
    assert visible(tmp_path / "data") == []


def test_two_processes_share_the_work(tmp_path: Path, recipe: DataRecipe) -> None:
    command = [sys.executable, "-c", SCRIPT, recipe.source, str(tmp_path / "data"), "none"]
    both = [
        subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for _ in range(2)
    ]
    for process in both:
        output, _ = process.communicate(timeout=60)
        assert (process.returncode, output) == (0, b"")
    assert visible(tmp_path / "data") == [make(recipe, tmp_path / "data").name]


def test_a_write_that_fails_is_a_sentence(tmp_path: Path, recipe: DataRecipe) -> None:
    done = run(recipe, tmp_path / "data", "limit")
    assert "cannot be written in" in done.stdout, done.stderr
    assert "(File too large); nothing of it was kept" in done.stdout
    assert visible(tmp_path / "data") == []


def test_a_root_that_is_a_file_is_a_sentence(tmp_path: Path, recipe: DataRecipe) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(StudyError, match=r"cannot be written in .*/data \(File exists\)"):
        make(recipe, tmp_path / "data")


def test_too_little_room_is_said_before_anything_is_written(tmp_path: Path) -> None:
    source = tmp_path / "huge"
    source.mkdir()
    header = "ply\nformat binary_little_endian 1.0\nelement vertex {}\n" + "".join(
        f"property float {axis}\n" for axis in "xyz"
    )
    points = shutil.disk_usage(tmp_path).free // 56 // 2
    for i in range(3):
        with (source / f"{i}.ply").open("wb") as file:
            file.write((header.format(points) + "end_header\n").encode())
            file.truncate(file.tell() + 12 * points)  # sparse: takes no room
    with pytest.raises(StudyError, match=r"needs about [\d,.]+ MB in .* MB are free; make room"):
        make(DataRecipe(source=str(source)), tmp_path / "data")
    assert visible(tmp_path / "data") == []


def small_disk(folder: Path, size: str, command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command where the folder is a file system of this size; skip where that is refused."""
    folder.mkdir()
    enter = ["unshare", "--user", "--mount", "--map-root-user", "sh", "-c"]
    mount = f'mount -t tmpfs -o size={size} tmpfs "$0"'
    if (
        shutil.which("unshare") is None
        or subprocess.run([*enter, mount, str(folder)], capture_output=True, check=False).returncode
    ):
        pytest.skip("this machine does not let a user mount a small file system")
    script = f'{mount} && "$@" && ls -A "$0"'
    return subprocess.run(
        [*enter, script, str(folder), *command],
        capture_output=True,
        text=True,
        check=False,
        cwd=CHECKOUT,
    )


@pytest.mark.parametrize(
    ("size", "action", "sentence", "left"),
    [
        ("64k", "none", "are free; make room, choose another data_root", [".lock"]),
        (
            "1m",
            "fill",
            "the disk filled up while the data set was written",
            [".lock", "of-somebody-else"],
        ),
    ],
)
def test_a_full_disk_is_a_sentence_and_leaves_nothing(
    tmp_path: Path, recipe: DataRecipe, size: str, action: str, sentence: str, left: list[str]
) -> None:
    root = tmp_path / "data"
    command = [sys.executable, "-c", SCRIPT, recipe.source, str(root), action]
    done = small_disk(root, size, command)
    said, *names = done.stdout.splitlines()
    assert sentence in said, done.stderr
    assert names == left
