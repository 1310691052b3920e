"""Whether a study runs, as whoever only looks can tell."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from study.base.records import TrialState
from study.commands.status import summary
from study.driver.runner import open_store
from study.storage.folder import create_study_folder
from study.storage.lease import STALE_S, _ourselves
from study.storage.progress import read_progress
from study.storage.study_file import parse_study
from tests.study.toy import STUDY

if TYPE_CHECKING:
    from pathlib import Path


def test_a_driver_on_another_machine_is_told_by_its_signs_of_life(tmp_path: Path) -> None:
    config = parse_study(STUDY + f"root: {tmp_path}/studies\n", origin="toy")
    with create_study_folder(config) as folder:
        folder.ray.mkdir()
    assert read_progress(folder, config).records == []
    store = open_store(config, folder)
    store.ask()
    assert summary(config, read_progress(folder, config)).startswith("interrupted, 0 of 3 trials")

    elsewhere = replace(_ourselves(folder), host="elsewhere", machine="other", beat=time.time())
    store.write_lease(asdict(elsewhere))
    standing = read_progress(folder, config)
    assert summary(config, standing) == "running, 0 of 3 trials finished (1 running)"
    assert [record.state for record in standing.records] == [TrialState.RUNNING]

    store.write_lease(asdict(replace(elsewhere, beat=time.time() - STALE_S - 5)))
    assert not read_progress(folder, config).driven
