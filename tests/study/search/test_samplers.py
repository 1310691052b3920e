"""Samplers: one contract that all of them keep, and what is true of each alone."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import optuna
import pytest

from study.search.samplers import distribution, note_constraints, rehearse, suggest
from study.storage.trial_store import TrialStore
from tests.study.proposing import (
    ALL_KINDS,
    NUMBERS,
    ONE_OBJECTIVE,
    measured,
    opened,
    played,
    study_of,
)

if TYPE_CHECKING:
    from pathlib import Path

    from study.config import StudyConfig

MANY = {
    "tpe": 16,
    "gp": 9,
    "nsga2": 16,
    "nsga3": 16,
    "cmaes": 16,
    "qmc": 16,
    "random": 16,
    "grid": 16,
    "optuna.samplers:QMCSampler": 16,
    "optuna.samplers:TPESampler": 16,
}
"""Each sampler, and for how many trials it is asked here: a Gaussian process takes its time."""
QUICK = [name for name in MANY if name != "gp"]
EACH = [*QUICK, pytest.param("gp", marks=pytest.mark.slow)]
BY_NUMBER = ["random", "qmc", "grid"]


def searching(sampler: str, more: str = "") -> StudyConfig:
    """A study with everything that the sampler can do."""
    search = f"sampler: '{sampler}'{more}"
    if sampler == "cmaes":
        pytest.importorskip("cmaes")
        return study_of(NUMBERS, search, ONE_OBJECTIVE)
    return study_of(ALL_KINDS, search)


@pytest.mark.parametrize("sampler", EACH)
def test_proposals_lie_in_the_space_and_follow_its_conditions(sampler: str) -> None:
    config = searching(sampler)
    for settings in played(config, MANY[sampler]):
        for name, value in settings.items():
            found = distribution(config, name)
            assert found._contains(found.to_internal_repr(value))
        missing = set(config.search.space) - set(settings)
        is_on = settings.get("model.quantize_latent_xyzs", True)
        assert missing == (set() if is_on else {"loss.latent_xyzs_coe"})
        assert settings["loss.pts_num_coe"] == 1e-6
        assert type(settings["training.epochs"]) is int


@pytest.mark.parametrize("sampler", EACH)
def test_a_study_that_was_killed_proposes_what_an_undisturbed_one_does(sampler: str) -> None:
    config = searching(sampler)
    undisturbed = played(config, MANY[sampler])
    assert played(config, MANY[sampler], restart=True) == undisturbed
    assert len({str(settings) for settings in undisturbed}) > len(undisturbed) / 2


def test_so_it_does_when_each_process_opens_the_database(tmp_path: Path) -> None:
    config = searching("tpe")
    restarted = played(config, 10, restart=True, database=tmp_path / "optuna.db")
    assert restarted == played(config, 10)


@pytest.mark.parametrize("sampler", EACH)
def test_the_seed_decides(sampler: str) -> None:
    config = searching(sampler)
    other = config.model_copy(update={"seed": 1})
    assert played(other, 3) != played(config, 3)


# Optuna's own QMCSampler counts how often it was asked.
@pytest.mark.parametrize("sampler", [n for n in QUICK if n != "optuna.samplers:QMCSampler"])
def test_a_trial_that_lacks_some_settings_gets_them_as_if_nothing_had_happened(
    sampler: str,
) -> None:
    config = searching(sampler)
    for tells in (False, True):
        whole, half = opened(config), opened(config)
        for study in (whole, half):
            for _ in range(9):
                trial = study.ask()
                settings = suggest(trial, config)
                if tells:
                    study.tell(trial, measured(settings, len(config.objectives)))
        expected = suggest(whole.ask(), config)
        # Killed after two settings; another process finds the trial.
        begun = half.ask()
        for name in list(expected)[:2]:
            begun._suggest(name, distribution(config, name))
        again = optuna.Trial(opened(config, half._storage), begun._trial_id)
        assert suggest(again, config) == expected


@pytest.mark.parametrize("sampler", BY_NUMBER)
def test_what_goes_by_number_needs_no_results(sampler: str) -> None:
    config = searching(sampler)
    assert played(config, 16, tells=False) == played(config, 16)


def test_a_random_proposal_looks_at_no_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("every proposal would take longer than the one before it")

    study = opened(searching("random"))
    monkeypatch.setattr(study._storage, "get_all_trials", refuse)
    monkeypatch.setattr(study, "_pop_waiting_trial_id", lambda: None)
    suggest(study.ask(), searching("random"))


def test_quasi_random_trials_are_spread_evenly() -> None:
    config = study_of(NUMBERS, "sampler: qmc")
    proposals = played(config, 64)[1:]

    def counts(name: str, slices: int) -> list[int]:
        low, high = config.search.space[name].ends
        shares = [math.log(float(p[name]) / low) / math.log(high / low) for p in proposals]
        return [sum(int(share * slices) == s for share in shares) for s in range(slices)]

    # Any 2^6 points of a Sobol sequence that begin at 0 have 2^3 in each eighth.
    assert counts("loss.bpp_lambda", 8) == [8] * 8
    linear = [float(p["loss.mean_distance_coe"]) for p in proposals]
    assert [sum(10 + 90 * s / 16 <= x < 10 + 90 * (s + 1) / 16 for x in linear) for s in range(16)]
    whole = [p["training.epochs"] for p in proposals]
    assert {whole.count(epochs) for epochs in range(3, 10)} <= {8, 9, 10}  # 64 / 7 = 9.1


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random", "qmc"])
def test_every_round_of_trials_covers_all_slices(sampler: str) -> None:
    config = searching(sampler, ", stratify: {loss.bpp_lambda: 8}, first: [{loss.bpp_lambda: 0.2}]")
    low, high = config.search.space["loss.bpp_lambda"].ends

    def share(value: object) -> float:
        return math.log(float(value) / low) / math.log(high / low)  # type: ignore[arg-type]

    shares = [share(settings["loss.bpp_lambda"]) for settings in played(config, 32)[2:]]
    places = [int(8 * found) for found in shares]
    rounds = [places[start : start + 8] for start in range(0, 32, 8)]
    assert [sorted(found) for found in rounds] == [list(range(8))] * 4
    assert len({tuple(found) for found in rounds}) == 4
    # Four steps by the golden ratio leave no gap of more than 0.62 of a slice, ends included.
    for place in range(8):
        inside = sorted(8 * found - place for found in shares if int(8 * found) == place)
        gaps = [b - a for a, b in zip(inside, [*inside[1:], 1 + inside[0]], strict=True)]
        assert max(gaps) < 0.39


def test_a_grid_visits_every_combination_once_and_one_shape_after_the_other() -> None:
    space = (
        "loss.bpp_lambda: {low: 1e-4, high: 1e-2, log: true}, "
        "loss.mean_distance_coe: {choices: [50.0, 60.0]}, "
        "training.epochs: {low: 3, high: 4}, "
        "model.quantize_latent_xyzs: {choices: [true, false]}, "
        "loss.latent_xyzs_coe: {choices: [0.01, 0.1], "
        "when: {model.quantize_latent_xyzs: [true]}}"
    )
    config = study_of(space, "sampler: grid, sampler_options: {points: 3}", trials=37)
    asked = played(config, 36)[1:]
    expected = {
        (round(rate, 9), weight, epochs, quantized, latent)
        for rate in (1e-4, 1e-3, 1e-2)
        for weight in (50.0, 60.0)
        for epochs in (3, 4)
        for quantized, latent in ((True, 0.01), (True, 0.1), (False, None))
    }
    names = [
        *("loss.bpp_lambda", "loss.mean_distance_coe", "training.epochs"),
        *("model.quantize_latent_xyzs", "loss.latent_xyzs_coe"),
    ]
    visited = [tuple(settings.get(name) for name in names) for settings in asked]
    rounded = [(round(float(v[0] or 0), 9), *v[1:]) for v in visited]
    assert len(rounded) == len(expected) == 36
    assert set(rounded) == expected
    shapes = [v[3] for v in visited]
    assert sum(a != b for a, b in pairwise(shapes)) == 1


def test_a_cohort_takes_no_points_from_a_grid() -> None:
    space = (
        "loss.bpp_lambda: {choices: [1e-4, 1e-2]}, model.quantize_latent_xyzs: "
        "{choices: [true, false]}, training.patches_per_step: {choices: [1, 2]}"
    )
    store = TrialStore(study_of(space, "sampler: grid", trials=9), None)
    store.enqueue_first("v1")
    _, first = store.ask()
    assert len({str(store.ask(like=first)[1]) for _ in range(8)}) == 8


@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_samplers_see_what_breaks_a_constraint(sampler: str) -> None:
    config = study_of(
        "loss.bpp_lambda: {low: 1e-4, high: 0.3, log: true}, "
        "loss.mean_distance_coe: {low: 10.0, high: 100.0}",
        f"sampler: {sampler}",
    )

    def average(*, below: bool) -> float:
        """The mean weight of late trials, where those on one side of 55 are forbidden."""
        sign = 1 if below else -1

        def violation(settings: dict[str, object]) -> float:
            return sign * (float(settings["loss.mean_distance_coe"]) - 55.0)  # type: ignore[arg-type]

        late = played(config, 60, violation=violation)[-25:]  # type: ignore[arg-type]
        return sum(float(settings["loss.mean_distance_coe"]) for settings in late) / len(late)

    assert average(below=True) < 55.0 < average(below=False)


def test_pending_trials_are_taken_into_account() -> None:
    config = study_of(NUMBERS, "sampler: tpe")
    alone, beside = opened(config), opened(config)
    for study in (alone, beside):
        for _ in range(8):
            trial = study.ask()
            study.tell(trial, measured(suggest(trial, config)))
    suggest(beside.ask(), config)
    waiting = alone.ask()
    alone.tell(waiting, state=optuna.trial.TrialState.FAIL)
    assert suggest(alone.ask(), config) != suggest(beside.ask(), config)


def test_a_constraint_is_noted_once_and_is_finite() -> None:
    study = opened(study_of(NUMBERS))
    trial = study.ask()
    for _ in range(2):  # Told again after a restart.
        note_constraints(trial, {"bpp <= 2": math.inf, "decode_s <= 1": -0.5})
    assert trial.constraints == {"bpp <= 2": 1e6, "decode_s <= 1": -0.5}


@pytest.mark.parametrize("sampler", QUICK)
def test_every_sampler_passes_its_rehearsal(sampler: str) -> None:
    assert rehearse(searching(sampler)) == []
