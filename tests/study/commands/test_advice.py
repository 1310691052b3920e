"""What is advised below the front: no more than its numbers say."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from study.base.records import EpochRecord, TrialRecord, TrialState
from study.commands.advice import gap_sentences, suggestions
from study.config.judging import judge
from study.storage.study_file import parse_study
from tests.study.measured import STUDY

if TYPE_CHECKING:
    from study.config import StudyConfig

SPACE = "search: {trials: 12, space: {loss.bpp_lambda: {low: 1.0e-4, high: 0.3, log: true}}}"


def a_study() -> StudyConfig:
    return parse_study(STUDY.replace("search: {trials: 12}", SPACE) + "name: mine", origin="x")


def trials(*values: tuple[float, float, float]) -> list[TrialRecord]:
    """Complete trials, ended one after the other, of these settings, rates and qualities."""
    return [
        TrialRecord(
            number,
            TrialState.COMPLETE,
            {"loss.bpp_lambda": setting},
            (EpochRecord(1, {}),),
            final={"bpp": bpp, "d1_psnr_db": psnr_db},
            ended_s=float(number + 1),
        )
        for number, (setting, bpp, psnr_db) in enumerate(values)
    ]


def advice(records: list[TrialRecord]) -> list[str]:
    return suggestions(a_study(), judge(a_study(), records), "study resume mine", "studies/mine")


HOLE = [(1.0, 30.0), (0.9, 29.0), (0.8, 28.0), (0.7, 27.0), (2.0, 38.0), (2.1, 38.5), (2.2, 39.0)]
FRONT = trials(*((0.05 / bpp**2, bpp, psnr) for bpp, psnr in HOLE))


def test_a_setting_that_moves_along_the_front_is_told_with_its_values_at_the_gap() -> None:
    (told,) = advice(FRONT)  # Seven trials tell nothing of growth.
    assert told.startswith("loss.bpp_lambda moves trials along the front; on the two sides of the")
    assert "widest gap it is 0.0125 and 0.05: a study with" in told
    assert "`loss.bpp_lambda: {low: 0.0125, high: 0.05, log: true}` in its space" in told
    assert "`warm_start: [studies/mine]` looks between" in told


def test_values_that_are_written_alike_make_no_range() -> None:
    near = [replace(r, params={"loss.bpp_lambda": 0.05 - 1e-6 * r.final["bpp"]}) for r in FRONT]
    assert advice(near) == []


def test_an_end_of_the_front_at_an_end_of_a_range_is_told() -> None:
    """Of 1e-4 to 0.3, 0.05 of the logarithm are a factor of 1.49."""
    settings = (0.29, 0.2, 0.1, 0.05, 0.01, 1e-3)
    *_, low_rate = advice(trials(*((value, 1 - value, 30 - value) for value in settings)))
    assert low_rate == (
        "the front's low-rate end, trial 0, has loss.bpp_lambda 0.29, nearly the highest that is "
        "searched: a wider range may lead further"
    )
    settings = (0.19, 0.15, 0.1, 0.05, 0.01, 1.4e-4)
    *_, high_rate = advice(trials(*((value, 1 - value, 30 - value) for value in settings)))
    assert "the front's high-rate end, trial 5, has loss.bpp_lambda 1.4e-4, nearly" in high_rate


def test_the_exact_end_is_not_nearly_the_end_and_the_published_setting_is_none() -> None:
    settings = (0.3, 0.2, 0.1, 0.05, 0.01, 1.0e-4)
    records = trials(*((value, 1 - value, 30 - value) for value in settings))
    told = advice(records)
    assert any("loss.bpp_lambda 0.3, the highest that is searched" in each for each in told)
    assert any("loss.bpp_lambda 1e-4, the lowest that is searched" in each for each in told)
    published = [*records[:-1], replace(records[-1], is_baseline=True)]
    assert not any("the lowest" in each for each in advice(published))


def test_little_is_said_of_little() -> None:
    """Two points, or a correlation that chance has too, are no reason to do anything."""
    two = trials(*((0.3 - 0.05 * n, 0.5, 30.0) for n in range(5)), (0.01, 1.0, 35.0))
    assert gap_sentences(a_study(), judge(a_study(), two)) == []
    assert advice(two) == []
    loose = [0.1, 0.3, 0.2, 0.05, 0.25, 0.02, 0.15]  # Of ranks with the rate about -0.6.
    along = trials(*((s, 0.5 + 0.1 * n, 30.0 + n) for n, s in enumerate(loose)))
    moving = judge(a_study(), along).moving_setting
    assert moving is not None
    assert abs(moving.correlation) < 0.8
    assert advice(along) == []


def test_growth_is_told_with_the_command_that_goes_on() -> None:
    still = trials(*((0.1, 1.0, 30.0) for _ in range(8)))
    (told,) = advice(still)
    assert told == (
        "the last 2 of 8 trials added nothing to the hypervolume, but so few tell little of the "
        "next ones; `study resume mine --trials 16` goes on"
    )
    many = trials(*((0.1, 1.0, 30.0) for _ in range(40)))
    (told,) = advice(many)
    assert told == (
        "the last 10 of 40 trials added nothing to the hypervolume: more of the same will probably "
        "add little"
    )
    # Of 2 bpp times 10 dB before, the last adds 2 bpp times 10 dB.
    grown = trials(*((0.1, 1.0, 30.0) for _ in range(7)), (0.1, 1.0, 40.0))
    (told,) = advice(grown)
    assert told.startswith("the last 2 of 8 trials added 50 % of the hypervolume: the front still")
    assert told.endswith(" grows, and `study resume mine --trials 16` goes on with it")
    hardly = trials(*((0.1, 1.0, 30.0) for _ in range(39)), (0.1, 1.0, 30.01))
    (told,) = advice(hardly)
    assert told == (
        "the last 10 of 40 trials added 0.1 % of the hypervolume: more of the same will probably "
        "add little"
    )


def test_a_volume_that_was_nothing_grew_by_all_of_it() -> None:
    (told,) = advice(trials(*((0.1, 9.0, 10.0) for _ in range(7)), (0.1, 1.0, 40.0)))
    assert told.startswith("the last 2 of 8 trials added 100 % of the hypervolume: the front still")


def test_a_gap_names_once_what_is_alike_on_its_two_sides() -> None:
    config = a_study()
    quality = config.objectives[1]
    time = quality.model_copy(update={"metric": "decode_s", "direction": "minimize"})
    three = config.model_copy(update={"objectives": (*config.objectives, time)})
    timed = [replace(r, final={**r.final, "decode_s": 0.1}) for r in FRONT]
    assert (
        ", 30.00 to 38.00 D1 PSNR dB, 0.1 decode s, "
        in gap_sentences(three, judge(three, timed))[0]
    )


def test_a_front_that_is_well_covered_has_no_gap() -> None:
    even = trials(*((0.1, 0.5 + 0.1 * step, 30.0 + step) for step in range(8)))
    assert gap_sentences(a_study(), judge(a_study(), even)) == []
    assert gap_sentences(a_study(), judge(a_study(), [])) == advice([]) == []
