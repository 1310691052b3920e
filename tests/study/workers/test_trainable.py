"""How a worker goes on with a cohort: from the newest checkpoint that is whole, or from none."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from study.base.errors import StudyError
from study.base.records import Failure, Fault
from study.cohorts.folders import CohortFolders
from study.cohorts.reports import EpochReport, FailureReport, FinalReport, from_json
from study.cohorts.worker_progress import PROGRESS_FILE
from study.config import CohortConfig, TrialConfig
from study.search.architectures import preparations
from study.search.space import baseline, trial_config
from study.storage.study_file import parse_study
from study.workers.trainable import (
    COHORT_CONFIG,
    NOTE,
    REPORTS,
    CohortTrainable,
)
from tests.study.toy import TOY_STUDY, Toy, ToyWork

EPOCHS = 3


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CohortFolders:
    def without_data(_toy: Toy, cohort: CohortConfig, _device: str) -> ToyWork:
        return ToyWork(cohort)

    monkeypatch.setattr(Toy, "work", without_data)
    monkeypatch.setattr("study.workers.trainable.device_of_worker", lambda: "cpu")
    # Without a cluster Ray makes a folder for each worker in the user's home.
    monkeypatch.setattr("ray.tune.trainable.trainable.DEFAULT_STORAGE_PATH", str(tmp_path / "ray"))
    return CohortFolders(tmp_path / "cohorts")


def trials(more: str = "") -> tuple[TrialConfig, ...]:
    config = parse_study(TOY_STUDY + more, origin="toy")
    places = dict.fromkeys(preparations(config), Path("nowhere"))
    return tuple(
        trial_config(config, number, baseline(config), data_folders=places) for number in (0, 1)
    )


def opened(
    folders: CohortFolders,
    members: tuple[TrialConfig, ...] | None = None,
) -> CohortTrainable:
    """A worker that is handed the cohort as the driver does it."""
    before = folders.checkpoints([0])
    cohort = CohortConfig(
        cohort=0,
        trials=members or trials(),
        size=2,
        folder=str(folders.open(0).path),
        restore=tuple(map(str, before)),
    )
    return CohortTrainable({COHORT_CONFIG: cohort.model_dump_json()})


def stepped(worker: CohortTrainable) -> tuple[list[tuple[int, int | str]], str]:
    """What a step says of each trial, an epoch's number or that it is measured, and its note."""
    result: dict[str, Any] = worker.step()
    said = [
        (report.trial, report.epoch if isinstance(report, EpochReport) else "measured")
        for report in from_json(result[REPORTS])
    ]
    return said, result[NOTE]


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
    config = parse_study(TOY_STUDY, origin="toy")
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
    first, second = from_json(worker.step()[REPORTS])
    assert isinstance(first, EpochReport)
    assert isinstance(second, EpochReport)
    told = {name: v for name, v in first.metrics.items() if name.startswith("system/")}
    assert told == {name: v for name, v in second.metrics.items() if name.startswith("system/")}
    if not asked:
        assert told == {}
        return
    assert told.keys() >= {"system/cpu_percent", "system/machine_cpu_percent"}
    assert len(held) / 2**20 < told["system/memory_mib"] < 2**20
    assert 0 < told["system/machine_memory_percent"] <= 100


@pytest.fixture
def earlier(folders: CohortFolders) -> CohortFolders:
    """Checkpoints that d8a9e6b wrote, whose reports had no kinds: after steps 2 and 4 of 5."""
    shutil.copytree(
        Path(__file__).with_name("before_kinds"), folders.open(0).path, dirs_exist_ok=True
    )
    return folders


def test_a_cohort_of_an_earlier_version_goes_on_and_tells_its_last_reports_again(
    earlier: CohortFolders,
) -> None:
    worker = opened(earlier)
    assert stepped(worker) == ([(0, 3), (1, 3)], "")
    (final,) = from_json(worker.step()[REPORTS])
    assert isinstance(final, FinalReport)
    assert (final.trial, final.metrics["bpp"]) == (0, 1.18675)
    assert stepped(worker) == ([(1, "measured")], "")


def test_reports_of_an_earlier_version_keep_all_that_they_say(earlier: CohortFolders) -> None:
    (earlier.checkpoints([0])[0] / PROGRESS_FILE).unlink()  # Then the one before counts.
    worker = opened(earlier)
    first, second = (from_json(worker.step()[REPORTS]) for _ in range(2))
    assert all(isinstance(report, EpochReport) for report in first)
    assert [report.config for report in first] == [  # type: ignore[union-attr]
        worker._progress.trials[number] for number in range(3)
    ]
    *epochs, failed = second
    metrics = {"loss": 0.5, "bpp_estimated": 1.05, "d1_psnr_db": 36.0, "population": 3.0}
    assert epochs == [
        EpochReport(trial=number, epoch=2, metrics=metrics, elapsed_s=epochs[0].elapsed_s)
        for number in (0, 1)
    ]
    sentence = "diverged: the loss was no longer a finite number"
    assert isinstance(failed, FailureReport)
    assert (failed.trial, failed.failure) == (2, Failure(Fault.DIVERGED, sentence))


def test_a_step_tells_what_setting_up_could_not(
    folders: CohortFolders, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a step's error Ray keeps the type, of a setup's the text alone."""

    def unlucky(_toy: Toy, cohort: CohortConfig, _device: str) -> ToyWork:
        raise StudyError(f"no luck with {cohort.cohort}")

    monkeypatch.setattr(Toy, "work", unlucky)
    worker = opened(folders)
    with pytest.raises(StudyError, match="no luck with 0"):
        worker.step()
