"""Why a driver stops: the first reason counts, unless the study is another's."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, NamedTuple

import pytest

from study.driver.stopping import Stop
from study.driver.termination import (
    INTERRUPTED,
    TAKEN_OVER,
    Reason,
    Stopped,
    Termination,
)
from study.storage.study_file import parse_study
from study.storage.trial_store import TrialStore
from tests.study import toy

if TYPE_CHECKING:
    from study.storage.lease import Lease


class Driver(NamedTuple):
    """What a driver looks at."""

    stop: Stop
    interrupted: threading.Event
    lost: threading.Event


def driver(hours: float | None = None, worked_s: float = 0.0) -> Driver:
    budget = "{}" if hours is None else f"{{hours: {hours}}}"
    config = parse_study(f"{toy.STUDY}budget: {budget}", origin="toy")
    store = TrialStore(config, None)
    store.record_work("an earlier driver", worked_s)
    interrupted, lost = threading.Event(), threading.Event()
    lease: Lease = SimpleNamespace(lost=lost)  # type: ignore[assignment] # all that is looked at
    return Driver(Stop(config, store, lease, interrupted, joined=True), interrupted, lost)


def test_a_study_goes_on_until_there_is_a_reason() -> None:
    stop = driver(hours=2.0, worked_s=3600.0).stop
    assert stop.look() is None
    stop.check()


def test_the_hours_of_all_drivers_are_counted() -> None:
    stop = driver(hours=2.0, worked_s=7201.0).stop
    assert stop.look() == Termination(Reason.HOURS_SPENT, "its 2 hours are over")


def test_the_first_reason_stays() -> None:
    stop, interrupted, _ = driver(hours=2.0, worked_s=7201.0)
    hours = stop.look()
    interrupted.set()
    assert stop.look() is hours
    with pytest.raises(Stopped) as stopped:
        stop.check()
    assert stopped.value.termination is hours


def test_a_study_that_is_taken_over_while_it_stops_is_anothers() -> None:
    """Whoever waits for the last epochs after Ctrl-C must not write into it any more."""
    stop, interrupted, lost = driver()
    interrupted.set()
    assert stop.look() is INTERRUPTED
    lost.set()
    assert stop.look() is TAKEN_OVER


def test_every_reason_says_what_follows() -> None:
    planned = {Reason.COMPLETE, Reason.BUDGET_SPENT, Reason.HOURS_SPENT}
    at_once = {Reason.TAKEN_OVER, Reason.RAY_DIED}
    ends = [Termination(reason, "") for reason in Reason]
    assert {end.reason for end in ends if end.is_planned} == planned
    assert {end.reason for end in ends if end.is_at_once} == at_once
    assert set(Reason) == planned | at_once | {Reason.INTERRUPTED}
