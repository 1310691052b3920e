"""Studies in which all that can happen to a trial does: real Ray, real Optuna, toy codecs."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import optuna
import pytest
from rich.console import Console

from study.base.records import Fault, TrialState
from study.driver.cluster import ray_running
from study.driver.runner import run_study
from study.storage.study_file import parse_study
from tests.study import toy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from study.driver.runner import Ended

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module", autouse=True)
def one_ray() -> Iterator[None]:
    with ray_running(None):
        yield


def run(folder: Path, fates: list[int], resources: str = "") -> Ended:
    """Run a study of a trial that is fine, and of one for each of these fates."""
    first = ", ".join(f"{{training.decay_every: {fate}}}" for fate in fates)
    search = (
        f"{{trials: {1 + len(fates)}, first: [{first}], "
        "space: {training.decay_every: {low: 1, high: 15}}}"
    )
    text = toy.TOY_STUDY.replace("{trials: 3, startup_trials: 2}", search)
    text += f"root: {folder}/studies\ndata_root: {folder}/data\n"
    text += f"resources: {{cohort: 1, concurrent_cohorts: 2{resources}}}\n"
    config = parse_study(text, origin="toy")
    return run_study(config, Console(file=io.StringIO()))


def optunas_states(ended: Ended) -> set[str]:
    study = optuna.load_study(study_name=None, storage=f"sqlite:///{ended.folder.database}")
    return {trial.state.name for trial in study.trials}


def test_whatever_becomes_of_a_trial_has_a_name_and_stops_no_other(tmp_path: Path) -> None:
    fates = [toy.DIVERGES, toy.EATS_MEMORY, toy.HANGS, toy.DIES_ONCE]
    ended = run(tmp_path, fates, ", longest_step_s: 4")
    fine, diverged, too_large, hung, died_once = ended.records
    assert (fine.state, died_once.state) == (TrialState.COMPLETE, TrialState.COMPLETE)
    assert [each.fault for each in (diverged, too_large, hung)] == [
        Fault.DIVERGED,
        Fault.OUT_OF_MEMORY,
        Fault.HUNG,
    ]
    assert "resources.longest_step_s" in hung.outcome
    assert "resources.concurrent_cohorts" in too_large.outcome
    assert [len(each.epochs) for each in ended.records] == [3, 1, 1, 1, 3]
    assert optunas_states(ended) == {"COMPLETE", "FAIL"}


def test_a_data_set_that_vanishes_is_named_and_who_has_read_it_goes_on(tmp_path: Path) -> None:
    toy.set_pace(tmp_path / "data", 3.0)  # seconds: the fine one trains on when the other is lost
    ended = run(tmp_path, [toy.LOSES_DATA])
    fine, lost = ended.records
    assert fine.state is TrialState.COMPLETE
    assert (lost.state, lost.fault, len(lost.epochs)) == (TrialState.FAILED, Fault.ERROR, 1)
    assert str(tmp_path / "data") in lost.outcome
    assert "prepare the data again" in lost.outcome
    assert optunas_states(ended) == {"COMPLETE", "FAIL"}
