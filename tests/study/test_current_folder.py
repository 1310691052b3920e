"""Files in the folder that a command is typed in: read where they are named, and never run.

A folder that somebody handed over, or in which a download ended, may hold anything. The children of
the command line and Ray's workers are other processes of Python, each with a path of its own.
"""

from __future__ import annotations

import os
import re
import signal
import site
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from study.base import children
from study.clouds import read_cloud
from study.commands.main import main
from study.storage.folder import find_study
from study.storage.progress import read_records
from tests.study.clouds.making import points_and_normals, write_las
from tests.study.ports import unused_port
from tests.study.shown import NAME, shown_study

if TYPE_CHECKING:
    from collections.abc import Mapping

COMMAND = Path(sys.executable).with_name("study")
ROOT = str(Path(__file__).parents[2])

OURS = ("study", "model", "losses")
LIBRARIES = (
    *("laspy", "lazrs", "mlflow", "numpy", "optuna", "plyfile", "psutil", "pyarrow", "pydantic"),
    *("ray", "rich", "scipy", "sqlalchemy", "torch", "trimesh", "uvicorn", "yaml", "setproctitle"),
    *("sitecustomize", "usercustomize", "colorama", "uvloop"),
)
STANDARD = ("asyncio", "json", "multiprocessing", "pickle", "random", "selectors", "ssl", "typing")

STUDY = """
name: tiny
data: {source: scans, points_per_object: 512, cube_size: 100.0}
model: {k: 8, hidden_dim: 16}
training: {epochs: 1}
search: {trials: 2, startup_trials: 2}
resources: {cohort: 1, concurrent_cohorts: 1}
objectives:
  - {metric: bpp, direction: minimize, reference: 90.0}
  - {metric: d1_psnr_db, direction: maximize, reference: 1.0}
"""


class Trap:
    """A folder with modules under others' names, each of which notes that it was run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mark = folder.parent / "was-run.txt"
        code = f"print(__name__, file=open({str(self.mark)!r}, 'a'))\nraise ImportError('trap')\n"
        for module in (*LIBRARIES, *STANDARD):
            (folder / f"{module}.py").write_text(code)
        for package in OURS:
            (folder / package).mkdir()
            (folder / package / "__init__.py").write_text(code)

    def sprung(self) -> str:
        """The modules that were run, a line each."""
        return self.mark.read_text() if self.mark.exists() else ""


@pytest.fixture
def trap(tmp_path: Path) -> Trap:
    folder = tmp_path / "here"
    folder.mkdir()
    return Trap(folder)


def surroundings(**more: str) -> Mapping[str, str]:
    """The environment of a user who has this code installed, from wherever it is tested."""
    return {**os.environ, "PYTHONPATH": ROOT, **more}


@pytest.mark.timeout(300)
def test_a_study_runs_beside_modules_of_any_name(trap: Trap) -> None:
    """From reading LAZ files, over Ray's workers, to the process that decodes its example."""
    (trap.folder / "scans").mkdir()
    for number in range(5):
        write_las(trap.folder / f"scans/{number}.laz", points_and_normals(number, 600)[0])
    (trap.folder / "tiny.yaml").write_text(STUDY)
    done = subprocess.run(
        [COMMAND, "run", "tiny.yaml"],
        cwd=trap.folder,
        env=surroundings(),
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
    assert (done.returncode, done.stderr, trap.sprung()) == (0, "", "")
    assert "A fresh process decoded the same points" in done.stdout
    folder = find_study(trap.folder / "studies", "tiny")
    records = read_records(folder, folder.config())
    assert [record.state.name for record in records] == ["COMPLETE", "COMPLETE"]


def test_a_laz_file_is_read_beside_a_module_of_its_librarys_name(
    trap: Trap, monkeypatch: pytest.MonkeyPatch
) -> None:
    points, _ = points_and_normals(1)
    path = write_las(trap.folder / "scan.laz", points)
    monkeypatch.chdir(trap.folder)
    read = read_cloud(path).points
    assert trap.sprung() == ""
    np.testing.assert_allclose(read, points, atol=0.5001e-3)


def test_the_pages_are_served_beside_modules_of_any_name(trap: Trap, tmp_path: Path) -> None:
    root = shown_study(tmp_path / "shown").path.parent
    assert main(["mlflow", "sync", NAME, "--root", str(root)]) == 0
    with subprocess.Popen(
        [COMMAND, "ui", NAME, "--root", str(root), "--port", str(unused_port())],
        cwd=trap.folder,
        env=surroundings(),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            said = ""
            for line in process.stdout:
                said += line
                if line.startswith("Ctrl-C"):
                    break
            assert trap.sprung() == "", said
            link = re.search(r"http://\S+key=\S+", said)  # The address without it is refused.
            assert link, said
            with urllib.request.urlopen(link[0], timeout=60) as answer:  # noqa: S310 (our own)
                assert answer.status == 200
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert trap.sprung() == ""


def test_studies_are_simulated_beside_modules_of_any_name(trap: Trap) -> None:
    """In two processes, which are started by a third that Python starts by itself."""
    done = subprocess.run(
        [COMMAND, "simulate", "--sampler", "random", "--seeds", "2", "--trials", "8"],
        cwd=trap.folder,
        env=surroundings(),
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert (done.returncode, done.stderr, trap.sprung()) == (0, "", "")


def test_run_as_a_module_it_takes_no_library_from_the_current_folder(tmp_path: Path) -> None:
    """But for what Python itself imports before: it puts the folder on its path, not we."""
    mark = tmp_path / "was-run.txt"
    (tmp_path / "rich.py").write_text(f"open({str(mark)!r}, 'w')\nraise ImportError\n")
    for folder in (tmp_path, Path(ROOT)):
        done = subprocess.run(
            [sys.executable, "-m", "study", "explain", "search"],
            cwd=folder,
            env=surroundings(PYTHONPATH="" if folder == Path(ROOT) else ROOT),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert (done.returncode, done.stderr, mark.exists()) == (0, "", False)
        assert "search.sampler" in done.stdout


def test_pythonpath_is_the_way_to_name_a_folder_of_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = tmp_path / "named"
    named.mkdir()
    (named / "mine.py").write_text("print('named')\n")
    (tmp_path / "stray.py").write_text("print('stray')\n")
    # An empty entry, as `PYTHONPATH=$PYTHONPATH:named` makes it, is no name.
    monkeypatch.setenv("PYTHONPATH", f"{os.pathsep}{named}")

    def runs(module: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            children.module_command(module),
            cwd=tmp_path,
            env=os.environ | children.child_variables(),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    assert runs("mine").stdout == "named\n"
    assert "No module named stray" in runs("stray").stderr


def test_installed_packages_do_not_come_before_the_standard_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    assert children.child_variables()["PYTHONPATH"] == children._ROOT
    monkeypatch.setattr(site, "getsitepackages", lambda: [str(tmp_path)])
    monkeypatch.setattr(children, "_ROOT", os.path.realpath(tmp_path))
    assert children.child_variables()["PYTHONPATH"] == ""
