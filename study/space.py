"""The search space: dotted names resolved against the study, and settings applied to it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from study.choices import meaning_of
from study.config import LossWeights, ModelSection, StudyConfig, TrialConfig
from study.errors import StudyError
from study.halting import check_halting
from study.measures import extra_metrics
from study.nearest import did_you_mean
from study.section import Section

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pydantic_core import ErrorDetails

    from study.choices import Choice
    from study.config import Geometry
    from study.ranges import Range

SEARCHABLE_SECTIONS = ("loss", "training", "model")

PUBLISHED: Mapping[str, float] = {
    f"loss.{name}": LossWeights.model_fields[name].default
    for name in ("bpp_lambda", "chamfer_coe", "density_coe", "pts_num_coe")
}
"""D-PCC's published coefficients: what the first trial of every study trains with."""


def check_space(config: StudyConfig) -> None:
    """Hold the search space against the rest of the study, before anything starts.

    Raises:
        StudyError: a searched name is no setting (the nearest one is named), a range or a choice
            is not a value that the setting may have, the published value lies outside, or a value
            in the study file would never be used.
    """
    for name in config.search.space:
        _check_name(config, name)
    for name, searched in config.search.space.items():
        # An architecture's settings are checked in all their combinations: study.architectures.
        for value in _ends(searched) if name.partition(".")[0] != "model" else ():
            apply(config, {name: value})
        _check_between(name, searched)
        _check_published(config, name, searched)
    _check_no_overlap(config)
    for number, settings in enumerate(config.search.first):
        _check_first(config, number, settings)
    _check_trial_count(config)
    check_halting(config)


def apply(config: StudyConfig, settings: Mapping[str, Choice]) -> StudyConfig:
    """Return the study with searched settings in their places, checked like a study file's.

    Raises:
        StudyError: a value is not one that the setting may have.
    """
    changes: dict[str, dict[str, object]] = {}
    for name, value in settings.items():
        section, _, field = name.partition(".")
        changed = {field: meaning_of(value)} if field else _table(name, value)
        changes.setdefault(section, {}).update(changed)
    applied = {name: _changed(config, name, fields) for name, fields in changes.items()}
    return config.model_copy(update=applied)


def _changed(config: StudyConfig, name: str, fields: Mapping[str, object]) -> Section:
    """Return a section with other values; those of one trial are checked together."""
    section: Section = getattr(config, name)
    try:
        # Through JSON, for there a list may become a tuple even in strict mode.
        text = json.dumps({**section.model_dump(mode="json"), **fields})
        return type(section).model_validate_json(text)
    except ValidationError as error:
        reason = reason_of(error.errors()[0])
        if len(fields) == 1:
            ((field, value),) = fields.items()
            message = f"search.space: {name}.{field} cannot be {value!r}: {reason}"
        else:
            given = ", ".join(f"{name}.{field} {value!r}" for field, value in fields.items())
            message = f"search.space: {given} cannot be together: {reason}"
        raise StudyError(message) from error


def _table(name: str, value: Choice) -> dict[str, object]:
    """Return the settings of a choice for a whole section."""
    settings = meaning_of(value)
    if not isinstance(settings, dict):
        message = (
            f"search.space: a choice of '{name}' must be a table of its settings, such as "
            f"{{dim: 16, hidden_dim: 32}}, and is {value!r}"
        )
        raise StudyError(message)
    unknown = sorted(set(settings) - set(ModelSection.model_fields))
    if unknown:
        hint = did_you_mean(unknown[0], ModelSection.model_fields)
        message = f"search.space: there is no setting '{name}.{unknown[0]}'; {hint}"
        raise StudyError(message)
    return settings


def reason_of(fault: ErrorDetails) -> str:
    """Return pydantic's reason as the end of a sentence."""
    reason = fault["msg"].removeprefix("Value error, ")
    return reason[0].lower() + reason[1:]


def baseline(config: StudyConfig) -> dict[str, Choice]:
    """Return the first trial: published coefficients, and the study's own value for the rest."""
    return {
        name: PUBLISHED[name] if name in PUBLISHED else _own_choice(config, name)
        for name in config.search.space
    }


