"""Studies whose trials train in cohorts: real Ray, real Optuna; only the codec is a toy."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import optuna
import pytest
from rich.console import Console

from study.base.records import Fault, TrialState
from study.driver.cluster import ray_running
from study.driver.runner import run_study
from study.storage.study_file import parse_study
from tests.study import toy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from study.base.records import TrialRecord
    from study.driver.runner import Ended


@pytest.fixture(scope="module", autouse=True)
def one_ray() -> Iterator[None]:
    with ray_running(None):
        yield


def run(folder: Path, search: str, resources: str, training: str = "") -> Ended:
    text = toy.TOY_STUDY.replace("{trials: 3, startup_trials: 2}", search)
    if training:
        text = text.replace("{epochs: 3}", training)
    text += f"resources: {resources}\nroot: {folder}/studies\ndata_root: {folder}/data\n"
    config = parse_study(text, origin="toy")
    return run_study(config, Console(file=io.StringIO()))


def trials(*others: tuple[int, int]) -> str:
    """A search of trial 0, which is fine and as long as the study says, and others as told.

    Each is told by its epochs and by what becomes of it.
    """
    first = ", ".join(
        f"{{training.epochs: {epochs}, training.decay_every: {fate}}}" for epochs, fate in others
    )
    return (
        f"{{trials: {1 + len(others)}, first: [{first}], "
        "space: {training.epochs: {low: 1, high: 9}, training.decay_every: {low: 1, high: 15}}}"
    )


def epochs(records: Sequence[TrialRecord]) -> list[list[int]]:
    return [[epoch.epoch for epoch in record.epochs] for record in records]


def populations(record: TrialRecord) -> list[float]:
    return [epoch.metrics["population"] for epoch in record.epochs]


def worker_configs(ended: Ended) -> list[dict[str, Any]]:
    study = optuna.load_study(study_name=None, storage=f"sqlite:///{ended.folder.database}")
    return [trial.user_attrs["config"] for trial in study.trials]


def test_trials_that_train_together_end_each_in_its_own_way(tmp_path: Path) -> None:
    search = trials((3, toy.DIVERGES), (3, toy.DIES_ONCE), (3, toy.UNMEASURABLE))
    ended = run(tmp_path, search, "{cohort: 4, concurrent_cohorts: 1}")
    fine, diverged, died_once, unmeasurable = ended.records
    assert [record.cohort for record in ended.records] == [0] * 4
    assert fine.state is TrialState.COMPLETE
    assert populations(fine) == [4, 4, 3]
    assert (diverged.state, len(diverged.epochs)) == (TrialState.FAILED, 1)
    assert diverged.outcome == "diverged: the loss was no longer a finite number"
    assert died_once.state is TrialState.COMPLETE
    assert unmeasurable.outcome == "diverged: it cannot code"
    assert epochs([fine, died_once, unmeasurable]) == [[1, 2, 3]] * 3
    assert (tmp_path / "data" / "died").exists()


def test_a_worker_that_fails_for_good_takes_nobody_along(tmp_path: Path) -> None:
    search = trials((1, toy.FINE), (3, toy.RAISES), *[(1, toy.FINE)] * 3)
    ended = run(tmp_path, search, "{cohort: 3, concurrent_cohorts: 1}")
    guilty = ended.records[2]
    assert (guilty.state, guilty.fault, epochs([guilty])) == (
        TrialState.FAILED,
        Fault.ERROR,
        [[1]],
    )
    assert guilty.outcome.startswith("error: RuntimeError: no luck today (the whole log: ")
    others = [record for record in ended.records if record is not guilty]
    assert [record.state for record in others] == [TrialState.COMPLETE] * 5
    assert epochs(others) == [[1, 2, 3], [1], [1], [1], [1]]
    # Each of those two went on by itself, to find out which of them it was.
    assert len({ended.records[0].cohort, guilty.cohort, 0}) == 3


def test_room_is_refilled_where_the_measured_times_say_so(tmp_path: Path) -> None:
    toy.set_pace(tmp_path / "data", 0.3)  # seconds of an epoch, however many train
    # Trial 3 joins, kills the worker in its first epoch, and joins again.
    others = [(2, toy.FINE), (6, toy.FINE), (3, toy.DIES_AT_BIRTH), (1, toy.FINE), (1, toy.FINE)]
    training = "{epochs: 6}"
    ended = run(tmp_path, trials(*others), "{cohort: 3, concurrent_cohorts: 1}", training)
    assert [record.state for record in ended.records] == [TrialState.COMPLETE] * 6
    assert [record.cohort for record in ended.records] == [0, 0, 0, 0, 1, 1]
    assert epochs(ended.records[:4]) == [[1, 2, 3, 4, 5, 6], [1, 2], [1, 2, 3, 4, 5, 6], [1, 2, 3]]
    assert populations(ended.records[0])[:4] == [3, 3, 2, 3]  # measured once, worth it, filled
    assert [config["order_from"] for config in worker_configs(ended)] == [0, 0, 0, 3, 0, 0]
    assert (tmp_path / "data" / "died").exists()
    longest, joined = ended.records[0], ended.records[3]
    assert longest.elapsed_s >= 6 * 0.3
    assert 3 * 0.3 <= joined.elapsed_s < longest.elapsed_s


def test_room_is_left_empty_where_the_rest_then_trains_the_faster(tmp_path: Path) -> None:
    toy.set_pace(tmp_path / "data", 0.0, 0.0, 0.03)
    training = "{epochs: 6}"
    others = [(epochs, toy.FINE) for epochs in (2, 6, 3, 1, 1)]
    ended = run(tmp_path, trials(*others), "{cohort: 3, concurrent_cohorts: 1}", training)
    assert [record.state for record in ended.records] == [TrialState.COMPLETE] * 6
    assert [record.cohort for record in ended.records] == [0, 0, 0, 1, 1, 1]
    assert populations(ended.records[0]) == [3, 3, 2, 2, 2, 2]
    assert [config["order_from"] for config in worker_configs(ended)] == [0] * 6


def test_cohorts_hold_one_architecture(tmp_path: Path) -> None:
    search = (
        "{trials: 6, first: [{model.dim: 16}, {model.dim: 8}], space: {loss.bpp_lambda: "
        "{low: 1e-4, high: 0.1}, model.dim: {choices: [8, 16]}}}"
    )
    ended = run(tmp_path, search, "{cohort: 3, concurrent_cohorts: 1}", "{epochs: 1}")
    assert [record.state for record in ended.records] == [TrialState.COMPLETE] * 6
    told = [(record.cohort, record.params["model.dim"]) for record in ended.records]
    assert told[:2] == [(0, 8), (1, 16)]
    assert len(set(told)) == len({cohort for cohort, _ in told}) < 6
    trained = [config["model"] for config in worker_configs(ended)]
    assert [model["dim"] for model in trained] == [dim for _, dim in told]


def test_a_size_that_is_measured_deals_the_trials(tmp_path: Path) -> None:
    toy.set_pace(tmp_path / "data", 0.2)
    ended = run(tmp_path, "{trials: 6}", "{concurrent_cohorts: 1}", "{epochs: 1}")
    assert [record.cohort for record in ended.records] == [0, 0, 0, 1, 1, 1]
    assert (tmp_path / "studies" / "cohort-sizes.json").exists()
