"""The search space: dotted names resolved against the study, and settings applied to it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from study.base.errors import StudyError
from study.base.spelling import did_you_mean
from study.config import StudyConfig, TrialConfig
from study.config.choices import meaning_of
from study.config.derived import extra_metrics
from study.config.family import published
from study.config.sentences import reason_of
from study.search.conditions import is_active, ordered

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from study.config import Preparation
    from study.config.choices import Choice
    from study.config.ranges import Range


def apply(config: StudyConfig, settings: Mapping[str, Choice]) -> StudyConfig:
    """Return the study with searched settings in their places, checked like a study file's.

    Raises:
        StudyError: a value is not one that the setting may have.
    """
    changes: dict[str, dict[str, object]] = {}
    for name, value in settings.items():
        section, _, field = name.partition(".")
        changed = {field: meaning_of(value)} if field else table_of(config, name, value)
        changes.setdefault(section, {}).update(changed)
    applied = {name: _changed(config, name, fields) for name, fields in changes.items()}
    return config.model_copy(update=applied)


def _changed(config: StudyConfig, name: str, fields: Mapping[str, object]) -> BaseModel:
    """Return a section with other values; those of one trial are checked together."""
    section: BaseModel = getattr(config, name)
    try:
        # Through JSON, for there a list may become a tuple even in strict mode.
        text = json.dumps({**section.model_dump(mode="json"), **fields})
        return type(section).model_validate_json(text, strict=True)
    except ValidationError as error:
        reason = reason_of(error.errors()[0])
        if len(fields) == 1:
            ((field, value),) = fields.items()
            message = f"search.space: {name}.{field} cannot be {value!r}: {reason}"
        else:
            given = ", ".join(f"{name}.{field} {value!r}" for field, value in fields.items())
            message = f"search.space: {given} cannot be together: {reason}"
        raise StudyError(message) from error


def table_of(config: StudyConfig, name: str, value: Choice) -> dict[str, object]:
    """Return the settings of a choice for a whole section."""
    settings, valid = meaning_of(value), type(config.model).model_fields
    if not isinstance(settings, dict):
        known = ", ".join(valid)
        message = (
            f"search.space: a choice of '{name}' must be a table of its settings (of {known}), and "
            f"is {value!r}"
        )
        raise StudyError(message)
    unknown = sorted(set(settings) - set(valid))
    if unknown:
        hint = did_you_mean(unknown[0], valid)
        message = f"search.space: there is no setting '{name}.{unknown[0]}'; {hint}"
        raise StudyError(message)
    return settings


def baseline(config: StudyConfig) -> dict[str, Choice]:
    """Return the first trial: published coefficients, and the study's own value for the rest."""
    first: dict[str, Choice] = {}
    known = published(config.of_family)
    for name in ordered(config.search.space):
        searched = config.search.space[name]
        if not is_active(searched, first):
            continue
        if searched.value is not None:
            first[name] = searched.value
        else:
            first[name] = known[name] if name in known else _own_choice(config, name)
    return first


def _own_choice(config: StudyConfig, name: str) -> Choice:
    """Return the study's own value of a searched setting, as its choices would write it."""
    own = value_of(config, name)
    if not isinstance(own, tuple | BaseModel):
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
    """Tell whether a trial trains with the family's own loss, and all that it publishes.

    It does not matter whether they are searched.
    """
    applied, family = apply(config, settings), config.of_family
    own = published(family).items()
    return bool(applied.loss == family.loss()) and all(
        value_of(applied, name) == value for name, value in own
    )


def is_integer(config: StudyConfig, name: str) -> bool:
    """Tell whether a searched setting takes whole numbers only."""
    return type(value_of(config, name)) is int


def decides_shape(name: str) -> bool:
    """Tell whether trials with different values of a setting cannot train as one population."""
    return name.partition(".")[0] in {"model", "data"} or name == "training.patches_per_step"


def contains(searched: Range, value: Choice | None) -> bool:
    """Tell whether a range or list of choices allows a value."""
    if searched.options is not None:
        return value in searched.options
    low, high = searched.ends
    return isinstance(value, int | float) and low <= value <= high


def trial_config(
    config: StudyConfig,
    number: int,
    settings: Mapping[str, Choice],
    data_folders: Mapping[Preparation, Path],
) -> TrialConfig:
    """Return everything that the worker of one trial needs to know.

    Its data are those that were prepared for its architecture and its way to cut clouds.

    All trials share the study's seed: they start from the same weights and see the patches in the
    same order, so that they differ by their settings and not by luck.
    """
    applied = apply(config, settings)
    return TrialConfig(
        trial=number,
        seed=config.seed,
        threads=config.resources.cpus_per_cohort,
        data_folder=str(data_folders[applied.preparation]),
        extra_metrics=extra_metrics(config),
        system_metrics=config.tracking.system_metrics,
        family=config.family,
        model=applied.model,
        loss=applied.loss,
        training=applied.training,
        codec=config.codec,
    )


def value_of(config: StudyConfig, name: str) -> Any:  # noqa: ANN401 (a field of any type)
    """Return the study's own value of a setting, or a section."""
    section_name, _, field = name.partition(".")
    section = getattr(config, section_name)
    return getattr(section, field) if field else section
