"""The virtual clock against examples worked by hand, and against a real study's books."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

import pytest

from study.base.records import TrialState
from study.simulation.clock import simulate
from study.simulation.surrogate import Surrogate
from tests.study.simulation import curves

if TYPE_CHECKING:
    from study.config import StudyConfig
    from study.simulation.clock import Course

    class Run(Protocol):
        def __call__(self, config: StudyConfig, *, workers: int, size: int) -> Course: ...


METRICS = ("bpp", "bpp_estimated", "d1_psnr_db")


@pytest.fixture(scope="module")
def surrogate() -> Surrogate:
    return Surrogate(curves.recording(), METRICS)


def study(trials: int, more: str = "", sampler: str = "random") -> StudyConfig:
    text = curves.STUDY.replace("trials: 3", f"trials: {trials}")
    return curves.config(text.replace("sampler: random", f"sampler: {sampler}") + more)


@pytest.fixture(scope="module")
def run(surrogate: Surrogate) -> Run:
    return partial(simulate, surrogate=surrogate)


def test_two_workers_share_three_trials(run: Run) -> None:
    """Four epochs of 10 s and a measuring of 1 s each: 0 and 1 until 41 s, then 2 until 82 s.

    At 41 s trial 0 is told first; trial 2 begins, and trial 1 is told: 8 epochs both times.
    """
    course = run(study(3), workers=2, size=1)
    assert [(each.epochs, each.seconds) for each in course.moments] == [(8, 41), (8, 41), (12, 82)]
    assert (course.epochs, course.seconds) == (12, 82)
    assert course.ended[TrialState.COMPLETE] == 3
    assert [each.elapsed_s for each in course.records] == [41.0] * 3
    assert [[each.elapsed_s for each in r.epochs] for r in course.records] == [[10, 20, 30, 40]] * 3


def test_one_worker_trains_one_trial_after_the_other(run: Run) -> None:
    course = run(study(3), workers=1, size=1)
    assert [(m.epochs, m.seconds) for m in course.moments] == [(4, 41), (8, 82), (12, 123)]


def test_a_cohort_takes_as_long_as_its_trials_together(run: Run) -> None:
    """Four epochs of two trials take 80 s, and each is measured by itself."""
    course = run(study(4), workers=1, size=2)
    seconds = [(moment.epochs, moment.seconds) for moment in course.moments]
    assert seconds == [(8, 81), (8, 82), (16, 163), (16, 164)]
    assert [record.cohort for record in course.records] == [0, 0, 1, 1]


def test_the_hypervolume_is_that_of_the_complete_trials(run: Run) -> None:
    """Of the published coefficients alone, (3 - bpp) (dB - 25); and it never falls."""
    course = run(study(8), workers=2, size=1)
    final = course.records[0].final
    assert course.records[0].is_baseline
    volumes = [moment.hypervolume for moment in course.moments]
    assert volumes[0] == pytest.approx((3 - final["bpp"]) * (final["d1_psnr_db"] - 25))
    assert volumes == sorted(volumes)
    assert volumes[-1] > volumes[0]


def test_the_same_seed_gives_the_same_study(run: Run) -> None:
    one, two = (run(study(8, sampler="tpe"), workers=2, size=1) for _ in range(2))
    assert one.moments == two.moments
    assert [record.params for record in one.records] == [record.params for record in two.records]


def test_who_is_stopped_at_a_rung_makes_room_for_the_next(run: Run) -> None:
    """A rung after epoch 2, where the better half goes on: a rule by the rate alone.

    One worker, one trial at a time. The published trial has the highest rate of all. It comes
    first and goes on; of those that follow whoever has not one of the least rates so far stops
    after 20 s.
    """
    rule = "halting: {rule: single, metric: bpp, grace: 2, reduction: 2.0}\n"
    course = run(study(6, rule), workers=1, size=1)
    rates = [record.epochs[1].metrics["bpp_estimated"] for record in course.records]
    goes_on = [
        sorted(rates[: number + 1]).index(rate) < max(1, (number + 1) // 2)
        for number, rate in enumerate(rates)
    ]
    assert goes_on[0]
    assert {True, False} == set(goes_on[1:]), "or it would show nothing"
    states = [TrialState.COMPLETE if each else TrialState.PRUNED for each in goes_on]
    assert [record.state for record in course.records] == states
    assert [len(record.epochs) for record in course.records] == [4 if on else 2 for on in goes_on]
    seconds = [41 if on else 20 for on in goes_on]
    assert course.seconds == sum(seconds)
    assert course.epochs == sum(4 if on else 2 for on in goes_on)
    ends = [sum(seconds[: n + 1]) for n, on in enumerate(goes_on) if on]
    assert [moment.seconds for moment in course.moments] == ends


def test_a_study_ends_when_its_epochs_are_spent(run: Run) -> None:
    course = run(study(99, "budget: {epochs: 17}\n"), workers=2, size=1)
    assert (course.epochs, course.ended[TrialState.COMPLETE]) == (16, 4)
