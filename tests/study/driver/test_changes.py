"""What a study file may say anew when its study goes on."""

from __future__ import annotations

import warnings

import pytest

from study.base.errors import StudyError
from study.config import StudyConfig
from study.driver.changes import FREE, changes, check_changes
from study.storage.study_file import parse_study
from tests.study.toy import STUDY

BEGAN = parse_study(STUDY, origin="toy")


def now(old: str = "", new: str = "", extra: str = "") -> StudyConfig:
    assert old in STUDY
    return parse_study(STUDY.replace(old, new) + extra, origin="toy")


def test_the_same_file_has_no_changes() -> None:
    check_changes(BEGAN, now())


@pytest.mark.parametrize(
    ("old", "new", "extra"),
    [
        ("trials: 3", "trials: 30", ""),
        ("", "", "budget: {epochs: 100, hours: 2.5, gain: {hypervolume: 0.1, trials: 5}}"),
        ("", "", "resources: {cpus_per_cohort: 4, cohort: 2}"),
        ("", "", "root: elsewhere\ndata_root: there\ntracking: {uri: 'http://host:5000'}"),
        ("", "", "storage: {codec_bytes: 1000}"),
    ],
)
def test_how_much_and_where_may_change(old: str, new: str, extra: str) -> None:
    changed = now(old, new, extra)
    assert changed != BEGAN
    check_changes(BEGAN, changed)


@pytest.mark.parametrize(
    ("old", "new", "extra", "told"),
    [
        ("name: toy", "name: other", "", 'name was "toy" and is "other"'),
        ("", "", "seed: 5", "seed was 0 and is 5"),
        ("epochs: 3", "epochs: 4", "", "training.epochs was 3 and is 4"),
        ("", "", "loss: {latent_xyzs_coe: 0.02}", "loss.latent_xyzs_coe was 0.01 and is 0.02"),
        (
            "reference: 3.0",
            "reference: 4.0",
            "",
            "objectives.reference (item 1) was 3.0 and is 4.0",
        ),
        ("", "", "halting: {rule: pareto}", 'halting.rule was "auto" and is "pareto"'),
        ("startup_trials: 2", "startup_trials: 3", "", "search.startup_trials was 2 and is 3"),
        ("", "", "constraints: ['bpp <= 2']", 'constraints was [] and is ["bpp <= 2"]'),
        (
            *("", "", "storage: {uri: 'sqlite:///x.db'}"),
            'storage.uri was not given and is "sqlite:///x.db"',
        ),
        ("max_objects: 6", "max_objects: 7", "", "data.max_objects was 6 and is 7"),
    ],
)
def test_what_a_study_is_may_not_change(old: str, new: str, extra: str, told: str) -> None:
    assert changes(BEGAN, now(old, new, extra)) == [told]


def test_searched_ranges_are_told_one_by_one() -> None:
    """One that is changed, one that comes and one that goes, by their dotted names."""
    before = now("trials: 3,", "trials: 3, space: {loss.bpp_lambda: {low: 1e-5, high: 1}},")
    after = before.model_copy(update={"search": BEGAN.search})
    found = changes(before, after)
    assert "search.space.loss.bpp_lambda.low was 1e-05 and is 0.0001" in found
    assert any(told.startswith("search.space.loss.chamfer_coe was not given") for told in found)


def test_every_difference_is_in_the_one_sentence() -> None:
    changed = now("epochs: 3", "epochs: 4", "seed: 5\nresources: {cpus_per_cohort: 4}")
    with pytest.raises(StudyError) as refused:
        check_changes(BEGAN, changed)
    sentence = str(refused.value)
    assert "of 'toy' seed was 0 and is 5, training.epochs was 3 and is 4; only" in sentence
    assert "cpus_per_cohort" not in sentence


def test_every_section_is_compared() -> None:
    """One that is added to the study file may not change until somebody thinks about it."""
    free = {name.partition(".")[0] for name in FREE} - {"search", "storage"}
    assert free < StudyConfig.model_fields.keys()
    for name in StudyConfig.model_fields.keys() - free:
        changed = BEGAN.model_copy(update={name: "another"})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # A word is no section.
            assert changes(BEGAN, changed), name
