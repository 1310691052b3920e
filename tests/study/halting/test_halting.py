"""The halting rules: one contract for all of them, worked examples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from study.config import HaltingSection
from study.fronts.front import Direction, Objective
from study.fronts.ranking import layers
from study.halting.rules import make_rule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from study.halting.rules import Rule

    Values = tuple[float, ...]

EPOCHS = 30
RUNGS = (1, 3, 9, 27)
RATE = Objective("bpp", Direction.MINIMIZE, reference=10.0)
QUALITY = Objective("d1_psnr_db", Direction.MAXIMIZE, reference=-10.0)
THIRD = Objective("decode_s", Direction.MINIMIZE, reference=10.0)

HALVING: dict[str, dict[str, Any]] = {
    "pareto, epsilon_net": {"rule": "pareto", "coverage": "epsilon_net"},
    "pareto, hypervolume": {"rule": "pareto", "coverage": "hypervolume"},
    "single": {"rule": "single", "metric": "d1_psnr_db"},
}
ALL = {**HALVING, "none": {"rule": "none"}}


def rule_of(settings: Mapping[str, Any], count: int = 2) -> Rule:
    usual = {"grace": 1, "rungs": 99, "coverage": "epsilon_net"}
    return make_rule(
        HaltingSection(**{**usual, **settings}), (RATE, QUALITY, THIRD)[:count], EPOCHS
    )


def pareto(**settings: Any) -> Rule:  # noqa: ANN401 (fields of the section)
    return rule_of({"rule": "pareto", **settings})


def history(
    generator: np.random.Generator, *, objectives: int = 2, trials: int = 60
) -> Iterator[tuple[int, dict[int, Values], dict[int, float]]]:
    """Arrivals at rungs in batches of 1 to 5, on a coarse grid, so that ties and copies occur.

    Some break the constraints. Every trial comes to each rung at most once, lower rungs first.
    """
    reached = dict.fromkeys(range(trials), -1)
    while waiting := [t for t, rung in reached.items() if rung < len(RUNGS) - 1]:
        first = int(generator.choice(waiting))
        mates = [t for t in waiting if reached[t] == reached[first] and t != first]
        size = min(len(mates), int(generator.integers(0, 5)))
        batch = (
            [first, *map(int, generator.choice(mates, size, replace=False))] if size else [first]
        )
        rows = generator.integers(0, 12, (len(batch), objectives)).astype(float)
        broken = {t: float(generator.integers(0, 3)) for t in batch if generator.random() < 0.2}
        for trial in batch:
            reached[trial] += 1
        yield (
            RUNGS[reached[first]],
            dict(zip(batch, map(tuple, rows.tolist()), strict=True)),
            broken,
        )


def replay(rule: Rule, told: list[tuple[int, dict[int, Values], dict[int, float]]]) -> list[Any]:
    return [rule.decide(rung, arrivals, broken) for rung, arrivals, broken in told]


@pytest.mark.parametrize("settings", ALL.values(), ids=ALL)
@pytest.mark.parametrize("objectives", [2, 3])
class TestEveryRule:
    def test_never_stops_the_newcomer_that_dominates_all(
        self, settings: dict[str, Any], objectives: int, seed: int
    ) -> None:
        told = history(np.random.default_rng(seed), objectives=objectives)
        rule = rule_of(settings, objectives)
        for number, (rung, arrivals, broken) in enumerate(told, start=1):
            rule.decide(rung, arrivals, broken)
            newcomer = (float(-number),) * objectives  # lower than all before, by the history too
            assert rule.decide(rung, {1000 + number: newcomer}) == frozenset(), (rung, number)

    def test_a_newcomer_that_is_better_in_one_and_equal_in_the_rest_goes_on(
        self, settings: dict[str, Any], objectives: int
    ) -> None:
        for better in range(objectives):
            rule = rule_of(settings, objectives)
            rule.decide(1, dict.fromkeys(range(10), (2.0,) * objectives))
            row = tuple(1.0 if column == better else 2.0 for column in range(objectives))
            assert rule.decide(1, {99: row}) == frozenset()

    def test_the_same_history_leads_to_the_same_decisions(
        self, settings: dict[str, Any], objectives: int, seed: int
    ) -> None:
        told = list(history(np.random.default_rng(seed), objectives=objectives))
        again = [
            (rung, dict(reversed(arrivals.items())), broken) for rung, arrivals, broken in told
        ]
        first = replay(rule_of(settings, objectives), told)
        assert first == replay(rule_of(settings, objectives), again)

    def test_a_restart_changes_nothing(
        self, settings: dict[str, Any], objectives: int, seed: int
    ) -> None:
        generator = np.random.default_rng(seed)
        told = list(history(generator, objectives=objectives))
        undisturbed = replay(rule_of(settings, objectives), told)
        for cut in generator.integers(1, len(told), 5):
            rule = rule_of(settings, objectives)
            for at in generator.permutation(
                cut
            ):  # records come in the order of trials, not of time
                rule.recall(*told[at])
            assert replay(rule, told[cut:]) == undisturbed[cut:]

    def test_of_the_first_batch_somebody_goes_on(
        self, settings: dict[str, Any], objectives: int, seed: int
    ) -> None:
        generator = np.random.default_rng(seed)
        for count in range(1, 20):
            rows = generator.integers(0, 4, (count, objectives)).astype(float)
            arrivals = dict(enumerate(map(tuple, rows.tolist())))
            broken = {trial: 1.0 for trial in arrivals if generator.random() < 0.5}
            assert len(rule_of(settings, objectives).decide(1, arrivals, broken)) < count

    def test_nobody_is_stopped_who_did_not_arrive(
        self, settings: dict[str, Any], objectives: int, seed: int
    ) -> None:
        rule = rule_of(settings, objectives)
        for rung, arrivals, broken in history(np.random.default_rng(seed), objectives=objectives):
            assert rule.decide(rung, arrivals, broken) <= arrivals.keys()


@pytest.mark.parametrize("settings", HALVING.values(), ids=HALVING)
class TestEveryHalvingRule:
    @pytest.mark.parametrize("reduction", [1.5, 2.0, 3.0, 4.0])
    def test_a_batch_that_comes_at_once_leaves_the_top_fraction(
        self, settings: dict[str, Any], reduction: float, seed: int
    ) -> None:
        generator = np.random.default_rng(seed)
        for count in range(1, 40):
            rows = generator.integers(0, 6, (count, 2)).astype(float)
            arrivals = dict(enumerate(map(tuple, rows.tolist())))
            stopped = rule_of({**settings, "reduction": reduction}).decide(1, arrivals)
            assert count - len(stopped) == max(1, int(count / reduction))

    def test_who_breaks_the_constraints_is_behind_all_who_keep_them(
        self, settings: dict[str, Any]
    ) -> None:
        rule = rule_of({**settings, "reduction": 2.0})
        arrivals = {0: (0.0, 0.0), 1: (5.0, 5.0), 2: (1.0, 1.0), 3: (6.0, 6.0)}
        assert rule.decide(1, arrivals, {0: 0.1, 2: 3.0, 3: -1.0}) == {0, 2}
        assert "ranked 1st" in rule.explain(1, 1)  # to keep one by more is no better
        assert rule.decide(1, {4: (-9.0, -9.0)}, {4: 1e-9}) == {4}
        assert rule.explain(1, 4) == (
            "stopped after epoch 1: ranked 3rd of 5 that came so far (behind all that keep the "
            "constraints), of whom the best 2 go on"
        )

    def test_among_those_who_break_them_the_least_goes_first(
        self, settings: dict[str, Any]
    ) -> None:
        rule = rule_of(settings)
        broken = {0: 3.0, 1: 1.0, 2: 2.0}
        assert rule.decide(1, {0: (0.0, 0.0), 1: (2.0, 2.0), 2: (1.0, 1.0)}, broken) == {0, 2}

    @pytest.mark.parametrize("odd", [float("nan"), float("inf"), -float("inf")])
    def test_what_is_no_number_is_behind_all(self, settings: dict[str, Any], odd: float) -> None:
        rule = rule_of({**settings, "reduction": 1.5})
        assert rule.decide(1, {0: (odd, 0.0), 1: (1.0, 1.0), 2: (2.0, 2.0)}, {2: 5.0}) == {0}
        assert rule.decide(1, {3: (0.0, 0.0)}, {3: odd}) == {3}
        assert "behind all whose values are numbers" in rule.explain(1, 0)

    def test_asked_again_with_other_values_it_is_judged_by_those(
        self, settings: dict[str, Any]
    ) -> None:
        rule = rule_of(settings)
        assert rule.decide(1, {0: (1.0, 1.0), 1: (2.0, 2.0)}) == {1}
        assert rule.decide(1, {1: (0.0, 0.0)}) == frozenset()
        assert rule.explain(1, 1).endswith(
            "ranked 1st of 2 that came so far, of whom the best one goes on"
        )
        assert rule.decide(1, {0: (1.0, 1.0)}) == {0}

    def test_a_rung_knows_nothing_of_the_others(self, settings: dict[str, Any]) -> None:
        rule = rule_of(settings)
        rule.decide(1, {t: (float(t), float(t)) for t in range(9)})
        assert rule.decide(3, {8: (8.0, 8.0)}) == frozenset()
        assert rule.decide(3, {7: (7.0, 7.0)}) == frozenset()
        assert rule.decide(3, {9: (9.0, 9.0)}) == {9}


NINE = {
    0: (1.0, 36.0), 1: (0.5, 30.0), 2: (1.4, 35.0), 3: (2.5, 40.0), 4: (2.0, 34.0),
    5: (1.5, 38.0), 6: (0.9, 33.0), 7: (0.7, 34.0), 8: (2.5, 37.0),
}  # fmt: skip
"""Rate in bpp and D1 PSNR in dB after epoch 1: the example of docs/halting.md."""


def minimised(values: Mapping[int, Values]) -> dict[int, Values]:
    return {trial: (rate, -quality) for trial, (rate, quality) in values.items()}


def best_first(rule: Rule) -> list[int]:
    """Read the nine trials' places from the sentences."""
    rule.decide(1, minimised(NINE))
    return sorted(NINE, key=lambda trial: int(rule.explain(1, trial).split("ranked ")[1][0]))


