"""The truth about trials: what was told is what is read, by this process and by the next."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import optuna
import pytest

from study.base.errors import StudyError
from study.base.records import EpochRecord, Failure, Fault, TrialState
from study.storage.study_file import parse_study
from study.storage.trial_rows import ENDING
from study.storage.trial_store import TrialStore
from tests.study.toy import STUDY

if TYPE_CHECKING:
    from pathlib import Path

    from study.config import StudyConfig

PUBLISHED = {
    "loss.bpp_lambda": 1e-4,
    "loss.chamfer_coe": 0.1,
    "loss.density_coe": 1e-4,
    "loss.pts_num_coe": 5e-7,
}


@pytest.fixture
def config() -> StudyConfig:
    first = "startup_trials: 2, first: [{loss.bpp_lambda: 0.05}]"
    return parse_study(STUDY.replace("startup_trials: 2", first), origin="toy")


@pytest.fixture
def store(config: StudyConfig, tmp_path: Path) -> TrialStore:
    store = TrialStore(config, tmp_path / "optuna.db")
    store.enqueue_first("v1")
    return store


def test_trial_0_is_the_published_setting_and_the_wishes_follow(store: TrialStore) -> None:
    assert store.ask() == (0, PUBLISHED)
    number, wished = store.ask()
    assert number == 1
    assert wished["loss.bpp_lambda"] == 0.05
    assert wished.keys() == PUBLISHED.keys()
    assert [record.is_baseline for record in store.records(driver_alive=True)] == [True, False]


def test_a_first_trial_with_any_other_coefficient_is_not_the_published_one(tmp_path: Path) -> None:
    config = parse_study(STUDY + "loss: {mean_distance_coe: 49.0}", origin="toy")
    store = TrialStore(config, tmp_path / "optuna.db")
    store.enqueue_first("v1")
    store.ask()
    assert not store.record(0).is_baseline


def test_reading_writes_nothing(config: StudyConfig, store: TrialStore, tmp_path: Path) -> None:
    store.ask()
    database = tmp_path / "optuna.db"
    before = database.read_bytes()
    assert len(TrialStore(config, database).records(driver_alive=False)) == 1
    assert database.read_bytes() == before
    assert TrialStore(config, database).identity == store.identity
    other = config.model_copy(update={"name": "other"})
    # A file is one study's, whatever its folder is called by now.
    assert TrialStore(other, database).identity == store.identity
    assert database.read_bytes() == before


def test_of_several_studies_in_a_file_the_one_of_the_name_is_meant(
    config: StudyConfig, store: TrialStore, tmp_path: Path
) -> None:
    database = tmp_path / "optuna.db"
    optuna.create_study(study_name="second", storage=f"sqlite:///{database}")
    assert TrialStore(config, database).identity == store.identity
    with pytest.raises(StudyError, match="must hold the study other"):
        TrialStore(config.model_copy(update={"name": "other"}), database)


def test_the_order_of_settings_is_the_seeds(config: StudyConfig, tmp_path: Path) -> None:
    def drawn(name: str) -> list[object]:
        store = TrialStore(config, tmp_path / name)
        store.enqueue_first("v1")
        return [store.ask() for _ in range(4)]

    assert drawn("a.db") == drawn("b.db")


def test_everything_told_is_read_back_by_another_process(
    config: StudyConfig, store: TrialStore, tmp_path: Path
) -> None:
    number, _ = store.ask()
    store.record_config(number, {"training": {"epochs": 7}})
    store.record_epoch(number, 1, {"loss": 3.0}, elapsed_s=1.5)
    store.record_epoch(number, 2, {"loss": 2.0}, elapsed_s=2.5)
    store.record_cohort(number, 5)
    final = {"bpp": 0.5, "d1_psnr_db": 34.0, "encode_s": 0.1}
    store.complete(number, final, elapsed_s=3.0)

    (record,) = TrialStore(config, tmp_path / "optuna.db").records(driver_alive=False)
    assert record.state is TrialState.COMPLETE
    assert record.params == PUBLISHED
    assert record.epochs == (
        EpochRecord(1, {"loss": 3.0}, 1.5),
        EpochRecord(2, {"loss": 2.0}, 2.5),
    )
    assert record.total_epochs == 7
    assert record.final == final
    assert record.elapsed_s == 3.0
    assert (record.cohort, record.folder) == (5, "codecs/trial-0000")


def test_an_epoch_that_is_trained_again_replaces_the_first_attempt(store: TrialStore) -> None:
    number, _ = store.ask()
    store.record_epoch(number, 1, {"loss": 3.0}, elapsed_s=1.0)
    store.record_epoch(number, 1, {"loss": 2.5}, elapsed_s=4.0)
    assert store.record(number).epochs == (EpochRecord(1, {"loss": 2.5}, 4.0),)


def test_an_unfinished_trial_runs_only_as_long_as_its_driver(store: TrialStore) -> None:
    store.ask()
    assert store.records(driver_alive=True)[0].state is TrialState.RUNNING
    assert store.records(driver_alive=False)[0].state is TrialState.INTERRUPTED


@pytest.mark.parametrize("bad", [math.nan, math.inf, None])
def test_a_codec_that_could_not_be_measured_is_never_complete(
    store: TrialStore, bad: float | None
) -> None:
    number, _ = store.ask()
    final = {"bpp": 0.5} if bad is None else {"bpp": 0.5, "d1_psnr_db": bad}
    store.complete(number, final, elapsed_s=1.0)
    record = store.record(number)
    assert record.state is TrialState.FAILED
    assert "could not be measured: bpp = 0.5, d1_psnr_db =" in record.outcome


def test_a_failed_trial_keeps_its_fault_and_its_sentence(store: TrialStore) -> None:
    number, _ = store.ask()
    # The fault is stored: it is not what the sentence would make one think.
    store.fail(number, Failure(Fault.HUNG, "diverged: the loss became NaN"), elapsed_s=2.0)
    record = store.record(number)
    assert (record.state, record.fault) == (TrialState.FAILED, Fault.HUNG)
    assert record.outcome == "diverged: the loss became NaN"


def test_a_trial_that_did_not_fail_has_no_fault(store: TrialStore) -> None:
    number, _ = store.ask()
    assert store.record(number).fault is None
    store.complete(number, {"bpp": 0.5, "d1_psnr_db": 30.0}, elapsed_s=1.0)
    assert store.record(number).fault is None


@pytest.mark.parametrize(
    ("sentence", "fault"),
    [
        ("diverged: its loss stopped being a finite number in epoch 2", Fault.DIVERGED),
        ("out of memory: even alone this trial needs more", Fault.OUT_OF_MEMORY),
        ("hung: a step took longer than resources.longest_step_s allows", Fault.HUNG),
        ("lost: its worker was killed or its machine is gone", Fault.LOST),
        ("error: RuntimeError: diverged: it says", Fault.ERROR),
        ("the finished codec could not be measured: bpp = nan", Fault.ERROR),
        ("", Fault.ERROR),
    ],
)
def test_a_failure_stored_by_an_earlier_version_has_its_fault(
    sentence: str, fault: Fault, store: TrialStore
) -> None:
    number, _ = store.ask()
    ending = {"state": "failed", "outcome": sentence, "elapsed_s": 2.0}
    store._write(number, ENDING, ending)
    store._tell(number, ending)
    record = store.record(number)
    assert (record.fault, record.outcome) == (fault, sentence)
