"""CMA-ES without its pickle: it runs nothing, and proposes what Optuna's own proposes."""

from __future__ import annotations

import random
import warnings
from typing import TYPE_CHECKING, Any, cast

import optuna
import pytest
from optuna.samplers import CmaEsSampler

from study.base.errors import StudyError
from study.search.repeatable import maker
from study.search.replayed import ReplayedCmaEs
from study.storage.study_file import parse_study
from study.storage.trial_store import TrialStore
from tests.study.planted import plant_state
from tests.study.proposing import NUMBERS, ONE_OBJECTIVE, STUDY, study_of

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("cmaes")

KINDS: tuple[dict[str, bool], ...] = (
    {},
    {"use_separable_cma": True},
    {"with_margin": True},
    {"lr_adapt": True},
)
STARTUP = 4


class UnpicklesToo(CmaEsSampler):
    """A sampler of somebody's own."""


class Careful(ReplayedCmaEs):
    """Another one, made as it should be."""


def proposed(
    kind: type[CmaEsSampler], count: int, options: dict[str, Any], at_once: int = 1, seed: int = 0
) -> list[tuple[float, ...]]:
    """Ask a study for trials of which so many are pending, each with a sampler of its own."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study, asked = optuna.create_study(), list[tuple[float, ...]]()
    pending: list[optuna.Trial] = []
    draw = random.Random(seed)  # noqa: S311
    for number in range(count):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            study.sampler = kind(
                seed=number, n_startup_trials=STARTUP, warn_independent_sampling=False, **options
            )
        trial = study.ask()
        point = (
            trial.suggest_float("rate", 1e-4, 1.0, log=True),
            trial.suggest_float("weight", -3.0, 9.0),
            trial.suggest_int("epochs", 3, 90),
        )
        asked.append(point)
        pending.append(trial)
        if len(pending) >= at_once:
            ended = pending.pop(draw.randrange(len(pending)))
            rate, weight, epochs = asked[ended.number]
            study.tell(ended, rate + (weight - 1) ** 2 + abs(epochs - 20))
    keys = {key for trial in study.trials for key in trial.system_attrs}
    if kind is ReplayedCmaEs:
        assert not any("optimizer" in key for key in keys)
    else:
        assert any("optimizer" in key for key in keys)
    return asked


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_it_proposes_what_optunas_proposes(options: dict[str, Any]) -> None:
    ours, theirs = (proposed(kind, 60, options) for kind in (ReplayedCmaEs, CmaEsSampler))
    for one, other in zip(ours, theirs, strict=True):
        assert one == pytest.approx(other, rel=1e-9)  # 7e-14 after 120 trials.
    assert len(set(ours)) == len(ours)


@pytest.mark.parametrize("at_once", [4, 9])
def test_with_several_at_once_it_finds_the_optimum_too(at_once: int, seed: int) -> None:
    asked = proposed(ReplayedCmaEs, 160, {}, at_once, seed)
    first, last = (
        sum((weight - 1) ** 2 + abs(epochs - 20) for _, weight, epochs in some)
        for some in (asked[:30], asked[-30:])
    )
    assert last < first / 2


def test_a_state_in_the_database_runs_nothing(tmp_path: Path) -> None:
    """As `study resume` opens it: what a killed driver left is settled, and the next asked for."""
    text = STUDY.format(
        space=NUMBERS, search="sampler: cmaes", objectives=ONE_OBJECTIVE, more="", trials=40
    )
    config, database = parse_study(text, origin="x"), tmp_path / "optuna.db"
    store = TrialStore(config, database)
    store.enqueue_first("v1")
    for _ in range(12):
        number, settings = store.ask()
        store.complete(number, {"bpp": float(settings["loss.bpp_lambda"])}, 1.0)
    store.ask()
    store.close()
    mark = tmp_path / "it ran"
    assert plant_state(database, mark) == 13
    again = TrialStore(config, database)
    assert [trial.number for trial in again.settle()] == [12]
    assert again.ask()[0] == 13
    assert not mark.exists()


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_an_evolution_that_optunas_stored_goes_on(options: dict[str, Any]) -> None:
    """As in the databases of earlier versions: its pickles are passed over, its generations not."""
    proposals = []
    for kind in (CmaEsSampler, ReplayedCmaEs):
        study = optuna.create_study()
        for number in range(40):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                made = kind if number == 39 else CmaEsSampler
                study.sampler = made(seed=number, warn_independent_sampling=False, **options)
            trial = study.ask()
            rate, weight = (trial.suggest_float(name, 0.0, 1.0) for name in ("rate", "weight"))
            study.tell(trial, (rate - 0.3) ** 2 + weight)
        proposals.append((rate, weight))
        assert max(v for t in study.trials for k, v in t.system_attrs.items() if "gen" in k) >= 5
    assert proposals[0] == pytest.approx(proposals[1], rel=1e-9)


@pytest.mark.parametrize(
    "kept",
    [
        *(["x"], [], ["a", "b", "c"], [0.5, 0.5], [[0.5], 0.5, 0.5]),
        *([0.5, 0.5, far] for far in (1e40, -(10**400), float("nan"), float("inf"))),
    ],
)
def test_a_point_that_the_database_does_not_know_is_left_out(kept: list[object]) -> None:
    study = optuna.create_study()
    for number in range(20):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            study.sampler = ReplayedCmaEs(seed=number, n_startup_trials=2, with_margin=True)
        trial = study.ask()
        values = [trial.suggest_float(name, 0.0, 1.0) for name in "abc"]
        if number % 3 == 0:
            study._storage.set_trial_system_attr(trial._trial_id, "x_for_tell", cast("Any", kept))
        study.tell(trial, sum(values))
    assert max(t.system_attrs.get("cmawm:generation", 0) for t in study.trials) >= 1


def named(sampler: str) -> type:
    config = study_of(NUMBERS, f"sampler: '{sampler}'", ONE_OBJECTIVE)
    return type(maker(config)(0))


def test_optunas_own_is_replaced_also_under_its_name() -> None:
    assert named("optuna.samplers:CmaEsSampler") is ReplayedCmaEs
    assert named("optuna.samplers._cmaes:CmaEsSampler") is ReplayedCmaEs
    assert named(f"{__name__}:Careful").__name__ == "Careful"
    with pytest.raises(StudyError, match="would run whatever the study's storage holds") as found:
        named(f"{__name__}:UnpicklesToo")
    assert "make it from study.search.replayed.ReplayedCmaEs" in str(found.value)
