"""How many trials a cohort holds: from the study file, from what was measured, or measured now."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from study.cohorts.pace import Tried
from study.data import prepare
from study.driver.cluster import ray_running
from study.driver.sizing import (
    FILE_NAME,
    Situation,
    cohort_size,
    device_name,
    read_sizes,
    told,
    write_size,
)
from study.driver.termination import INTERRUPTED, Stopped
from study.families.dpcc.settings import ModelSection
from study.families.family import family_of
from study.search.space import baseline, trial_config
from study.storage.study_file import parse_study
from tests.study import toy
from tests.study.tiny import RECIPE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from study.config import StudyConfig, TrialConfig

RESOURCES = {"cpu": 1.0, "gpu": 0.0}


@pytest.fixture(scope="module", autouse=True)
def one_ray() -> Iterator[None]:
    with ray_running(None):
        yield


def study(
    folder: Path, trials: int, resources: str = "{}", text: str = toy.TOY_STUDY
) -> StudyConfig:
    text = text.replace("trials: 3", f"trials: {trials}")
    return parse_study(f"{text}root: {folder}\nresources: {resources}\n", origin="x")


def first_trial(config: StudyConfig, data: Path) -> TrialConfig:
    return trial_config(config, 0, baseline(config), {config.preparation: data})


def size_of(
    config: StudyConfig,
    lines: list[str],
    data: Path,
    at_once: int = 1,
) -> int:
    return cohort_size(
        config,
        first_trial(config, data),
        at_once=at_once,
        resources=RESOURCES,
        tell=lines.append,
        look=lambda: None,
    )


def test_a_number_in_the_study_file_is_taken_and_dealt_evenly(tmp_path: Path) -> None:
    lines: list[str] = []
    assert size_of(study(tmp_path, 20, "{cohort: 8}"), lines, tmp_path, at_once=2) == 5
    assert lines == []


def test_too_few_trials_for_two_rounds_are_not_worth_measuring(tmp_path: Path) -> None:
    lines: list[str] = []
    assert size_of(study(tmp_path, 4), lines, tmp_path, at_once=4) == 1
    assert lines == []
    assert not (tmp_path / FILE_NAME).exists()


def test_what_was_measured_once_is_told_and_kept(tmp_path: Path) -> None:
    data = tmp_path / "data" / "set"
    toy.set_pace(data.parent, 0.25)  # a step takes as long, however many train
    lines: list[str] = []
    assert size_of(study(tmp_path, 16), lines, data) == 8
    (line,) = lines
    assert line.startswith("8 trials train together on ")
    assert line.endswith("measured to be 8.0 times as fast as one by one")

    toy.set_pace(data.parent, 0.0, 0.2)  # nobody asks again, whatever would be measured now
    assert size_of(study(tmp_path, 16), lines, data) == 8
    assert size_of(study(tmp_path, 10), lines, data) == 5
    assert lines == [line]
    assert size_of(study(tmp_path, 32), lines, data) == 1, "16 were never tried, so all are anew"
    assert lines[1].startswith("trials train one by one on ")
    assert size_of(study(tmp_path, 64), lines, data) == 1
    assert len(lines) == 2, "a size beyond which nothing is gained answers for all that are larger"


@pytest.mark.parametrize("held", ["", "{", "[]", '{"x": 3}', '{"x": {"seconds": {"a": 1}}}', "\0"])
def test_a_damaged_file_of_sizes_is_written_anew(held: str, tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text(held)
    data = tmp_path / "data" / "set"
    toy.set_pace(data.parent, 0.25)
    assert size_of(study(tmp_path, 4), [], data) == 2
    assert [tried.best for tried in read_sizes(tmp_path / FILE_NAME).values()] == [2]


def test_sizes_are_kept_beside_each_other(tmp_path: Path) -> None:
    file = tmp_path / "root" / FILE_NAME
    one, two = Tried({1: 1.0}, 1, ended=True), Tried({1: 1.0, 2: 1.5}, 2, ended=False)
    write_size(file, "a", one)
    write_size(file, "b", two)
    assert read_sizes(file) == {"a": one, "b": two}
    write_size(tmp_path, "nowhere", one)  # a folder in its place: it is measured again next time
    assert sorted(tmp_path.iterdir()) == [tmp_path / "root"]


def test_another_situation_is_measured_anew(tmp_path: Path) -> None:
    trial = first_trial(study(tmp_path, 8), tmp_path)
    here = Situation("a chip, 2 cores", 1, trial)
    wider = trial.model_copy(update={"model": ModelSection(hidden_dim=128)})
    training = trial.training.model_copy(update={"patches_per_step": 4})
    others = [
        replace(here, device="another"),
        replace(here, threads=2),
        replace(here, trial=wider),
        replace(here, trial=trial.model_copy(update={"training": training})),
    ]
    assert len({here.key, *(other.key for other in others)}) == 5
    weights = trial.loss.model_copy(update={"chamfer_coe": 0.7})
    assert replace(here, trial=trial.model_copy(update={"loss": weights})).key == here.key
    assert here.key.startswith("a chip, 2 cores, 1 thread, ")


def test_ctrl_c_is_heard_while_a_worker_measures(tmp_path: Path) -> None:
    config = study(tmp_path, 8)

    def look() -> None:
        raise Stopped(INTERRUPTED)

    with pytest.raises(Stopped):
        cohort_size(
            config,
            first_trial(config, tmp_path),
            at_once=1,
            resources=RESOURCES,
            tell=print,
            look=look,
        )


def test_a_measuring_that_fails_leaves_trials_alone_and_says_so(tmp_path: Path) -> None:
    lines: list[str] = []
    assert size_of(study(tmp_path, 8, text=toy.STUDY), lines, tmp_path / "none") == 1
    (line,) = lines
    assert line.startswith("trials train one by one, for no cohort could be measured: ")
    assert "none" in line
    assert not (tmp_path / FILE_NAME).exists()


def test_the_codecs_own_steps_are_measured(tmp_path: Path) -> None:
    config = study(tmp_path, 8, text=toy.STUDY)
    form = family_of("dpcc").patches(config.preparation.geometry)
    data = prepare(RECIPE, form=form, root=tmp_path)
    lines: list[str] = []
    assert size_of(config, lines, data) in (1, 2, 4)
    (tried,) = read_sizes(tmp_path / FILE_NAME).values()
    assert all(0 < seconds < 10 for seconds in tried.seconds.values())
    assert {1, 2} <= tried.seconds.keys()


def test_devices_have_names_that_people_know() -> None:
    gpus = {"GPU": 8.0, "accelerator_type:H100": 1.0, "accelerator_type:A100": 1.0}
    assert device_name(gpus, gpu=True) == "A100 and H100"
    assert device_name({"GPU": 1.0}, gpu=True) == "GPU"
    assert device_name({"CPU": 4.0}, gpu=False).endswith(" cores")


@pytest.mark.parametrize(
    ("seconds", "why"),
    [
        ({}, ": two at once do not fit into its memory, or their steps would take too long to be "),
        ({1: 1.0}, ": two at once do not fit into its memory, or their steps would take too long "),
        ({1: 1.0, 2: 2.0}, ", which is measured to be as fast as together"),
    ],
)
def test_why_trials_train_one_by_one_is_told(seconds: dict[int, float], why: str) -> None:
    line = told("chip", Tried(seconds, 1, ended=True))
    assert line.startswith(f"trials train one by one on chip{why}")
