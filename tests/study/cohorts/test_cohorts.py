"""Cohorts: which trials train together, and what is written down of each, without Ray."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from study.base.records import Failure, Fault, TrialState
from study.cohorts.cohorts import Cohorts, Settings
from study.cohorts.pace import even_size, learning_size
from study.cohorts.reports import EpochReport, FailureReport, FinalReport
from study.config import CohortConfig
from study.halting.budget import Budget
from study.halting.halts import Halts
from study.search.architectures import preparations
from study.search.space import trial_config
from study.storage.study_file import parse_study
from study.storage.trial_store import TrialStore
from tests.study.toy import STUDY

if TYPE_CHECKING:
    from collections.abc import Callable

    from study.base.records import TrialRecord

    Make = Callable[..., tuple[Cohorts, TrialStore, "Seen"]]

FINAL_METRICS = {"bpp": 1.0, "d1_psnr_db": 30.0}
SHAPES = "space: {model.dim: {choices: [8, 16]}, loss.bpp_lambda: {low: 1e-4, high: 0.1}}"


class Seen:
    def __init__(self) -> None:
        self.numbers: list[int] = []

    def on_trial(self, record: TrialRecord) -> None:
        self.numbers.append(record.number)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def made(
        trials: int, size: int, search: str = "", halting: str = "{}"
    ) -> tuple[Cohorts, TrialStore, Seen]:
        ours = f"trials: {trials}, startup_trials: 2" + (f", {search}" if search else "")
        text = STUDY.replace("trials: 3, startup_trials: 2", ours)
        config = parse_study(f"{text}\nhalting: {halting}", origin="toy")
        store = TrialStore(config, tmp_path / "optuna.db")
        store.enqueue_first("v1")
        data = dict.fromkeys(preparations(config), Path("x"))
        make_config = partial(trial_config, config, data_folders=data)
        seen = Seen()
        cohorts = Cohorts(
            store,
            make_config,
            [seen],
            Settings(size),
            budget=Budget(config),
            halts=Halts(config),
        )
        return cohorts, store, seen

    return made


def formed(cohorts: Cohorts) -> list[CohortConfig]:
    found = []
    while (cohort := cohorts.form()) is not None:
        found.append(cohort)
    return found


def numbers(cohort: CohortConfig) -> list[int]:
    return [trial.trial for trial in cohort.trials]


def epoch(trial: int, number: int = 1, loss: float = 1.0) -> EpochReport:
    return EpochReport(trial=trial, epoch=number, metrics={"loss": loss}, elapsed_s=1.0)


def final(trial: int, metrics: dict[str, float] = FINAL_METRICS) -> FinalReport:
    return FinalReport(trial=trial, metrics=metrics, elapsed_s=2.0)


def test_every_trial_of_the_budget_is_in_one_cohort(make: Make) -> None:
    cohorts, store, seen = make(trials=7, size=3)
    found = formed(cohorts)
    assert [numbers(cohort) for cohort in found] == [[0, 1, 2], [3, 4, 5], [6]]
    assert [cohort.cohort for cohort in found] == [0, 1, 2]
    assert [record.cohort for record in store.records(driver_alive=True)] == [0] * 3 + [1] * 3 + [2]
    assert seen.numbers == list(range(7))


def test_a_cohort_is_of_one_shape_and_the_rest_is_still_searched(make: Make) -> None:
    cohorts, store, _ = make(trials=12, size=4, search=SHAPES)
    found = formed(cohorts)
    assert sum(len(cohort.trials) for cohort in found) == 12
    for cohort in found:
        assert len({trial.model.dim for trial in cohort.trials}) == 1
        assert len(cohort.trials) == 4
    settings = [record.params for record in store.records(driver_alive=True)]
    assert {each["model.dim"] for each in settings} == {8, 16}, "both shapes are tried"
    assert len({each["loss.bpp_lambda"] for each in settings}) == 12


def test_a_wish_of_another_shape_begins_the_next_cohort(make: Make) -> None:
    wishes = "first: [{model.dim: 8}, {model.dim: 16}, {model.dim: 8}, {model.dim: 16}]"
    cohorts, _, _ = make(trials=9, size=3, search=f"{SHAPES}, {wishes}")
    found = formed(cohorts)
    dims = [{trial.model.dim for trial in cohort.trials} for cohort in found]
    assert dims == [{8}, {16}, {8}, {16}]
    # While a trial of another shape waits nobody is asked for who might be of a third.
    assert [numbers(cohort) for cohort in found] == [[0, 1], [2], [3, 5, 6], [4, 7, 8]]


def test_room_is_filled_with_the_same_shape_while_the_budget_lasts(make: Make) -> None:
    cohorts, store, _ = make(trials=5, size=3, search=SHAPES)
    first = cohorts.form()
    assert first is not None
    joined = cohorts.take(0, [], room=1).join
    assert [trial.trial for trial in joined] == [3]
    assert joined[0].shape == first.trials[0].shape
    assert store.record(3).cohort == 0
    assert [trial.trial for trial in cohorts.take(0, [], room=2).join] == [4]
    assert not cohorts.take(0, [], room=2)
    assert cohorts.form() is None


def test_what_a_restarted_worker_repeats_changes_no_end(make: Make) -> None:
    cohorts, store, _ = make(trials=3, size=3)
    cohorts.form()
    lost = FailureReport(trial=1, failure=Failure.of(Fault.DIVERGED, "NaN"), elapsed_s=2.0)
    cohorts.take(0, [epoch(0), epoch(1), epoch(2)])
    cohorts.take(0, [final(0), lost])
    cohorts.take(0, [epoch(0), epoch(1), epoch(2, loss=0.5)])
    cohorts.take(0, [final(0, {"bpp": 9.0, "d1_psnr_db": 1.0}), lost])
    done, failed, running = (store.record(number) for number in range(3))
    assert (done.state, done.final) == (TrialState.COMPLETE, FINAL_METRICS)
    assert (failed.state, failed.outcome) == (TrialState.FAILED, "diverged: NaN")
    assert failed.fault is Fault.DIVERGED
    assert running.state is TrialState.RUNNING
    assert [each.metrics["loss"] for each in running.epochs] == [0.5]


def test_what_was_taken_is_written_when_it_is_settled(make: Make) -> None:
    cohorts, store, seen = make(trials=2, size=2)
    cohorts.form()
    for number in range(1, 4):
        cohorts.take(0, [epoch(0, number), epoch(1, number)])
    cohorts.settle()
    cohorts.settle()
    assert [len(store.record(trial).epochs) for trial in range(2)] == [3, 3]
    assert seen.numbers == [0, 1] * 4


def test_what_cannot_be_written_is_not_lost_on_the_way(make: Make) -> None:
    cohorts, _, _ = make(trials=2, size=2)
    cohorts.form()
    unwritable = epoch(0).model_copy(update={"metrics": {"loss": object()}})
    cohorts.take(0, [unwritable])
    with pytest.raises(TypeError, match="not JSON serializable"):
        cohorts.settle()


def test_a_cohort_that_is_lost_goes_on_and_then_each_by_itself(make: Make) -> None:
    cohorts, store, seen = make(trials=3, size=3)
    first = cohorts.form()
    assert first is not None
    cohorts.take(0, [final(0)])
    for _ in range(4):
        assert not cohorts.is_done()
        cohorts.lose(0, Fault.LOST, "killed")
        again = cohorts.form()
        assert again is not None
        assert (again.cohort, again.trials) == (0, first.trials[1:])
    cohorts.take(0, [epoch(1)])  # Good news: it may be lost as often again.
    for _ in range(4):
        cohorts.take(0, [epoch(1)])  # What was said before is no news.
        cohorts.lose(0, Fault.LOST, "killed")
        assert cohorts.form() is not None
    cohorts.lose(0, Fault.LOST, "killed")
    alone = formed(cohorts)
    assert [(each.cohort, numbers(each)) for each in alone] == [(1, [1]), (2, [2])]
    assert [each.size for each in alone] == [1, 1], "nobody joins who may be lost with it"
    for _ in range(4):
        cohorts.lose(2, Fault.LOST, "killed")
        assert [each.cohort for each in formed(cohorts)] == [2]
    cohorts.lose(2, Fault.LOST, "killed")
    assert formed(cohorts) == []
    states = [store.record(number).state for number in range(3)]
    assert states == [TrialState.COMPLETE, TrialState.RUNNING, TrialState.FAILED]
    assert (store.record(2).fault, store.record(2).outcome) == (Fault.LOST, "lost: killed")
    assert not cohorts.is_done()
    cohorts.take(1, [final(1)])
    assert cohorts.is_done()
    assert set(seen.numbers[-2:]) == {1, 2}


def test_a_new_cohort_never_has_the_number_of_an_earlier_one(make: Make) -> None:
    """Its folder may hold checkpoints, and those of other trials."""
    cohorts, store, _ = make(trials=4, size=2)
    assert [cohort.cohort for cohort in formed(cohorts)] == [0, 1]
    cohorts.take(1, [final(trial) for trial in (2, 3)])
    store.close()
    after_a_kill, _, _ = make(trials=6, size=2)
    found = formed(after_a_kill)
    assert [(each.cohort, numbers(each)) for each in found] == [(0, [0, 1]), (2, [4, 5])]


def test_what_is_said_again_at_a_rung_stays_judged(make: Make) -> None:
    """A restarted driver learns of those that came to the rung by what is written of them."""
    cohorts, store, _ = make(trials=2, size=2, halting="{rule: pareto, grace: 1}")
    cohorts.form()
    metrics = {"bpp_estimated": 1.0, "d1_psnr_db": 30.0}
    said = EpochReport(trial=0, epoch=1, metrics=metrics, elapsed_s=1.0)
    for _ in range(2):
        cohorts.take(0, [said])
        cohorts.settle()
        assert [each.judged for each in store.record(0).epochs] == [True]


def test_no_trial_of_a_cohort_that_is_done_is_waited_for(make: Make) -> None:
    cohorts, store, seen = make(trials=2, size=2)
    formed(cohorts)
    cohorts.take(0, [final(0)])
    cohorts.end(0)
    done, untold = store.record(0), store.record(1)
    assert (done.state, done.outcome) == (TrialState.COMPLETE, "trained to the end and measured")
    assert untold.state is TrialState.FAILED
    assert untold.outcome.startswith("lost: its cohort ended and its worker told nothing of it")
    assert seen.numbers[-2:] == [0, 1]


def test_a_trial_that_ends_in_its_first_epoch_keeps_its_configuration(make: Make) -> None:
    cohorts, store, _ = make(trials=1, size=1)
    cohort = cohorts.form()
    assert cohort is not None
    (trial,) = cohort.trials
    seven = trial.training.model_copy(update={"epochs": 7})
    seen = trial.model_copy(update={"training": seven})
    failure = Failure.of(Fault.DIVERGED, "NaN")
    cohorts.take(0, [FailureReport(trial=0, failure=failure, config=seen, elapsed_s=1.0)])
    assert (store.record(0).state, store.record(0).total_epochs) == (TrialState.FAILED, 7)
    assert store.worker_config(0) == seen.model_dump(mode="json")


def test_a_cohort_of_two_shapes_or_without_room_cannot_be(make: Make) -> None:
    cohorts, _, _ = make(trials=2, size=2)
    cohort = cohorts.form()
    assert cohort is not None
    told = cohort.model_dump(mode="json")
    with pytest.raises(ValueError, match="has no room in size 1"):
        CohortConfig.model_validate({**told, "size": 1}, strict=False)
    told["trials"][1]["seed"] += 1
    with pytest.raises(ValueError, match="must be of one shape, but are of 2"):
        CohortConfig.model_validate(told, strict=False)


@pytest.mark.parametrize(
    ("trials", "most", "at_once", "size"),
    [(20, 8, 2, 5), (8, 4, 2, 4), (6, 4, 2, 3), (8, 8, 2, 4), (1, 8, 4, 1), (100, 1, 2, 1)],
)
def test_trials_are_dealt_evenly(trials: int, most: int, at_once: int, size: int) -> None:
    assert even_size(trials, most, at_once) == size


@pytest.mark.parametrize(("trials", "at_once", "size"), [(8, 2, 2), (64, 1, 32), (1, 4, 1)])
def test_there_are_two_rounds_to_learn_from(trials: int, at_once: int, size: int) -> None:
    assert learning_size(trials, at_once) == size


@pytest.mark.parametrize("module", ["study.cohorts.cohorts", "study.simulation.clock"])
def test_cohorts_are_kept_without_ray_and_without_a_driver(module: str) -> None:
    """A simulation has neither, and other ways to run cohorts need neither."""
    heavy = ["ray", "torch", "study.driver.runner", "study.driver.tuning"]
    script = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
