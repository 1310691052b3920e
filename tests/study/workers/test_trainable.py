"""How a worker goes on with a cohort: from the newest checkpoint that is whole, or from none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from study.config import CohortConfig, TrialConfig
from study.search.architectures import preparations
from study.search.space import baseline, trial_config
from study.study_file import parse_study
from study.workers.cohort_folder import CohortFolders
from study.workers.reports import EPOCH, FINAL, METRICS, TRIAL
from study.workers.trainable import (
    COHORT_CONFIG,
    NOTE,
    PROGRESS_FILE,
    REPORTS,
    CohortTrainable,
)
from tests.study.toy import STUDY, ToyWork

if TYPE_CHECKING:
    from collections.abc import Callable

EPOCHS = 3


class Worker(CohortTrainable):
    """Toy trials that need no data, in this process."""

    def open_work(self, cohort: CohortConfig) -> ToyWork:
        return ToyWork(cohort)

    @staticmethod
    def stopwatch(trial: TrialConfig) -> Callable[[int], float | None]:
        raise NotImplementedError


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CohortFolders:
    # Without a cluster Ray makes a folder for each worker in the user's home.
    monkeypatch.setattr("ray.tune.trainable.trainable.DEFAULT_STORAGE_PATH", str(tmp_path / "ray"))
    return CohortFolders(tmp_path / "cohorts")


def trials(more: str = "") -> tuple[TrialConfig, ...]:
    config = parse_study(STUDY + more, origin="toy")
    places = dict.fromkeys(preparations(config), Path("nowhere"))
    return tuple(
        trial_config(config, number, baseline(config), data_folders=places) for number in (0, 1)
    )


def opened(folders: CohortFolders, members: tuple[TrialConfig, ...] | None = None) -> Worker:
    """A worker that is handed the cohort as the driver does it."""
    before = folders.checkpoints([0])
    cohort = CohortConfig(
        cohort=0,
        trials=members or trials(),
        size=2,
        folder=str(folders.open(0).path),
        restore=tuple(map(str, before)),
    )
    return Worker({COHORT_CONFIG: cohort.model_dump_json()})


def stepped(worker: Worker) -> tuple[list[tuple[int, int | str]], str]:
    """What a step says of each trial, an epoch's number or that it is measured, and its note."""
    result: dict[str, Any] = worker.step()
    reports = json.loads(result[REPORTS])
    return [(r[TRIAL], "measured" if FINAL in r else r[EPOCH]) for r in reports], result[NOTE]


def test_the_last_two_reports_are_told_again_and_nothing_is_trained_twice(
    folders: CohortFolders,
) -> None:
    first = opened(folders)
    said = [stepped(first) for _ in range(2)]
    second = opened(folders)
    assert [stepped(second) for _ in range(2)] == said
    rest = [stepped(second)[0] for _ in range(3)]
    assert rest == [[(0, EPOCHS), (1, EPOCHS)], [(0, "measured")], [(1, "measured")]]


@pytest.mark.parametrize("file", [PROGRESS_FILE, "toy.json"])
def test_a_torn_checkpoint_gives_way_to_the_one_before(folders: CohortFolders, file: str) -> None:
    first = opened(folders)
    for _ in range(2):
        stepped(first)
    newest = folders.checkpoints([0])[0] / file
    newest.write_text(newest.read_text()[:-20])
    second = opened(folders)
    assert stepped(second) == ([(0, 1), (1, 1)], "")  # As the checkpoint before says.
    assert stepped(second) == ([(0, 2), (1, 2)], "")
    assert second._progress.steps == 2


def test_where_no_checkpoint_is_whole_the_cohort_begins_anew_and_says_so(
    folders: CohortFolders,
) -> None:
    first = opened(folders)
    for _ in range(2):
        stepped(first)
    for path in folders.checkpoints([0]):
        (path / "toy.json").unlink()
    second = opened(folders)
    assert stepped(second) == (
        [(0, 1), (1, 1)],
        "a cohort begins anew, for none of its checkpoints is whole",
    )
    assert stepped(second) == ([(0, 2), (1, 2)], "")


def test_who_ended_meanwhile_is_let_go_and_who_is_new_is_taken_in(folders: CohortFolders) -> None:
    stepped(opened(folders))
    config = parse_study(STUDY, origin="toy")
    places = dict.fromkeys(preparations(config), Path("nowhere"))
    new = trial_config(config, 5, baseline(config), data_folders=places)
    second = opened(folders, (trials()[1], new))
    assert stepped(second)[0] == [(0, 1), (1, 1)]  # What the driver that died may not have heard.
    assert stepped(second)[0] == [(1, 2), (5, 1)]


@pytest.mark.parametrize("asked", [True, False])
def test_epochs_tell_what_the_machine_was_busy_with_where_the_study_asks(
    folders: CohortFolders, *, asked: bool
) -> None:
    worker = opened(folders, trials(f"tracking: {{system_metrics: {str(asked).lower()}}}"))
    held = bytearray(2**26)  # 64 MiB that the process surely has.
    (first, second) = json.loads(worker.step()[REPORTS])
    told = {name: v for name, v in first[METRICS].items() if name.startswith("system/")}
    assert told == {name: v for name, v in second[METRICS].items() if name.startswith("system/")}
    if not asked:
        assert told == {}
        return
    assert told.keys() >= {"system/cpu_percent", "system/machine_cpu_percent"}
    assert len(held) / 2**20 < told["system/memory_mib"] < 2**20
    assert 0 < told["system/machine_memory_percent"] <= 100
