"""What a killed driver left half-written in the truth is brought to its end by the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import optuna
import pytest

from study.base.records import Failure, Fault, TrialState
from study.halting.budget import Budget
from study.halting.halts import Halts
from study.storage.study_file import parse_study
from study.storage.trial_rows import ENDING
from study.storage.trial_store import TrialStore
from tests.study.toy import STUDY

if TYPE_CHECKING:
    from pathlib import Path

    from study.config import StudyConfig

GOOD = {"loss": 1.0, "bpp_estimated": 0.5, "d1_psnr_db": 40.0}
POOR = {"loss": 1.0, "bpp_estimated": 2.0, "d1_psnr_db": 30.0}


def config_with(more: str = "", search: str = "{trials: 9, sampler: random}") -> StudyConfig:
    text = STUDY.replace("{trials: 3, startup_trials: 2}", search)
    return parse_study(text.replace("{epochs: 3}", "{epochs: 9}") + more, origin="toy")


@pytest.fixture
def config() -> StudyConfig:
    return config_with("halting: {rule: pareto, grace: 1, reduction: 2}\n")


def opened(config: StudyConfig, folder: Path) -> TrialStore:
    """The store as a new process has it."""
    store = TrialStore(config, folder / "optuna.db")
    store.enqueue_first("v1")
    return store


def states(folder: Path) -> list[str]:
    study = optuna.load_study(study_name=None, storage=f"sqlite:///{folder}/optuna.db")
    return [trial.state.name for trial in study.trials]


def test_a_trial_that_was_asked_for_halfway_gets_the_settings_it_would_have_had(
    config: StudyConfig, tmp_path: Path
) -> None:
    for name in ("whole", "half"):
        (tmp_path / name).mkdir()
        opened(config, tmp_path / name).ask()
    _, whole = opened(config, tmp_path / "whole").ask()
    half = opened(config, tmp_path / "half")
    half._study.ask()  # And here the driver is killed: it has not one of its settings.

    first, second = opened(config, tmp_path / "half").settle()
    assert (first.number, second.number) == (0, 1)
    assert second.settings == whole
    assert second.cohorts == ()


def test_an_end_that_was_written_but_not_told_is_told(config: StudyConfig, tmp_path: Path) -> None:
    killed = opened(config, tmp_path)
    for _ in range(2):
        killed.ask()
    final = {"bpp": 0.5, "d1_psnr_db": 34.0}
    ending = {"state": "complete", "outcome": "measured", "elapsed_s": 3.0, "final": final}
    killed._write(0, ENDING, ending)
    killed._write(1, ENDING, {"state": "failed", "outcome": "hung: it did", "elapsed_s": None})
    assert states(tmp_path)[:2] == ["RUNNING"] * 2

    store = opened(config, tmp_path)
    assert store.settle() == []
    assert store.settle() == []
    done, failed = store.record(0), store.record(1)
    assert (done.state, done.final, done.outcome) == (TrialState.COMPLETE, final, "measured")
    assert (failed.state, failed.outcome) == (TrialState.FAILED, "hung: it did")
    assert states(tmp_path)[:2] == ["COMPLETE", "FAIL"]


def test_a_trial_that_was_to_stop_at_a_rung_is_stopped_and_another_goes_on(
    config: StudyConfig, tmp_path: Path
) -> None:
    killed = opened(config, tmp_path)
    for _ in range(2):
        killed.ask()
    killed.record_cohort(1, 0)
    killed.record_epoch(0, 1, POOR, 2.0, "stopped after epoch 1: last", at_rung=True)
    killed.record_epoch(1, 1, GOOD, 2.0, at_rung=True)

    store = opened(config, tmp_path)
    (left,) = store.settle()
    assert (left.number, left.cohorts) == (1, (0,))
    stopped = store.record(0)
    assert (stopped.state, stopped.rung) == (TrialState.PRUNED, 1)
    assert stopped.outcome == "stopped after epoch 1: last"
    assert states(tmp_path)[:2] == ["PRUNED", "RUNNING"]


def test_the_halting_rule_is_asked_once_about_a_trial_at_a_rung(
    config: StudyConfig, tmp_path: Path
) -> None:
    store, halts = opened(config, tmp_path), Halts(config)
    for number in range(2):
        store.ask()
        judged = halts.judge({number: (1, POOR if number == 0 else GOOD)}, {number: 9})
        assert judged.asked == {number}
        assert not judged.stops  # The first is alone, and the second beats it.
        store.record_epoch(number, 1, GOOD if number else POOR, 1.0, at_rung=True)

    again = Halts(config)
    again.recall(store.records(driver_alive=True))
    repeated = again.judge({0: (1, POOR), 1: (1, GOOD)}, {0: 9, 1: 9})
    assert repeated.stops == {}, "who went on is not stopped because it is told of again"
    assert repeated.asked == {0, 1}, "or it would no longer be written down that it was asked"
    bad = {**POOR, "bpp_estimated": 3.0}
    assert set(again.judge({3: (1, bad)}, {3: 9}).stops) == {3}, "who was there before is known"
    assert Halts(config).judge({3: (1, bad)}, {3: 9}).stops == {}, "and decides"
    assert again.judge({4: (1, bad)}, {4: 1}).asked == frozenset(), "its last epoch is no rung"


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ("", "none"),
        ("budget: {epochs: 30}\n", "none"),
        ("budget: {epochs: 29}\n", "its budget of 29 epochs leaves none for a further trial"),
        # The complete one adds (3 - 1) (31 - 25) = 12, the failed one nothing.
        ("budget: {gain: {hypervolume: 13.0, trials: 2}}\n", "the last 2 trials added 12 to the"),
        ("budget: {gain: {hypervolume: 11.0, trials: 2}}\n", "none"),
        ("budget: {gain: {hypervolume: 13.0, trials: 3}}\n", "none"),
    ],
)
def test_a_budget_counts_alike_after_a_restart(more: str, sentence: str, tmp_path: Path) -> None:
    config = config_with(more)
    store, budget = opened(config, tmp_path), Budget(config)
    for number in range(3):  # 1 + 2 epochs and an end, 9 epochs and an end, and 9 that may come
        store.ask()
        budget.begin(number, 9)
        for epoch in range(1, (3, 9, 1)[number] + 1):
            store.record_epoch(number, epoch, GOOD, 1.0)
    store.fail(0, Failure.of(Fault.DIVERGED, "it did"))
    store.complete(1, {"bpp": 1.0, "d1_psnr_db": 31.0}, 9.0)
    for record in store.records(driver_alive=True):
        budget.on_trial(record)
    again = Budget(config)
    again.recall(store.records(driver_alive=True))
    for each in (budget, again):
        assert each.epochs == 3 + 9 + 9
        assert (each.spent() or "none")[: len(sentence)] == sentence
