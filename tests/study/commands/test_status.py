"""What `study status` says of a study's trials, and why some of them are not on the front."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from rich.console import Console

from study.base.records import EpochRecord, TrialRecord, TrialState
from study.commands import status
from study.storage.folder import StudyFolder
from study.storage.progress import StudyProgress, read_records
from study.storage.study_file import parse_study
from study.storage.trial_store import TrialStore
from tests.study.toy import STUDY

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from study.config import StudyConfig

EPOCHS = (EpochRecord(1, {"bpp_estimated": 0.75, "d1_psnr_db": 31.25}),)


@dataclass
class Folder:
    """What `show_study` asks a study's folder."""

    text: str

    def config(self) -> StudyConfig:
        return parse_study(self.text, origin="toy")

    def driver_alive(self) -> bool:
        return True


def test_every_trial_that_is_not_on_the_front_for_good_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    final = {"bpp": 1.5, "d1_psnr_db": 35.0, "decode_s": 0.07}
    records = [
        TrialRecord(0, TrialState.COMPLETE, {}, EPOCHS, 3, final, feasible=False),
        TrialRecord(1, TrialState.COMPLETE, {}, EPOCHS, 3, {**final, "decode_s": 0.05}),
        TrialRecord(2, TrialState.PRUNED, {}, EPOCHS, 3, outcome="stopped after epoch 1: 3rd of 3"),
        TrialRecord(3, TrialState.FAILED, {}, EPOCHS, 3, outcome="diverged: [red] loss"),
        TrialRecord(4, TrialState.RUNNING, {}, EPOCHS, 3),
    ]
    monkeypatch.setattr(status, "read_progress", lambda *_: StudyProgress(records, driven=True))
    folder = cast("StudyFolder", Folder(STUDY + "constraints: [decode_s <= 0.05]"))
    console = Console(file=io.StringIO(), width=100)
    status.show_study(folder, console)
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert lines[-3:] == [
        "trial 0 breaks decode_s <= 0.05",
        "trial 2 stopped after epoch 1: 3rd of 3",
        "trial 3 diverged: [red] loss",
    ]
    rows = {cells[1].strip(): cells for cells in (line.split("│") for line in lines) if cells[1:]}
    assert [cell.strip() for cell in rows["◆ 1"][2:6]] == ["complete", "1/3", "1.500", "35.00"]
    assert [cell.strip() for cell in rows["2"][2:6]] == ["pruned", "1/3", "~0.750", "~31.25"]
    assert rows["0"][2].strip() == "infeasible"


def test_a_study_without_trials_has_no_list_of_their_states() -> None:
    config = parse_study(STUDY, origin="toy")
    told = status.summary(config, StudyProgress([], driven=False))
    assert told == f"interrupted, 0 of {config.search.trials} trials finished"


def test_where_no_complete_trial_keeps_the_constraints_the_summary_says_so() -> None:
    config = parse_study(STUDY + "constraints: [bpp <= 1]", origin="toy")
    final = {"bpp": 1.5, "d1_psnr_db": 35.0}
    records = [
        TrialRecord(number, TrialState.COMPLETE, {}, EPOCHS, 3, final, feasible=False)
        for number in range(3)
    ]
    told = status.summary(config, StudyProgress(records, driven=False))
    end = ", none keeps the constraints"
    assert told == f"finished, 3 of 3 trials finished (3 complete){end}"
    kept = TrialRecord(2, TrialState.COMPLETE, {}, EPOCHS, 3, {**final, "bpp": 0.5})
    assert end not in status.summary(config, StudyProgress([*records[:2], kept], driven=False))
    failed = TrialRecord(0, TrialState.FAILED, {}, EPOCHS, 3)
    assert end not in status.summary(config, StudyProgress([failed], driven=False))


def test_a_study_in_a_storage_elsewhere_is_read_and_not_made_there(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'server.db'}"
    config = parse_study(STUDY + f"storage: {{uri: '{uri}'}}", origin="toy")
    folder = StudyFolder(tmp_path / "toy")
    assert read_records(folder, config) == []
    assert read_records(folder, config) == []
    store = TrialStore(config, folder.database)
    assert not store.is_begun()
    store.enqueue_first("v1")
    store.ask()
    assert [record.number for record in read_records(folder, config)] == [0]
