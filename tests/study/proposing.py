"""Studies that are played in memory: asked, told, failed and pruned like real ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import optuna

from study.search.samplers import make_sampler, note_constraints, suggest
from study.storage.study_file import parse_study

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from study.config import StudyConfig
    from study.config.choices import Choice

    Settings = dict[str, Choice]

STUDY = """
name: played
training: {{epochs: 3}}
search: {{trials: {trials}, startup_trials: 4, {search}, space: {{{space}}}}}
objectives: {objectives}
{more}
"""
OBJECTIVES = """
  - {metric: bpp, direction: minimize, reference: 3.0}
  - {metric: d1_psnr_db, direction: maximize, reference: 25.0}
"""
ONE_OBJECTIVE = "[{metric: bpp, direction: minimize, reference: 3.0}]"

NUMBERS = (
    "loss.bpp_lambda: {low: 1e-4, high: 0.3, log: true}, "
    "loss.mean_distance_coe: {low: 10.0, high: 100.0}, "
    "training.epochs: {low: 3, high: 9}, "
    "training.decay_every: {low: 2, high: 64, log: true}, "
    "loss.pts_num_coe: {value: 1e-6}"
)
"""Every kind of range, and a constant."""
ALL_KINDS = (
    "loss.latent_xyzs_coe: {low: 1e-3, high: 1.0, log: true, "
    "when: {model.quantize_latent_xyzs: [true]}}, "
    "model.quantize_latent_xyzs: {choices: [true, false]}, "
    "training.patches_per_step: {choices: [1, 2, 4]}, " + NUMBERS
)
"""Choices and a condition besides."""


def study_of(
    space: str = ALL_KINDS,
    search: str = "sampler: tpe",
    objectives: str = OBJECTIVES,
    more: str = "",
    trials: int = 40,
) -> StudyConfig:
    text = STUDY.format(space=space, search=search, objectives=objectives, more=more, trials=trials)
    return parse_study(text, origin="x")


def measured(settings: Mapping[str, Choice], objectives: int = 2) -> list[float]:
    """Closed forms of two settings that every space here has: they disagree about the rate."""
    rate, weight = float(settings["loss.bpp_lambda"]), float(settings["loss.mean_distance_coe"])
    return [rate + (weight / 100) ** 2, 40 * rate**0.1 - weight / 100][:objectives]


def opened(config: StudyConfig, storage: optuna.storages.BaseStorage | None = None) -> optuna.Study:
    """A study as a process that starts now has it."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(
        study_name=config.name,
        storage=storage,
        directions=[objective.direction for objective in config.objectives],
        sampler=make_sampler(config),
        load_if_exists=True,
    )


def _storage(database: Path | None) -> optuna.storages.BaseStorage:
    if database is None:
        return optuna.storages.InMemoryStorage()
    return optuna.storages.RDBStorage(f"sqlite:///{database}")


def played(
    config: StudyConfig,
    trials: int,
    *,
    restart: bool = False,
    database: Path | None = None,
    tells: bool = True,
    violation: Callable[[Settings], float] | None = None,
) -> list[Settings]:
    """Ask for trials while up to three are pending; every fifth fails and every seventh is pruned.

    Args:
        config: the study.
        trials: how many, after those that the study file names.
        restart: ask each of another process, as it were.
        database: where the study is kept; None keeps it in memory.
        tells: whether trials ever end.
        violation: of a constraint, by a trial's settings.
    """
    storage = _storage(database)
    study = opened(config, storage)
    for _ in range(1 + len(config.search.first)):
        study.enqueue_trial({})
    asked: list[Settings] = []
    pending: list[optuna.Trial] = []
    for number in range(1 + len(config.search.first) + trials):
        if restart:
            study = opened(config, storage if database is None else _storage(database))
        trial = study.ask()
        assert trial.number == number
        asked.append(suggest(trial, config))
        pending.append(trial)
        if tells and len(pending) > 3:
            ended = pending.pop(0)
            settings = asked[ended.number]
            if violation is not None:
                note_constraints(ended, {"bpp <= 2": violation(settings)})
            if ended.number % 5 == 4:
                study.tell(ended.number, state=optuna.trial.TrialState.FAIL)
            elif ended.number % 7 == 6:
                study.tell(ended.number, state=optuna.trial.TrialState.PRUNED)
            else:
                study.tell(ended.number, measured(settings, len(config.objectives)))
    return asked