def test_the_table_of_the_docs() -> None:
    text = (Path(__file__).parents[3] / "docs" / "halting.md").read_text(encoding="utf-8")
    cells = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    table = [tuple(map(float, row)) for row in cells[2:]]
    losses = np.array([minimised(NINE)[trial] for trial in NINE])
    of = layers(losses)
    assert table == [
        (trial, *NINE[trial], of[trial] + 1, place)
        for place, trial in enumerate(best_first(pareto()), start=1)
    ]


def test_the_worked_example_of_the_docs() -> None:
    rule = pareto()
    assert rule.decide(1, minimised(NINE)) == {5, 7, 6, 8, 2, 4}
    assert best_first(rule) == [1, 3, 0, 5, 7, 6, 8, 2, 4]
    assert rule.explain(1, 5) == (
        "stopped after epoch 1: ranked 4th of 9 that came so far, of whom the best 3 go on"
    )
    assert rule.decide(1, minimised({9: (0.6, 32.0)})) == {9}
    assert rule.explain(1, 9) == (
        "stopped after epoch 1: ranked 6th of 10 that came so far, of whom the best 3 go on"
    )
    assert rule.decide(1, minimised({10: (0.45, 40.5)})) == frozenset()
    assert rule.explain(1, 10) == (
        "goes on after epoch 1: ranked 1st of 11 that came so far, of whom the best 3 go on"
    )


