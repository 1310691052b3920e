"""Which population is worth having: closed-form costs of an epoch, and the answer they imply."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from study.cohorts.pace import Pace, Tried, try_sizes

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("step_s", "best"),
    [
        (lambda _: 1.0, 64),  # launches alone: every trial more is free
        (float, 1),  # arithmetic alone: nothing is gained
        (lambda size: 1 + size / 8, 64),  # 64 / 9 trials a second are 1.11 times 32 / 5
        (lambda size: 1 + size / 4, 32),  # 32 / 9 are 1.11 times 16 / 5, 64 / 17 but 1.06 times
        (lambda size: size**1.5, 1),
        (lambda size: None if size > 4 else 1.0, 4),  # memory ends
        (lambda _: None, 1),
    ],
)
def test_a_population_grows_while_that_is_worth_it(
    step_s: Callable[[int], float | None], best: int
) -> None:
    found = try_sizes(step_s, most=64, longest_s=1e3)
    assert found.best == best


def test_no_population_is_tried_that_is_of_no_use() -> None:
    tried = []

    def step_s(size: int) -> float:
        tried.append(size)
        return 1.0

    found = try_sizes(step_s, most=6, longest_s=60.0)
    assert tried == [1, 2, 4, 6]
    assert (found.best, found.ended) == (6, False)
    assert found.says(5)
    assert not found.says(7), "larger ones were never tried"


def test_a_step_that_takes_long_is_the_last_that_is_tried() -> None:
    found = try_sizes(lambda size: 1 + size / 8, most=64, longest_s=1.4)
    assert found == Tried({1: 1.125, 2: 1.25, 4: 1.5}, best=4, ended=True)


def test_what_is_less_than_twice_as_large_says_nothing_of_twice() -> None:
    """6 / 12 trials a second are too little more than 4 / 8.2; 8 might be free."""
    found = try_sizes({1: 8.0, 2: 8.1, 4: 8.2, 6: 12.0}.__getitem__, most=6, longest_s=60.0)
    assert (found.best, found.ended) == (4, False)
    assert found.says(6)
    assert not found.says(8)
    # Half as much more is to gain half as much: 5 / 2.67 trials a second are 1.09 times 4 / 2.33.
    assert try_sizes(lambda size: 1 + size / 3, most=5, longest_s=60.0).best == 5


def test_room_is_worth_filling_where_more_trials_a_second_are_trained() -> None:
    free = Pace({4: 1.0, 3: 1.0})
    assert free.worth_refilling(3, 4)
    busy = Pace({4: 4.0, 3: 3.0})
    assert not busy.worth_refilling(3, 4)
    assert not free.worth_refilling(2, 4), "2 were not measured"
    assert not free.worth_refilling(4, 4)
    assert not free.worth_refilling(0, 4)


def test_the_first_epoch_of_a_process_does_not_count_against_its_population() -> None:
    pace = Pace()
    pace.note(4, 9.0)
    pace.note(4, 1.0)
    pace.note(3, 1.0)
    assert pace.worth_refilling(3, 4)
