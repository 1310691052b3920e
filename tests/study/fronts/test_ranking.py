"""Layers and the order within them, against naive twins and examples worked by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from study.fronts.dominance import volume
from study.fronts.ranking import by_volume, coverage, epsilon_net, layers, places

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Losses = NDArray[np.float64]

ORDERS: dict[str, Callable[[Losses], list[int]]] = {
    name: coverage(name, (6.0,) * 3) for name in ("epsilon_net", "hypervolume")
}


def coarse(seed: int, count: int, objectives: int) -> Losses:
    """Points of a small grid, so that there are ties and copies."""
    return np.random.default_rng(seed).integers(0, 8, (count, objectives)).astype(float)


def layers_by_peeling(losses: Losses) -> list[int]:
    found = [-1] * len(losses)
    layer = 0
    while -1 in found:
        left = [i for i, of in enumerate(found) if of == -1]
        for i in left:
            worse = any(
                (losses[j] <= losses[i]).all() and (losses[j] < losses[i]).any() for j in left
            )
            found[i] = -1 if worse else layer
        layer += 1
    return found


def net_by_definition(losses: Losses) -> list[int]:
    """Take whoever is farthest from all who were taken; the earlier row of equals."""
    span = losses.max(axis=0) - losses.min(axis=0)
    scaled = (losses - losses.min(axis=0)) / np.where(span > 0, span, 1.0)
    order = [min(range(len(losses)), key=lambda i: (*losses[i], i))]
    while len(order) < len(losses):
        left = [i for i in range(len(losses)) if i not in order]
        far = [min(((scaled[i] - scaled[j]) ** 2).sum() for j in order) for i in left]
        order.append(left[far.index(max(far))])
    return order


def front_of(losses: Losses) -> Losses:
    """The rows that nobody dominates: `by_volume` orders one layer."""
    rows: Losses = losses[layers(losses) == 0]
    return rows


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
def test_layers_are_fronts_of_what_is_left(objectives: int, seed: int) -> None:
    losses = coarse(seed, 60, objectives)
    assert layers(losses).tolist() == layers_by_peeling(losses)


@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_the_epsilon_net_is_the_greedy_one(objectives: int, seed: int) -> None:
    for count in range(1, 30):
        losses = coarse(seed + count, count, objectives)
        assert epsilon_net(losses) == net_by_definition(losses)


@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_each_next_row_by_volume_adds_the_most_that_any_could(objectives: int, seed: int) -> None:
    """Rows that add the same may go in either order, and what is left to add differs then."""
    reference = np.full(objectives, 6.0)  # some rows lie beyond it
    for count in range(1, 40):
        rows = front_of(coarse(seed + count, count, objectives))
        order = by_volume(rows, reference)
        assert sorted(order) == list(range(len(rows)))
        for taken in range(len(order)):
            could = [volume(rows[[*order[:taken], row]], reference) for row in order[taken:]]
            assert could[0] == pytest.approx(max(could))


def test_the_worked_example_of_the_net() -> None:
    losses = np.array([(0.0, 10.0), (1.0, 8.0), (4.0, 4.0), (10.0, 0.0)])
    assert epsilon_net(losses) == [0, 3, 2, 1]


def test_the_worked_example_of_the_volume() -> None:
    losses = np.array([(1.0, 4.0), (2.0, 2.0), (4.0, 1.0)])
    assert by_volume(losses, (5.0, 5.0)) == [1, 0, 2]


def test_two_good_rows_side_by_side_do_not_both_rank_last() -> None:
    """What is lost without one of them alone is next to nothing, though together they are best."""
    losses = np.array([(0.0, 9.0), (3.0, 3.01), (3.01, 3.0), (9.0, 0.0)])
    order = by_volume(losses, (10.0, 10.0))
    assert order[0] in (1, 2)
    assert order[-1] in (1, 2)


def test_the_units_of_the_objectives_do_not_matter_to_the_net(seed: int) -> None:
    losses = coarse(seed, 25, 3)
    assert epsilon_net(losses * (1.0, 1024.0, 0.5) - (0.0, 64.0, 2.0)) == epsilon_net(losses)


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
class TestEveryOrder:
    def test_copies_come_after_all_that_differs(self, order: Callable[[Losses], list[int]]) -> None:
        rows = np.array([(1.0, 3.0, 2.0), (2.0, 2.0, 2.0), (3.0, 1.0, 2.0)])
        found = order(np.concatenate((rows, rows)))
        assert sorted(found[:3]) == [0, 1, 2]
        assert sorted(found[3:]) == [3, 4, 5]

    def test_one_row_and_none(self, order: Callable[[Losses], list[int]]) -> None:
        assert order(np.array([(1.0, 2.0, 3.0)])) == [0]
        assert order(np.empty((0, 3))) == []

    def test_equal_rows_stay_as_they_are(self, order: Callable[[Losses], list[int]]) -> None:
        assert order(np.ones((5, 3))) == [0, 1, 2, 3, 4]

    def test_nothing_is_changed(self, order: Callable[[Losses], list[int]], seed: int) -> None:
        losses = coarse(seed, 20, 3)
        losses.setflags(write=False)
        assert order(losses) == order(losses.copy())

    @pytest.mark.parametrize("odd", [np.nan, np.inf])
    def test_what_is_no_number_is_a_fault_of_the_caller(
        self, order: Callable[[Losses], list[int]], odd: float
    ) -> None:
        with pytest.raises(AssertionError, match="finite"):
            order(np.array([(1.0, odd, 0.0)]))

    def test_places_are_by_layer_and_then_by_the_order(
        self, order: Callable[[Losses], list[int]], seed: int
    ) -> None:
        losses = coarse(seed, 50, 3)
        of = layers(losses)
        expected: list[int] = []
        for layer in range(int(of.max()) + 1):
            members = np.flatnonzero(of == layer)
            expected += [int(members[at]) for at in order(losses[members])]
        found = places(losses, range(50), order)
        assert [found.index(place) for place in range(50)] == expected
        assert places(losses, [7, 3], order) == [found[7], found[3]]

    def test_nobody_is_before_one_that_dominates_it(
        self, order: Callable[[Losses], list[int]], seed: int
    ) -> None:
        losses = coarse(seed, 40, 3)
        found = places(losses, range(40), order)
        for i, j in np.ndindex(40, 40):
            if (losses[i] <= losses[j]).all() and (losses[i] < losses[j]).any():
                assert found[i] < found[j]
