"""Checks a search space against the rest of the study, before anything starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel

from study.base.errors import StudyError
from study.base.spelling import did_you_mean
from study.config import StudyConfig
from study.config.derived import most_epochs
from study.config.family import published
from study.config.of_family import kinds
from study.search.conditions import check_conditions, is_active
from study.search.space import apply, baseline, contains, table_of, value_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from study.config.choices import Choice
    from study.config.ranges import Range

_SECTIONS = ("loss", "training", "model")
"""Sections that describe a trial, with all that is in them."""

SEARCHABLE_DATA = ("cube_size", "min_points", "min_points_evaluation", "max_points", "voxel_depth")
"""How clouds are cut. The rest of `data` decides what is measured, which trials must share."""


def check_space(config: StudyConfig) -> None:
    """Check the search space against the rest of the study, before anything starts.

    Raises:
        StudyError: a searched name is no setting (the nearest one is named), a range or a choice
            is not a value that the setting may have, the published value lies outside, or a value
            in the study file would never be used.
    """
    for name in config.search.space:
        _check_name(config, name)
    check_conditions(config.search.space)
    for name, searched in config.search.space.items():
        # An architecture's settings are checked in all their combinations, by
        # `check_architectures`.
        for value in _ends(searched) if name.partition(".")[0] != "model" else ():
            apply(config, {name: value})
        _check_between(name, searched)
        _check_published(config, name, searched)
    _check_no_overlap(config)
    for number, settings in enumerate(config.search.first):
        _check_first(config, number, settings)
    _check_trial_count(config)
    _check_epoch_budget(config)


def _ends(searched: Range) -> tuple[Choice, ...]:
    return searched.ends if searched.options is None else searched.options


def searchable(family: str) -> list[str]:
    """Return the dotted names of all settings that a study of a family may search."""
    kind = kinds(family)
    return [
        *(f"{name}.{field}" for name in _SECTIONS for field in kind[name].model_fields),
        *(f"data.{field}" for field in SEARCHABLE_DATA),
    ]


def _check_name(config: StudyConfig, name: str) -> None:
    valid = searchable(config.family)
    if name in [*valid, "model"]:
        return
    section, _, field = name.partition(".")
    place = getattr(config, section, None) if section in StudyConfig.model_fields else None
    inner = type(place).model_fields if isinstance(place, BaseModel) else {}
    if section not in StudyConfig.model_fields or (field and field not in inner):
        message = f"search.space: there is no setting '{name}'; {did_you_mean(name, valid)}"
        raise StudyError(message)
    why = "decides what codecs are measured on" if section == "data" else "is the whole study's"
    message = (
        f"search.space: {name} cannot be searched, for it {why}; what can is all of "
        f"{', '.join(_SECTIONS)}, and of data {', '.join(SEARCHABLE_DATA)}"
    )
    raise StudyError(message)


def _check_no_overlap(config: StudyConfig) -> None:
    """Refuse to search a setting both by itself and within the model's tables."""
    tables = config.search.space.get("model")
    for choice in (tables.options or ()) if tables else ():
        for field in table_of(config, "model", choice):
            if f"model.{field}" in config.search.space:
                message = (
                    f"search.space: model.{field} is searched by itself and within the choices of "
                    "'model'; take it out of one of them"
                )
                raise StudyError(message)


def _check_between(name: str, searched: Range) -> None:
    """Refuse ranges whose inner values may not fit: widths, say, must divide each other."""
    if searched.options is not None:
        return
    why = {
        "model": f"not every number from {searched.low!r} to {searched.high!r} makes a codec",
        "data": "a data set is prepared for each",
    }.get(name.partition(".")[0])
    if why is not None:
        message = f"search.space: {name} must be given as choices, for {why}"
        raise StudyError(message)


def _check_published(config: StudyConfig, name: str, searched: Range) -> None:
    trial = baseline(config)
    if name not in trial:  # Not searched in the first trial, which has the study's own value.
        return
    first, own = trial[name], value_of(config, name)
    if first is None:
        message = (
            f"search.space: the first trial of every study trains with its own {name}, and that is "
            f"null; set {name} to a value that search.space allows"
        )
        raise StudyError(message)
    if not contains(searched, first):
        message = (
            f"search.space: {name} must allow {first!r}, with which the first trial of every study "
            f"trains, but allows {_show(searched)}"
        )
        raise StudyError(message)
    if searched.value is not None:
        _check_constant(config, name, searched.value)
    elif name in published(config.of_family) and own != first:
        message = (
            f"{name} is searched, and its first trial takes the published {first!r}, so the study "
            f"file's own value {own!r} would go unread; remove it, or do not search {name}"
        )
        raise StudyError(message)


def _check_constant(config: StudyConfig, name: str, value: Choice) -> None:
    """Refuse a constant beside another value of the study's own."""
    section, _, field = name.partition(".")
    own = value_of(config, name)
    if not field or apply(config, {name: value}) == config:
        return
    if own != type(getattr(config, section)).model_fields[field].get_default():
        message = (
            f"search.space: all trials have {name} {value!r}, so the study file's own value "
            f"{own!r} would go unread; remove one of them"
        )
        raise StudyError(message)


def _check_first(config: StudyConfig, number: int, settings: Mapping[str, Choice]) -> None:
    for name, value in settings.items():
        place = f"search.first.{number}"
        searched = config.search.space.get(name)
        if searched is None:
            hint = did_you_mean(name, config.search.space)
            message = f"{place}: '{name}' is not a searched setting; {hint}"
            raise StudyError(message)
        apply(config, {name: value})
        if not contains(searched, value):
            message = f"{place}: {name} is {value!r}, but search.space allows {_show(searched)}"
            raise StudyError(message)
        if not is_active(searched, settings):
            needed = " and ".join(f"{other} {list(v)}" for other, v in searched.when.items())
            message = f"{place}: {name} is searched only with one of {needed}; name that here too"
            raise StudyError(message)


def _check_trial_count(config: StudyConfig) -> None:
    needed = 1 + len(config.search.first)
    if config.search.trials < needed:
        message = (
            f"search.trials must be at least {needed}, the published setting and those of "
            f"search.first, but is {config.search.trials}"
        )
        raise StudyError(message)


def _check_epoch_budget(config: StudyConfig) -> None:
    most, longest = config.budget.epochs, most_epochs(config)
    if most is not None and most < longest:
        message = (
            f"budget.epochs must be enough for one trial, which may train {longest} epochs, but is "
            f"{most}"
        )
        raise StudyError(message)


def _show(searched: Range) -> str:
    if searched.options is not None:
        return f"one of {list(searched.options)}"
    return f"{searched.low!r} to {searched.high!r}"