def test_the_worked_example_by_volume() -> None:
    bounds = (
        Objective("bpp", Direction.MINIMIZE, 3.0),
        Objective("d1_psnr_db", Direction.MAXIMIZE, 25.0),
    )
    section = HaltingSection(rule="pareto", grace=1, rungs=99, coverage="hypervolume")
    order = best_first(make_rule(section, bounds, EPOCHS))
    assert order[:3] == [0, 5, 7]
    assert set(order[3:5]) == {1, 3}, "both add 1 bpp dB, but for rounding"


def test_one_objective_alone_cuts_off_one_end_of_the_front() -> None:
    rule = rule_of({"rule": "single", "metric": "d1_psnr_db"})
    assert best_first(rule)[:4] == [3, 5, 8, 0]
    assert rule.decide(1, minimised(NINE)) == set(NINE) - {3, 5, 8}


def test_an_order_of_rows_is_no_priority_of_rows() -> None:
    """What a published implementation does, as read: it would stop the best newcomer.

    It sorts the rows, best first, and takes the sorted list of row numbers for the rows' own
    priorities. The newcomer is the last row, so it is given the number of the *worst* row.
    """
    came = np.array([(float(t), float(t)) for t in (1, 3, 2, 5, 4)])
    rows = np.concatenate((came, [(0.0, 0.0)]))
    order = [int(row) for layer in range(6) for row in np.flatnonzero(layers(rows) == layer)]
    assert order == [5, 0, 2, 1, 4, 3]
    mistaken = order[-1] / len(rows)
    assert mistaken > 1 / 3  # not within the best third: stopped
    right = order.index(5) / len(rows)
    assert right <= 1 / 3
    rule = pareto()
    rule.recall(1, dict(enumerate(map(tuple, came.tolist()))))
    assert rule.decide(1, {5: (0.0, 0.0)}) == frozenset()


def test_the_first_alone_goes_on_and_the_second_only_if_it_is_better() -> None:
    rule = pareto()
    assert rule.decide(3, {4: (5.0, 5.0)}) == frozenset()
    assert rule.explain(3, 4) == "goes on after epoch 3: the first that came so far"
    assert rule.decide(3, {5: (6.0, 6.0)}) == {5}
    assert rule.explain(3, 5) == (
        "stopped after epoch 3: ranked 2nd of 2 that came so far, of whom the best one goes on"
    )


def test_a_cohort_is_judged_only_when_all_of_it_is_noted() -> None:
    """One by one the first would go on for want of others, and the best might come last."""
    arrivals = {t: (float(9 - t), float(9 - t)) for t in range(9)}
    assert pareto().decide(1, arrivals) == {0, 1, 2, 3, 4, 5}


def test_without_a_rule_nobody_is_ever_asked() -> None:
    rule = rule_of({"rule": "none", "grace": 2})
    assert not any(rule.is_rung(epoch) for epoch in range(100))
    assert rule.explain(7, 0) == "goes on after epoch 7: every trial trains to its end"
