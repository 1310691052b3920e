"""The folders that a study makes for itself are its user's alone."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from study.commands.main import main
from study.storage.folder import create_study_folder
from study.storage.study_file import parse_study
from study.tracking.client import connect
from tests.study.second_user import as_second_user, needs_second_user
from tests.study.toy import STUDY


@needs_second_user
def test_another_user_reads_nothing_of_roots_that_were_made_here() -> None:
    with tempfile.TemporaryDirectory() as made:
        open_to_all = Path(made)
        open_to_all.chmod(0o755)
        before = os.umask(0o022)
        try:
            places = f"root: {made}/studies\ndata_root: {made}/data\n"
            (open_to_all / "mine.yaml").write_text(STUDY + places)
            config = parse_study(STUDY + places, origin="mine")
            with create_study_folder(config):
                connect(f"sqlite:///{made}/other/mlflow.db")
                assert main(["prepare", f"{made}/mine.yaml"]) == 0
        finally:
            os.umask(before)
        for name in ("studies", "data", "other"):
            assert "Permission denied" in as_second_user(f"ls {made}/{name}"), name


@pytest.mark.parametrize("mode", [0o755, 0o770])
def test_a_root_that_was_there_stays_as_its_user_made_it(mode: int, tmp_path: Path) -> None:
    root = tmp_path / "studies"
    root.mkdir()
    root.chmod(mode)
    with create_study_folder(parse_study(STUDY + f"root: {root}\n", origin="mine")):
        assert root.stat().st_mode & 0o777 == mode
