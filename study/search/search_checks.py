"""Checks what a study file says about its search, before anything starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from study.base.errors import StudyError
from study.base.spelling import did_you_mean
from study.search.numbered import DEFAULT_POINTS, MOST_POINTS, GridChoices, wished

if TYPE_CHECKING:
    from study.config import StudyConfig

SAMPLERS = {
    "tpe": "tells good trials from bad ones and proposes what looks like the good; the default",
    "gp": "fits Gaussian processes and looks for most volume to gain; for tens of trials",
    "nsga2": "crosses the best trials; for hundreds of trials",
    "nsga3": "as nsga2, for three objectives and more",
    "cmaes": "adapts a normal distribution; one objective, ranges only, no constraints",
    "qmc": "spreads trials evenly (scrambled Sobol), learns nothing",
    "random": "draws, learns nothing",
    "grid": "all combinations of choices and of `points` values of each range (4), learns nothing",
}
"""Who may propose settings, and how."""


_MOST = 1_000_000
"""Of any number among a sampler's options: beyond use, and arrays are as long."""


def check_search(config: StudyConfig) -> None:
    """Check the sampler and what it is given. What must be imported or read is left to `rehearse`.

    Raises:
        StudyError: there is no such sampler, it cannot do what the study asks for, or a setting
            cannot be stratified.
    """
    sampler = config.search.sampler
    if sampler not in SAMPLERS and ":" not in sampler:
        message = (
            f"search.sampler: there is no sampler '{sampler}'; {did_you_mean(sampler, SAMPLERS)} "
            "Another of Optuna's kind is given as module:Class"
        )
        raise StudyError(message)
    for name, value in config.search.sampler_options.items():
        # Written so that NaN fails the comparison too.
        is_number = isinstance(value, int | float)
        if sampler in SAMPLERS and is_number and not abs(value) <= _MOST:
            raise StudyError(
                f"search.sampler_options: {name} must be at most {_MOST:,}, for samplers make as "
                f"many of something, and is {_shown(value)}; lower it"
            )
    _check_stratified(config)
    if sampler == "cmaes":
        _check_cmaes(config)
    elif sampler == "grid":
        _check_grid(config)
    elif sampler in {"random", "qmc"} and config.search.sampler_options:
        name = next(iter(config.search.sampler_options))
        message = f"search.sampler_options: {sampler} has no options, so '{name}' would go unread"
        raise StudyError(message)
    if sampler in {"random", "qmc", "grid"} and config.search.warm_start:
        message = (
            f"search.warm_start would go unread, for {sampler} learns nothing; use a sampler that "
            "does, such as tpe, or remove it"
        )
        raise StudyError(message)


def _check_stratified(config: StudyConfig) -> None:
    for name, slices in config.search.stratify.items():
        searched = config.search.space.get(name)
        if searched is None:
            hint = did_you_mean(name, config.search.space)
            raise StudyError(f"search.stratify: '{name}' is not a searched setting; {hint}")
        if searched.options is not None or searched.when:
            raise StudyError(
                f"search.stratify: {name} must be a range that is searched in all trials, for only "
                f"that has slices; leave it out"
            )
        if slices > MOST_POINTS:
            raise StudyError(
                f"search.stratify: {name} may have {MOST_POINTS:,} slices, and has {slices:,}; "
                "lower it"
            )
        if slices > config.search.trials - wished(config):
            raise StudyError(
                f"search.stratify: {name} has {slices} slices, and of search.trials only "
                f"{config.search.trials - wished(config)} are left to the search; lower the former "
                "or raise the latter"
            )
    if config.search.stratify and config.search.sampler == "grid":
        raise StudyError("search.stratify: a grid covers its ranges by itself; remove stratify")


def _check_cmaes(config: StudyConfig) -> None:
    instead = "use tpe, gp, nsga2 or nsga3"
    if len(config.objectives) > 1:
        raise StudyError(
            f"search.sampler: cmaes searches for one objective, and there are "
            f"{len(config.objectives)}; {instead}"
        )
    if config.constraints:
        raise StudyError(
            f"search.sampler: cmaes does not look at constraints; remove them, or {instead}"
        )
    for name, searched in config.search.space.items():
        if searched.choices is not None or searched.when:
            raise StudyError(
                f"search.sampler: cmaes searches numbers only, in all trials, and {name} "
                f"{'is a choice' if searched.choices else 'has a condition'}; {instead}"
            )


def _check_grid(config: StudyConfig) -> None:
    options = config.search.sampler_options
    for name in options:
        if name != "points":
            hint = did_you_mean(name, ["points"])
            raise StudyError(f"search.sampler_options: grid has no option '{name}'; {hint}")
    points = options.get("points", DEFAULT_POINTS)
    if type(points) is not int or not 2 <= points <= MOST_POINTS:
        raise StudyError(
            f"search.sampler_options: points, of a range, must be a whole number from 2 to "
            f"{MOST_POINTS:,}, and is {_shown(points)}"
        )
    size, left = len(GridChoices(config)), config.search.trials - wished(config)
    if left > size:
        raise StudyError(
            f"search.trials must be at most {size + wished(config):,}, for the grid has "
            f"{size:,} points beside the {wished(config)} given trials, but is "
            f"{config.search.trials}; lower it, or raise sampler_options.points"
        )


def _shown(value: object) -> str:
    """Return a value as a sentence shows it: Python refuses to write out very long numbers."""
    is_long = isinstance(value, int) and abs(value) >= 10**20
    return "longer than 20 digits" if is_long else repr(value)[:100]
