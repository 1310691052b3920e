"""What follows from a configuration."""

from __future__ import annotations

import pytest

from study.config.derived import (
    asked_metrics,
    constraints_of,
    extra_metrics,
    most_epochs,
    objectives_of,
)
from study.fronts.front import Direction, Objective
from study.fronts.measures import Constraint
from study.storage.study_file import parse_study
from tests.study.toy import STUDY


def test_objectives_are_those_of_the_study_file() -> None:
    assert objectives_of(parse_study(STUDY, origin="x")) == (
        Objective("bpp", Direction.MINIMIZE, 3.0),
        Objective("d1_psnr_db", Direction.MAXIMIZE, 25.0),
    )


def test_only_what_is_asked_for_costs_an_epoch_time() -> None:
    assert extra_metrics(parse_study(STUDY, origin="x")) == ()
    asked = STUDY + "constraints: [chamfer <= 0.01, decode_s <= 1, bpp <= 3]"
    asked = asked.replace(
        "objectives:\n", "objectives:\n  - {metric: density, direction: minimize, reference: 9}\n"
    )
    assert extra_metrics(parse_study(asked, origin="x")) == ("density", "chamfer")


def test_a_constraint_reads_as_it_is_written() -> None:
    config = parse_study(STUDY + "constraints: ['bpp<=2.0', d1_psnr_db >= 3e1]", origin="x")
    assert constraints_of(config) == (
        Constraint("bpp", most=2.0),
        Constraint("d1_psnr_db", least=30.0),
    )
    assert [str(each) for each in constraints_of(config)] == ["bpp <= 2", "d1_psnr_db >= 30"]
    assert Constraint.parse(str(Constraint("bpp", most=1.5))) == Constraint("bpp", most=1.5)


def test_metrics_are_asked_for_once_those_of_objectives_first() -> None:
    config = parse_study(STUDY + "constraints: [decode_s <= 1, bpp <= 3]", origin="x")
    assert asked_metrics(config) == ["bpp", "d1_psnr_db", "decode_s"]


CONDITIONAL = (
    "model.k: {{choices: [16, 8]}}, training.epochs: {{choices: {}, when: {{model.k: [8]}}}}"
)


@pytest.mark.parametrize(
    ("searched", "most"),
    [
        ("loss.bpp_lambda: {low: 1.0e-4, high: 0.3}", 3),
        ("training.epochs: {low: 2, high: 8}", 8),
        ("training.epochs: {choices: [2, 3]}", 3),
        ("training.epochs: {choices: [3, 12, 5]}", 12),
        ("training.epochs: {value: 3}", 3),
        (CONDITIONAL.format("[1, 2]"), 3),
        (CONDITIONAL.format("[1, 9]"), 9),
    ],
)
def test_the_longest_training_is_that_of_any_trial(searched: str, most: int) -> None:
    """Where epochs are searched under a condition, trials without it train as long as the study."""
    text = STUDY.replace("startup_trials: 2", f"startup_trials: 2, space: {{{searched}}}")
    assert most_epochs(parse_study(text, origin="x")) == most
