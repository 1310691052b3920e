"""The halting rules: one contract for all of them, worked examples, and what each refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from study.config import HaltingSection
from study.front import Direction, Objective
from study.halting import make_rule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from study.halting import Rule

    Values = tuple[float, ...]

EPOCHS = 30
RUNGS = (1, 3, 9, 27)
RATE = Objective("bpp", Direction.MINIMIZE, reference=10.0)
QUALITY = Objective("d1_psnr_db", Direction.MAXIMIZE, reference=-10.0)
THIRD = Objective("decode_s", Direction.MINIMIZE, reference=10.0)

HALVING: dict[str, dict[str, Any]] = {
    "pareto, epsilon_net": {"rule": "pareto"},
    "pareto, hypervolume": {"rule": "pareto", "coverage": "hypervolume"},
    "single": {"rule": "single", "metric": "d1_psnr_db"},
}
ALL = {**HALVING, "none": {"rule": "none"}}


def rule_of(settings: Mapping[str, Any], count: int = 2) -> Rule:
    return make_rule(HaltingSection(**settings), (RATE, QUALITY, THIRD)[:count], EPOCHS)


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
        assert rule.decide(1, arrivals, {0: 0.1, 2: 3.0, 1: -1.0}) == {0, 2}
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
