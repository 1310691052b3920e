"""What the settings of a halting rule mean, and which of them are refused."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from study.base.errors import StudyError
from study.config import HaltingSection
from study.config.ranges import Range
from study.families.dpcc.settings import TrainingConfig
from study.fronts.front import Direction, Objective
from study.halting.halts import Halts
from study.halting.rules import check_halting, make_rule, rungs_of
from study.storage.study_file import check_study, parse_study
from tests.study.toy import STUDY

OBJECTIVES = (
    Objective("bpp", Direction.MINIMIZE, reference=2.0),
    Objective("d1_psnr_db", Direction.MAXIMIZE, reference=20.0),
)


@pytest.mark.parametrize(
    ("grace", "reduction", "epochs", "rungs"),
    [
        (1, 3.0, 30, (1, 3, 9, 27)),
        (1, 3.0, 27, (1, 3, 9)),
        (2, 4.0, 100, (2, 8, 32)),
        (1, 2.5, 20, (1, 3, 6, 16)),  # 1, 2.5, 6.25, 15.625
        (1, 1.1, 6, (1, 2, 3, 4, 5)),
        (5, 3.0, 5, ()),
        (9, 3.0, 5, ()),
    ],
)
def test_rungs(grace: int, reduction: float, epochs: int, rungs: tuple[int, ...]) -> None:
    section = HaltingSection(rule="pareto", grace=grace, reduction=reduction, rungs=99)
    assert rungs_of(section, epochs) == rungs
    rule = make_rule(section, OBJECTIVES, epochs)
    assert tuple(epoch for epoch in range(epochs + 1) if rule.is_rung(epoch)) == rungs


def test_many_rungs_lie_one_epoch_apart_however_small_the_reduction() -> None:
    section = HaltingSection(rule="pareto", grace=1, reduction=1.0 + 1e-9, rungs=99)
    assert rungs_of(section, 50) == tuple(range(1, 50))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"rule": "single"}, r"halting\.metric must name the objective .* bpp, d1_psnr_db"),
        (
            {"rule": "single", "metric": "d1_psnr"},
            r"must be one of the study's objectives, but is 'd1_psnr'; did you mean 'd1_psnr_db'",
        ),
        ({"rule": "pareto", "metric": "bpp"}, r"read by the rule 'single' only"),
        ({"rule": "none", "metric": "bpp"}, r"remove it, or set halting\.rule: single"),
        ({"rule": "pareto", "grace": 4}, r"halting\.grace must be less than the 4 epochs"),
        ({"rule": "single", "metric": "bpp", "grace": 9}, r"but is 9; make it less, or set"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_starts(
    settings: dict[str, Any], sentence: str
) -> None:
    config = parse_study(STUDY, origin="x").model_copy(
        update={"halting": HaltingSection(**settings), "training": TrainingConfig(epochs=4)}
    )
    with pytest.raises(StudyError, match=sentence):
        check_study(config)


def test_a_rule_that_can_stop_somebody_is_accepted() -> None:
    for settings in (
        {"rule": "pareto", "grace": 3},
        {"rule": "single", "metric": "d1_psnr_db"},
        {"rule": "none", "grace": 9},
    ):
        halting = HaltingSection(**settings)
        config = parse_study(STUDY, origin="x").model_copy(
            update={"halting": halting, "training": TrainingConfig(epochs=4)}
        )
        check_halting(config)


def test_trials_that_train_for_different_times_have_the_rungs_of_the_longest() -> None:
    study = parse_study(STUDY, origin="x")
    space = {**study.search.space, "training.epochs": Range(low=2, high=8)}
    config = study.model_copy(
        update={
            "halting": HaltingSection(rule="pareto", grace=4),
            "search": study.search.model_copy(update={"space": space}),
        }
    )
    check_halting(config)
    assert Halts(config).judge(
        {1: (4, {"bpp_estimated": 1.0, "d1_psnr_db": 30.0})}, {1: 8}
    ).asked == {1}


@pytest.mark.parametrize(
    ("epochs", "rungs"), [(2, ()), (5, (2,)), (12, (2,)), (15, (3,)), (50, (8,)), (51, (9,))]
)
def test_where_nothing_is_asked_for_the_one_rung_is_after_a_sixth(
    epochs: int, rungs: tuple[int, ...]
) -> None:
    assert rungs_of(HaltingSection(rule="pareto"), epochs) == rungs


def test_no_more_rungs_than_asked_for() -> None:
    section = HaltingSection(rule="pareto", grace=1, rungs=2)
    assert rungs_of(section, 30) == (1, 3)


@pytest.mark.parametrize(
    ("objectives", "epochs", "rung"),
    [("bpp", 12, 2), ("bpp", 11, None), ("encode_s", 12, None), ("encode_s", 50, None)],
)
def test_auto_halts_where_there_is_evidence_and_an_estimate(
    objectives: str, epochs: int, rung: int | None
) -> None:
    """The second objective is `objectives`; encoding is timed on a finished codec only."""
    given = (OBJECTIVES[1], Objective(objectives, Direction.MINIMIZE, 3.0))
    rule = make_rule(HaltingSection(), given, epochs)
    found = [epoch for epoch in range(1, epochs + 1) if rule.is_rung(epoch)]
    assert found == ([] if rung is None else [rung])


def test_auto_is_accepted_whatever_the_objectives_and_epochs() -> None:
    for metric, epochs in product(("bpp", "encode_s"), (1, 12)):
        text = STUDY.replace("metric: bpp", f"metric: {metric}")
        config = parse_study(text, origin="x").model_copy(
            update={"training": TrainingConfig(epochs=epochs)}
        )
        assert config.halting.rule == "auto"
        check_halting(config)
