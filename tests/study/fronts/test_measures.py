"""The recorded metrics: what they are called, what stands in for them, and bounds on them."""

from __future__ import annotations

import math

import pytest

from study.base.errors import StudyError
from study.fronts.front import Direction, Objective
from study.fronts.measures import (
    MEASURES,
    Constraint,
    broken,
    cautions,
    epoch_values,
    epoch_violation,
    estimate_name,
    violations,
)
from study.storage.study_file import parse_study
from tests.study.toy import STUDY

EPOCH = {"bpp_estimated": 1.5, "d1_psnr_db": 31.0, "points_ratio": 1.0}


def objectives(*metrics: str) -> list[Objective]:
    return [Objective(metric, Direction.MINIMIZE, 1.0) for metric in metrics]


def test_every_metric_says_the_same_of_itself_everywhere() -> None:
    for name, measure in MEASURES.items():
        assert measure.name == name
        assert measure.unit
        number, told = (125.0, "125") if "counted work" in measure.needs else (1.25, "1.25")
        assert format(number, measure.digits).startswith(told)
        assert told in measure.phrase.format(number)
    for name in ("d1_psnr_db", "d2_psnr_db"):  # no PSNR without its peak and factor
        assert "peak = longest side" in MEASURES[name].axis_title
        assert "3 peak²" in MEASURES[name].axis_title


def test_what_an_epoch_knows_stands_in_for_what_is_measured_at_the_end() -> None:
    assert estimate_name("bpp") == "bpp_estimated"
    assert estimate_name("d1_psnr_db") == "d1_psnr_db"
    assert estimate_name("decode_s") is None
    assert epoch_values(EPOCH, objectives("d1_psnr_db", "bpp")) == [31.0, 1.5]
    assert epoch_values(EPOCH, objectives("bpp", "decode_s")) is None
    assert epoch_values(EPOCH, objectives("bpp", "density")) is None


def test_what_no_epoch_knows_stops_no_trial_early() -> None:
    """A constraint on it does no harm: it is not held against a trial that still trains."""
    halting = STUDY.replace("epochs: 3", "epochs: 9") + "halting: {rule: pareto}\n"
    assert parse_study(halting + "constraints: [decode_s <= 1]", origin="x")
    seconds = "objectives:\n  - {metric: decode_s, direction: minimize, reference: 1}\n"
    with pytest.raises(StudyError, match="but decode_s can be measured on a finished codec only"):
        parse_study(halting.replace("objectives:\n", seconds), origin="x")
    assert parse_study(STUDY.replace("objectives:\n", seconds), origin="x")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("bpp", "must be a metric, <= or >=, and a number, but is 'bpp'"),
        ("2 >= bpp", "must be a metric, <= or >=, and a number, but is '2 >= bpp'"),
        ("bpp == 2", "must be <= or >=, for metrics are measured, but 'bpp == 2' has =="),
        ("bpp < 2", "but 'bpp < 2' has <; write for instance 'bpp <= 2'"),
        ("bpp <= two", "must end in a finite number, but 'bpp <= two' ends in 'two'"),
        ("bpp <= nan", "must end in a finite number"),
        ("bpp <=", "ends in ''"),
        ("bpp <= 2 <= 3", "must end in a finite number"),
        ("ddecode_s <= 2", "on no metric that is recorded; did you mean 'decode_s'?"),
        ("bpp_estimated <= 2", "on no metric that is recorded"),
    ],
)
def test_nonsense_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(StudyError) as refusal:
        Constraint.parse(text)
    assert sentence in str(refusal.value)


def test_a_violation_is_a_share_of_the_bound_and_at_the_bound_there_is_none() -> None:
    rate, quality = Constraint("bpp", most=2.0), Constraint("d1_psnr_db", least=30.0)
    assert [rate.violation(bpp) for bpp in (3.0, 2.0, 1.5)] == [0.5, 0.0, -0.25]
    assert [quality.violation(db) for db in (27.0, 30.0, 33.0)] == pytest.approx([0.1, 0.0, -0.1])
    assert Constraint("density", most=0.0).violation(0.25) == 0.25
    assert rate.violation(math.nan) == math.inf


def test_what_breaks_a_constraint_is_named() -> None:
    both = (Constraint("bpp", most=2.0), Constraint("decode_s", most=0.05))
    assert violations({"bpp": 1.0, "decode_s": 0.1}, both) == [-0.5, 1.0]
    assert broken({"bpp": 1.0, "decode_s": 0.1}, both) == both[1:]
    assert broken({"bpp": 1.0}, both) == both[1:]  # not measured is not kept
    assert broken({"bpp": 2.0, "decode_s": 0.05}, both) == ()


def test_a_bound_on_seconds_comes_with_a_caution() -> None:
    rate, slow, fast = map(Constraint.parse, ("bpp <= 2", "encode_s <= 1", "decode_s <= 0.05"))
    assert cautions([rate]) == []
    (told,) = cautions([slow, rate, fast])
    assert told.startswith("encode_s <= 1 and decode_s <= 0.05 are bounds on seconds, which depend")
    (told,) = cautions([fast])
    assert "decode_s <= 0.05 is a bound on seconds" in told
    assert "the fastest of several runs counts, and may still differ for equal codecs" in told


def test_an_epoch_answers_for_what_it_can_estimate_only() -> None:
    both = (Constraint("bpp", most=1.0), Constraint("decode_s", most=0.05))
    assert epoch_violation(EPOCH, both) == 0.5
    assert epoch_violation(EPOCH, both[1:]) == 0.0
    assert epoch_violation({"bpp_estimated": 0.1}, both) == 0.0  # one kept does not pay for another
