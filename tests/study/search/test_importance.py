"""Importance: what a setting has to do with the best trials, where there are enough to tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from study.base.records import TrialRecord, TrialState
from study.fronts.front import Direction, Objective
from study.fronts.judged import JudgedStudy
from study.search.importance import FEWEST, MOST, importances

OBJECTIVES = (
    Objective("bpp", Direction.MINIMIZE, reference=3.0),
    Objective("d1_psnr_db", Direction.MAXIMIZE, reference=25.0),
)


def trials(count: int, seed: int) -> list[TrialRecord]:
    """The rate depends on `rate` alone, quality on the choice and, among the best, on `quality`."""
    generator = np.random.default_rng(seed)
    records = []
    for number in range(count):
        rate, quality, idle = generator.random(3)
        kind = ("plain", "fine")[generator.integers(2)]
        psnr_db = 30 + 5 * (kind == "fine") + quality
        params = {"rate": 10 ** (-4 * rate), "quality": quality, "kind": kind, "idle": idle}
        final = {"bpp": 3 - 2 * rate, "d1_psnr_db": psnr_db}
        records.append(TrialRecord(number, TrialState.COMPLETE, params, final=final))
    return records


def test_what_an_objective_depends_on_comes_first(seed: int) -> None:
    rate, quality = importances(JudgedStudy(trials(200, seed), OBJECTIVES))
    assert (rate.metric, quality.metric) == ("bpp", "d1_psnr_db")
    assert next(iter(rate.shares)) == "rate"
    assert rate.shares["rate"] > 0.6
    assert next(iter(quality.shares)) == "quality"
    assert quality.shares["quality"] > 0.5
    for each in (rate, quality):
        assert sum(each.shares.values()) == pytest.approx(1)
        assert (each.looked_at, each.best) == (200, 20)


def test_where_all_trials_are_equally_good_no_setting_has_a_share(seed: int) -> None:
    alike = [replace(r, final={**r.final, "bpp": 1.0}) for r in trials(40, seed)]
    rate, quality = importances(JudgedStudy(alike, OBJECTIVES))
    assert (rate.shares, rate.best) == ({}, 40)
    assert (quality.best, set(quality.shares)) == (5, {"rate", "quality", "kind", "idle"})


def test_few_trials_tell_nothing(seed: int) -> None:
    few = trials(FEWEST, seed)
    assert len(importances(JudgedStudy(few, OBJECTIVES))) == 2
    assert importances(JudgedStudy(few[1:], OBJECTIVES)) == []
    pruned = [replace(few[0], state=TrialState.PRUNED), *few[1:]]
    assert importances(JudgedStudy(pruned, OBJECTIVES)) == []


def test_of_many_trials_some_are_drawn_and_always_the_same(seed: int) -> None:
    many = trials(2 * MOST, seed)
    first = importances(JudgedStudy(many, OBJECTIVES))
    assert first[0].looked_at == MOST
    assert importances(JudgedStudy(many, OBJECTIVES)) == first


def test_settings_that_do_not_differ_or_are_not_everywhere_are_left_out(seed: int) -> None:
    records = [replace(r, params={**r.params, "same": 1.0}) for r in trials(40, seed)]
    records[0] = replace(
        records[0], params={k: v for k, v in records[0].params.items() if k != "idle"}
    )
    assert set(importances(JudgedStudy(records, OBJECTIVES))[0].shares) == {
        "rate",
        "quality",
        "kind",
    }
    alike = [replace(record, params={"same": 1.0}) for record in records]
    assert importances(JudgedStudy(alike, OBJECTIVES)) == []


def test_nobody_is_told_of_a_study_in_memory(seed: int, capfd: pytest.CaptureFixture[str]) -> None:
    importances(JudgedStudy(trials(30, seed), OBJECTIVES))
    assert capfd.readouterr() == ("", "")
