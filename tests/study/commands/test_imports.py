"""What commands import: a refusal, or a look at a study, does not wait for what trains one."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING

import pytest

from tests.study.test_earlier_studies import FIXTURE
from tests.study.toy import STUDY

if TYPE_CHECKING:
    from pathlib import Path

HEAVY = ("torch", "ray", "mlflow", "optuna", "matplotlib", "pandas", "pyarrow", "scipy")
"""Each takes a fifth of a second at least, and some take seconds."""

_SCRIPT = f"""
import sys
from study.commands.main import main
try: code = main(sys.argv[1:])
except SystemExit as end: code = end.code
print(code, *(name for name in {HEAVY} if name in sys.modules))
"""


def imported(folder: Path, *words: str) -> tuple[int, set[str]]:
    """Run a command in a process of its own: its exit code, and what it has imported."""
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    code, *names = done.stdout.splitlines()[-1].split()
    return int(code), set(names)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with studies, and a study file with a fault."""
    folder = tmp_path_factory.mktemp("imports")
    with tarfile.open(FIXTURE) as archive:
        archive.extractall(folder / "studies", filter="data")
    (folder / "bad.yaml").write_text(STUDY.replace("epochs", "epoch"))
    return folder


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["explain"]])
def test_help_imports_nothing_heavy(words: list[str], here: Path) -> None:
    assert imported(here, *words) == (0, set())


@pytest.mark.parametrize(
    "words",
    [
        ["run", "none.yaml"],
        ["run", "bad.yaml"],
        ["prepare", "bad.yaml"],
        ["explain", "nothing"],
        *([command, "none"] for command in ("resume", "status", "front", "ui")),
        ["front", "none", "--json"],
        ["compare", "none", "finished"],
        ["export", "none", "--knee", "codec"],
        ["mlflow", "sync", "none"],
        ["record", "none", "table.parquet"],
        ["record", "finished", "table.csv"],
        ["export", "finished", "--knee"],
        ["simulate", "--out", "."],
        ["simulate", "--study", "bad.yaml"],
        ["import-checkpoint", "checkpoint.pth", "codec"],
    ],
)
def test_a_refusal_imports_nothing_heavy(words: list[str], here: Path) -> None:
    assert imported(here, *words) == (2, set())


@pytest.mark.parametrize("words", [["status"], ["status", "finished"]])
def test_a_look_at_trials_imports_what_reads_their_database(words: list[str], here: Path) -> None:
    assert imported(here, *words) == (0, {"optuna"})
