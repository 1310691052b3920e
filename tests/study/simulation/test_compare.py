"""How soon strategies are as good as the yardstick, by hand-worked examples."""

from __future__ import annotations

import math

import numpy as np
import pytest

from study.base.errors import StudyError
from study.config import HaltingSection
from study.simulation.clock import Course, Moment
from study.simulation.compare import quantile, reaches, volume_by_epoch
from study.simulation.strategies import (
    YARDSTICK,
    Offered,
    Strategy,
    base_study,
    combined,
    variant,
)
from tests.study.simulation import curves


def test_a_hypervolume_counts_from_the_epoch_at_which_its_trial_was_complete() -> None:
    moments = (Moment(2, 0.0, 1.0), Moment(4, 0.0, 3.0), Moment(4, 0.0, 5.0), Moment(9, 0.0, 6.0))
    course = Course(moments, epochs=9, seconds=0.0, ended={}, records=())
    assert volume_by_epoch(course, 6).tolist() == [0, 0, 1, 1, 5, 5, 5]


def test_a_target_is_reached_at_the_first_epoch_that_is_as_good() -> None:
    volumes = np.array([0.0, 1.0, 1.0, 3.0, 3.0])
    assert reaches(volumes, 1.0) == 1
    assert reaches(volumes, 1.5) == 3
    assert reaches(volumes, 3.5) == math.inf


def test_a_quantile_is_one_of_the_values_even_where_some_are_never() -> None:
    values = np.array([5.0, math.inf, 3.0, 4.0])
    assert [quantile(values, share) for share in (0.25, 0.5, 0.75, 1.0)] == [3, 4, 5, math.inf]
    assert quantile(np.array([1.0, math.inf, math.inf]), 0.5) == math.inf


def offered(**changes: object) -> Offered:
    usual = {
        "samplers": ("tpe",),
        "rules": ("none",),
        "graces": (1,),
        "reductions": (3.0,),
        "rungs": (99,),
        "coverages": ("epsilon_net",),
        "stratify": ((),),
    }
    return Offered(**{**usual, **changes})  # type: ignore[arg-type]


def test_everything_is_combined_with_everything_that_it_matters_to() -> None:
    found = combined(
        offered(
            rules=("none", "pareto", "single:bpp"),
            graces=(1, 2),
            coverages=("epsilon_net", "hypervolume"),
        )
    )
    assert [each.words for each in found] == [
        "random, no halting",
        "tpe, no halting",
        "tpe, pareto 1 by 3 (epsilon_net)",
        "tpe, pareto 1 by 3 (hypervolume)",
        "tpe, pareto 2 by 3 (epsilon_net)",
        "tpe, pareto 2 by 3 (hypervolume)",
        "tpe, single 1 by 3 (bpp)",
        "tpe, single 2 by 3 (bpp)",
    ]


def test_the_yardstick_is_first_and_there_once() -> None:
    slices = (("loss.bpp_lambda", 4),)
    found = combined(offered(samplers=("tpe", "random"), stratify=((), slices)))
    assert found[0] == YARDSTICK
    assert len(found) == len(set(found)) == 4
    assert found[2].words == "tpe, bpp_lambda in 4, no halting"


def test_a_rule_that_there_is_not_is_refused() -> None:
    with pytest.raises(StudyError, match=r"halting: 'rule'.*(given: 'asha')"):
        combined(offered(rules=("asha",)))


def test_a_strategy_becomes_a_study_that_ends_by_its_epochs() -> None:
    base = base_study(curves.recording(12), None)
    full = variant(base, YARDSTICK, epochs=40, seed=3)
    assert (full.seed, full.search.sampler, full.search.trials) == (3, "random", 10)
    halving = Strategy("tpe", HaltingSection(rule="pareto"), (("loss.bpp_lambda", 4),))
    study = variant(base, halving, epochs=40, seed=3)
    assert study.budget.epochs == study.search.trials == 40
    assert study.search.stratify == {"loss.bpp_lambda": 4}
    assert study.halting.rule == "pareto"


@pytest.mark.parametrize(
    ("strategy", "sentence"),
    [
        (Strategy("tpee"), "there is no sampler 'tpee'"),
        (Strategy("cmaes"), "cmaes searches for one objective"),
        (Strategy("tpe", stratify=(("loss.bpp", 4),)), "'loss.bpp' is not a searched setting"),
        (Strategy("tpe", HaltingSection(rule="single")), "must name the objective"),
        (Strategy("tpe", HaltingSection(rule="pareto", grace=9)), "less than the 4 epochs"),
    ],
)
def test_a_strategy_that_no_study_could_have_is_refused(strategy: Strategy, sentence: str) -> None:
    with pytest.raises(StudyError, match=sentence):
        variant(base_study(curves.recording(12), None), strategy, epochs=40, seed=0)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("epochs: 4", "epochs: 5", "differ in `training`"),
        ("high: 0.1,", "high: 0.2,", "search.space.loss.bpp_lambda reaches beyond it"),
        ("    loss.chamfer_coe: {low: 0.0, high: 1.0}\n", "", "but searches loss.bpp_lambda"),
    ],
)
def test_a_study_that_would_learn_other_curves_is_refused(
    old: str, new: str, sentence: str
) -> None:
    study = curves.config(curves.STUDY.replace(old, new))
    with pytest.raises(StudyError, match=sentence):
        base_study(curves.recording(12), study)


def test_a_narrower_search_for_other_objectives_can_be_simulated() -> None:
    text = curves.STUDY.replace("high: 0.1,", "high: 0.05,").replace("3.0}", "2.0}")
    study = curves.config(text)
    assert base_study(curves.recording(12), study) == study
