"""Which trial is taken home, by worked examples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from study.base.errors import StudyError
from study.base.records import TrialRecord, TrialState
from study.checkpoints.operating_point import Wish, choose
from study.fronts.front import Direction, Objective
from study.fronts.judged import JudgedStudy
from study.fronts.measures import Constraint

BOTH = (
    Objective("bpp", Direction.MINIMIZE, reference=5.0),
    Objective("d1_psnr_db", Direction.MAXIMIZE, reference=20.0),
)


def trial(
    number: int, bpp: float, psnr_db: float, state: TrialState = TrialState.COMPLETE
) -> TrialRecord:
    return TrialRecord(number, state, params={}, final={"bpp": bpp, "d1_psnr_db": psnr_db})


# Out of order, with one that is dominated (5) and two that did not come to their end (6, 7).
TRIALS = [
    trial(0, 2.5, 40.0),
    trial(1, 0.5, 30.0),
    trial(2, 1.0, 38.0),
    trial(3, 1.5, 38.5),
    trial(5, 1.4, 33.0),
    trial(6, 0.1, 50.0, TrialState.PRUNED),
    TrialRecord(7, TrialState.RUNNING, params={}),
]


def chosen(wish: Wish, trials: list[TrialRecord] = TRIALS) -> int:
    return choose(JudgedStudy(trials, BOTH), wish).number


class TestKnee:
    def test_it_is_the_point_farthest_below_the_chord(self) -> None:
        # Scaled: (0, 1), (0.25, 0.2), (0.5, 0.15), (1, 0); sums 1, 0.45, 0.65, 1.
        assert chosen(Wish(knee=True)) == 2

    def test_it_agrees_with_the_distance_to_the_chord_in_the_plane(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        rates = np.sort(rng.uniform(0.1, 4.0, 9))
        quality = np.sort(rng.uniform(25.0, 45.0, 9))
        x = (rates - rates[0]) / (rates[-1] - rates[0])
        y = (quality - quality[0]) / (quality[-1] - quality[0])
        # Above the diagonal from the low to the high end: quality that costs less than its share.
        farthest = 1 + int(np.argmax(((y - x) / np.sqrt(2))[1:-1]))
        trials = [trial(i, float(rates[i]), float(quality[i])) for i in range(9)]
        assert chosen(Wish(knee=True), trials) == farthest

    def test_units_do_not_matter(self) -> None:
        scaled = [
            trial(t.number, t.final["bpp"] * 8, 10 + t.final["d1_psnr_db"] / 3) for t in TRIALS[:5]
        ]
        assert chosen(Wish(knee=True), scaled) == 2

    def test_an_end_is_taken_only_where_there_is_nothing_between(self) -> None:
        bulging = [trial(0, 1.0, 30.0), trial(1, 1.9, 31.0), trial(2, 2.0, 40.0)]
        assert chosen(Wish(knee=True), bulging) == 1
        assert chosen(Wish(knee=True), [bulging[2], bulging[0]]) == 0

    def test_one_point_and_equal_points_are_no_trouble(self) -> None:
        assert chosen(Wish(knee=True), [trial(4, 1.0, 30.0)]) == 4
        assert chosen(Wish(knee=True), [trial(n, 1.0, 30.0) for n in range(4)]) == 0

    def test_of_three_objectives_it_is_farthest_below_their_plane(self) -> None:
        three = (*BOTH, Objective("decode_s", Direction.MINIMIZE, reference=9.0))
        # Scaled: (0, 1, 1), (1, 0, 1), (1, 1, 0), (0.5, 0.5, 0.5), (0.25, 0.25, 0.75).
        values = [(1, 30, 8), (3, 40, 8), (3, 30, 4), (2, 35, 6), (1.5, 37.5, 7)]
        trials = [
            replace(trial(n, bpp, db), final={"bpp": bpp, "d1_psnr_db": db, "decode_s": seconds})
            for n, (bpp, db, seconds) in enumerate(values)
        ]
        assert choose(JudgedStudy(trials, three), Wish(knee=True)).number == 4
        assert (
            choose(JudgedStudy(trials[:3], three), Wish(knee=True)).number == 0
        )  # nothing between the ends
        assert choose(JudgedStudy(trials, three), Wish(max_bpp=2.0)).number == 4

    def test_of_one_objective_it_is_the_best(self) -> None:
        assert choose(JudgedStudy(TRIALS, BOTH[:1]), Wish(knee=True)).number == 1


class TestFeasibility:
    def test_what_breaks_a_constraint_is_chosen_by_its_number_only(self) -> None:
        knee = replace(TRIALS[2], feasible=False)
        trials = [*TRIALS[:2], knee, *TRIALS[3:]]
        assert chosen(Wish(knee=True), trials) == 3
        assert chosen(Wish(min_psnr_db=38.0), trials) == 3
        assert chosen(Wish(trial=2), trials) == 2

    def test_a_front_of_nothing_else_is_empty(self) -> None:
        trials = [replace(each, feasible=False) for each in TRIALS]
        with pytest.raises(StudyError, match="none of the 7 trials is complete and feasible"):
            choose(JudgedStudy(trials, BOTH), Wish(knee=True))

    def test_of_an_empty_front_the_nearest_is_named(self) -> None:
        trials = [replace(each, feasible=False) for each in TRIALS]
        bound = [Constraint("bpp", most=0.25)]
        with pytest.raises(StudyError) as refusal:
            choose(JudgedStudy(trials, BOTH, bound), Wish(knee=True))
        assert (  # trial 6 has fewer bits, but was stopped early
            "no trial keeps bpp <= 0.25; the nearest is trial 1, which breaks bpp <= 0.25 by 0.25; "
            "take it by its number"
        ) in str(refusal.value)
        assert choose(JudgedStudy(trials, BOTH, bound), Wish(trial=1)) == trials[1]


class TestBounds:
    @pytest.mark.parametrize(
        ("wish", "number"),
        [
            (Wish(max_bpp=1.5), 3),
            (Wish(max_bpp=1.49), 2),
            (Wish(max_bpp=9.0), 0),
            (Wish(min_psnr_db=38.0), 2),
            (Wish(min_psnr_db=38.1), 3),
            (Wish(min_psnr_db=0.0), 1),
            (Wish(trial=5), 5),
        ],
    )
    def test_the_best_that_qualifies(self, wish: Wish, number: int) -> None:
        assert chosen(wish) == number

    @pytest.mark.parametrize(
        ("wish", "sentence"),
        [
            (
                Wish(max_bpp=0.4),
                (
                    "no point of the front needs at most 0.4 bpp; the lowest rate there is trial 1 "
                    "with 0.500 bpp and 30.00 dB"
                ),
            ),
            (
                Wish(min_psnr_db=41.0),
                (
                    "no point of the front reaches 41 dB D1 PSNR; the best there is trial 0 with "
                    "2.500 bpp and 40.00 dB"
                ),
            ),
            (Wish(trial=4), "there is no trial 4 in this study; choose one of 0, 1, 2, 3, 5"),
            (Wish(trial=6), "only its codec was measured, and trial 6 is pruned; choose one of 0,"),
            (Wish(trial=7), "trial 7 is running"),
        ],
    )
    def test_nothing_that_qualifies_is_a_sentence(self, wish: Wish, sentence: str) -> None:
        with pytest.raises(StudyError, match=sentence):
            choose(JudgedStudy(TRIALS, BOTH), wish)

    def test_an_empty_front_is_a_sentence(self) -> None:
        with pytest.raises(
            StudyError, match="the front is empty: none of the 2 trials is complete;"
        ):
            choose(JudgedStudy(TRIALS[5:], BOTH), Wish(knee=True))
        with pytest.raises(StudyError, match="trial 6 is pruned; none is complete yet"):
            choose(JudgedStudy(TRIALS[5:], BOTH), Wish(trial=6))
