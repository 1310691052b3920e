"""Deliveries go on whatever happens to the place, and never at the sender's expense."""

from __future__ import annotations

import threading
import time

import pytest

from study.tracking import courier
from study.tracking.courier import Courier, RateLimit


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier, "_FIRST_PAUSE_S", 0.01)


def unreachable() -> list[str]:
    raise ConnectionError("no route")


def refuse(place: list[str]) -> None:
    raise ValueError(f"refused beside {place}")


def test_everything_arrives_in_order() -> None:
    place: list[str] = []
    carrier = Courier("test", lambda: place)
    for name in "abc":
        carrier.send(name, lambda place, name=name: place.append(name))  # type: ignore[misc]
    assert carrier.close(10) == ([], None)
    assert place == ["a", "b", "c"]


def test_only_the_newest_parcel_of_a_name_is_delivered() -> None:
    place: list[str] = []
    open_road = threading.Event()

    def reach() -> list[str]:
        open_road.wait(10)
        return place

    carrier = Courier("test", reach)
    carrier.send("a", lambda place: place.append("taken before the road was open"))
    time.sleep(0.05)
    carrier.send("b", lambda place: place.append("old"))
    carrier.send("b", lambda place: place.append("new"))
    open_road.set()
    assert carrier.close(10) == ([], None)
    assert place == ["taken before the road was open", "new"]


def test_a_parcel_replaced_while_it_is_carried_is_carried_again() -> None:
    place: list[str] = []
    is_under_way, go_on = threading.Event(), threading.Event()

    def slowly(place: list[str]) -> None:
        is_under_way.set()
        go_on.wait(10)
        place.append("old")

    carrier = Courier("test", lambda: place)
    carrier.send("a", slowly)
    assert is_under_way.wait(10)
    carrier.send("a", lambda place: place.append("new"))
    go_on.set()
    assert carrier.close(10) == ([], None)
    assert place == ["old", "new"]


def test_a_refused_parcel_holds_up_no_other() -> None:
    place: list[str] = []
    carrier = Courier("test", lambda: place)
    carrier.send("bad", refuse)
    carrier.send("good", lambda place: place.append("good"))
    missing, error = carrier.close(10)
    assert place == ["good"]
    assert missing == ["bad"]
    assert str(error).startswith("refused")


def test_a_place_that_comes_back_gets_everything() -> None:
    place: list[str] = []
    attempts = 0
    arrived = threading.Event()

    def reach() -> list[str]:
        nonlocal attempts
        attempts += 1
        if attempts < 4:
            unreachable()
        return place

    carrier = Courier("test", reach)
    carrier.send("a", lambda place: place.append("a"))
    carrier.send("b", lambda _: arrived.set())
    assert arrived.wait(10)
    assert carrier.close(10) == ([], None)
    assert (place, attempts) == (["a"], 4)


def test_an_unreachable_place_is_reported_with_all_that_waits() -> None:
    carrier = Courier("test", unreachable)
    carrier.send("a", refuse)
    carrier.send("b", refuse)
    missing, error = carrier.close(10)
    assert missing == ["a", "b"]
    assert isinstance(error, ConnectionError)


def test_closing_does_not_wait_longer_than_asked() -> None:
    never = threading.Event()
    carrier = Courier("test", never.wait)
    carrier.send("a", lambda _: None)
    start = time.monotonic()
    assert carrier.close(0.2) == (["a"], None)
    assert time.monotonic() - start < 2.0
    never.set()
    assert carrier.close(10) == ([], None)


def test_parcels_with_a_pace_rest_and_the_newest_goes_next() -> None:
    place: list[str] = []
    pace = RateLimit(pause_s=0.3)
    carrier = Courier("test", lambda: place)
    started = time.monotonic()
    carrier.send("a", lambda place: place.append("first"), pace)
    deadline = started + 10
    while not place:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    for word in ("old", "new"):
        carrier.send("a", lambda place, word=word: place.append(word), pace)  # type: ignore[misc]
    carrier.send("b", lambda place: place.append("other"))
    while len(place) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert place == ["first", "other", "new"]
    assert time.monotonic() - started >= 0.3


def test_a_share_of_the_time_is_kept() -> None:
    assert RateLimit(share=0.02).rest_s(2.0) == pytest.approx(98.0)
    assert RateLimit(pause_s=60.0, share=0.02).rest_s(0.1) == 60.0
    assert RateLimit().rest_s(2.0) == 0.0


def test_nothing_rests_when_the_courier_closes() -> None:
    place: list[str] = []
    carrier = Courier("test", lambda: place)
    for name in "abc":
        carrier.rest(name, 1000.0)
        carrier.send(name, lambda place, name=name: place.append(name))  # type: ignore[misc]
    carrier.drop("b")
    start = time.monotonic()
    assert carrier.close(10) == ([], None)
    assert time.monotonic() - start < 5
    assert place == ["a", "c"]