def _own_choice(config: StudyConfig, name: str) -> Choice:
    """Return the study's own value of a searched setting, as its choices would write it."""
    own = _value(config, name)
    if not isinstance(own, tuple | Section):
        value: Choice = own
        return value
    for choice in config.search.space[name].choices or ():
        if apply(config, {name: choice}) == config:
            return choice
    missing = "{}" if name == "model" else list(own)
    message = (
        f"search.space: the choices of {name} must hold the study's own, with which the first "
        f"trial trains; add {missing}"
    )
    raise StudyError(message)


def is_published(config: StudyConfig, settings: Mapping[str, Choice]) -> bool:
    """Tell whether a trial trains with all of D-PCC's coefficients, searched or not."""
    return apply(config, settings).loss == LossWeights()


def is_integer(config: StudyConfig, name: str) -> bool:
    """Tell whether a searched setting takes whole numbers only."""
    return type(_value(config, name)) is int


def decides_shape(name: str) -> bool:
    """Tell whether trials with different values of a setting cannot train as one population."""
    return name.partition(".")[0] == "model" or name == "training.patches_per_step"


def trial_config(
    config: StudyConfig,
    number: int,
    settings: Mapping[str, Choice],
    data_folders: Mapping[Geometry, Path],
) -> TrialConfig:
    """Return everything that the worker of one trial needs to know.

    Its data are those that were prepared for its architecture.

    All trials share the study's seed: they start from the same weights and see the patches in the
    same order, so that they differ by their settings and not by luck.
    """
    applied = apply(config, settings)
    return TrialConfig(
        trial=number,
        seed=config.seed,
        threads=config.resources.cpus_per_cohort,
        data_folder=str(data_folders[applied.model.geometry]),
        extra_metrics=extra_metrics(config),
        model=applied.model,
        loss=applied.loss,
        training=applied.training,
    )


def _value(config: StudyConfig, name: str) -> Any:  # noqa: ANN401 (a field of any type)
    section_name, _, field = name.partition(".")
    section = getattr(config, section_name)
    return getattr(section, field) if field else section


def _ends(searched: Range) -> tuple[Choice, ...]:
    return searched.ends if searched.choices is None else searched.choices


def _check_name(config: StudyConfig, name: str) -> None:
    valid = [
        f"{section}.{field}"
        for section in SEARCHABLE_SECTIONS
        for field in type(getattr(config, section)).model_fields
    ]
    if name not in [*valid, "model"]:
        message = f"search.space: there is no setting '{name}'; {did_you_mean(name, valid)}"
        raise StudyError(message)


def _check_no_overlap(config: StudyConfig) -> None:
    """Refuse to search a setting both by itself and within the model's tables."""
    tables = config.search.space.get("model")
    for choice in (tables.choices or ()) if tables else ():
        for field in _table("model", choice):
            if f"model.{field}" in config.search.space:
                message = (
                    f"search.space: model.{field} is searched by itself and within the choices of "
                    "'model'; take it out of one of them"
                )
                raise StudyError(message)


def _check_between(name: str, searched: Range) -> None:
    """Refuse ranges of which only the ends are known to fit: widths must divide each other."""
    if searched.choices is None and name.partition(".")[0] == "model":
        message = (
            f"search.space: {name} must be given as choices, for not every number from "
            f"{searched.low!r} to {searched.high!r} makes a codec"
        )
        raise StudyError(message)


def _check_published(config: StudyConfig, name: str, searched: Range) -> None:
    first = baseline(config)[name]
    if not contains(searched, first):
        message = (
            f"search.space: {name} must allow {first!r}, with which the first trial of every study "
            f"trains, but allows {_show(searched)}"
        )
        raise StudyError(message)
    own = _value(config, name)
    if name in PUBLISHED and own != first:
        message = (
            f"{name} is searched, and its first trial takes the published {first!r}, so the study "
            f"file's own value {own!r} would go unread; remove it, or do not search {name}"
        )
        raise StudyError(message)


def contains(searched: Range, value: Choice | None) -> bool:
    """Tell whether a range or list of choices allows a value."""
    if searched.choices is not None:
        return value in searched.choices
    low, high = searched.ends
    return isinstance(value, int | float) and low <= value <= high


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


def _check_trial_count(config: StudyConfig) -> None:
    needed = 1 + len(config.search.first)
    if config.search.trials < needed:
        message = (
            f"search.trials must be at least {needed}, the published setting and those of "
            f"search.first, but is {config.search.trials}"
        )
        raise StudyError(message)


def _show(searched: Range) -> str:
    if searched.choices is not None:
        return f"one of {list(searched.choices)}"
    return f"{searched.low!r} to {searched.high!r}"
