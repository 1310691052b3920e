"""A head is killed in the middle of its study, its disk is lost, and another goes on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from study.base.records import TrialState
from study.storage.folder import StudyFolder
from study.storage.progress import read_records
from tests.study import toy
from tests.study.conftest import ROOT
from tests.study.mirror import stores
from tests.study.mirror.mirrored import wait_for

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def start(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    """Start a command, as a user does; what it says is in a file."""
    with (folder / "said").open("ab") as said:
        return subprocess.Popen(
            [sys.executable, "-m", "study", *words],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": ROOT, "TOY_EPOCH_S": "0.3"},
            stdout=said,
            stderr=said,
        )


@pytest.mark.parametrize("manifests", [2, 6])
def test_a_study_whose_head_was_killed_goes_on_from_its_mirror(
    tmp_path: Path, moto: stores.Moto, manifests: int
) -> None:
    text = toy.TOY_STUDY + "resources: {cohort: 1, concurrent_cohorts: 1}\n"
    text += f"storage: {{mirror: '{stores.URL}', mirror_every_s: 0.05, keep: all}}\n"
    (tmp_path / "toy.yaml").write_text(text)
    head = start(tmp_path, "run", "toy.yaml")
    try:
        place = "studies/toy/manifests/"
        newest = f"{place}00000001-{manifests:08d}.json"
        wait_for(lambda: any(n.startswith(place) and n >= newest for n in moto.names()), 90)
    finally:
        head.kill()
        head.wait()
    shutil.rmtree(tmp_path / "studies")

    # Another root, for the dead head's workers may still write their logs.
    resumed = start(tmp_path, "resume", "toy", "--from", stores.URL, "--root", "fresh")
    said = tmp_path / "said"
    assert resumed.wait(100) == 0, said.read_text()
    assert "toy as it was" in said.read_text()
    folder = StudyFolder(tmp_path / "fresh" / "toy")
    records = read_records(folder, folder.config())
    assert [record.state for record in records] == [TrialState.COMPLETE] * 3
    assert [[each.epoch for each in record.epochs] for record in records] == [[1, 2, 3]] * 3
    assert sum(path.is_file() for path in folder.codecs.rglob("*")) >= 9
