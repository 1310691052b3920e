"""The search space: dotted names resolved against the study, and settings applied to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from study.config import LossWeights, Range, Section, StudyConfig, TrialConfig
from study.errors import StudyError
from study.nearest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails

    from study.config import Choice

SEARCHABLE_SECTIONS = ("loss", "training", "model")

PREPARED = frozenset({"model.k", "model.downsample_rate"})
"""Settings that the prepared data set was built with; a trial cannot have its own."""

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
    for name, searched in config.search.space.items():
        _check_name(config, name)
        for value in _ends(searched):
            apply(config, {name: value})
        _check_between(name, searched)
        _check_published(config, name, searched)
    for number, settings in enumerate(config.search.first):
        _check_first(config, number, settings)
    _check_trial_count(config)


def apply(config: StudyConfig, settings: Mapping[str, Choice]) -> StudyConfig:
    """Return the study with searched settings in their places, checked like a study file's.

    Raises:
        StudyError: a value is not one that the setting may have.
    """
    for name, value in settings.items():
        section_name, _, field = name.partition(".")
        section: Section = getattr(config, section_name)
        try:
            changed = type(section).model_validate({**dict(section), field: value})
        except ValidationError as error:
            message = f"search.space: {name} cannot be {value!r}: {reason_of(error.errors()[0])}"
            raise StudyError(message) from error
        config = config.model_copy(update={section_name: changed})
    return config


def reason_of(fault: ErrorDetails) -> str:
    """Return pydantic's reason as the end of a sentence."""
    reason = fault["msg"].removeprefix("Value error, ")
    return reason[0].lower() + reason[1:]


def baseline(config: StudyConfig) -> dict[str, Choice]:
    """Return the first trial: published coefficients, and the study's own value for the rest."""
    return {name: PUBLISHED.get(name, _value(config, name)) for name in config.search.space}


def is_published(config: StudyConfig, settings: Mapping[str, Choice]) -> bool:
    """Tell whether a trial trains with all of D-PCC's coefficients, searched or not."""
    return apply(config, settings).loss == LossWeights()


def is_integer(config: StudyConfig, name: str) -> bool:
    """Tell whether a searched setting takes whole numbers only."""
    return type(_value(config, name)) is int


def trial_config(
    config: StudyConfig, number: int, settings: Mapping[str, Choice], data_folder: str
) -> TrialConfig:
    """Return everything that the worker of one trial needs to know.

    All trials share the study's seed: they start from the same weights and see the patches in the
    same order, so that they differ by their settings and not by luck.
    """
    applied = apply(config, settings)
    return TrialConfig(
        trial=number,
        seed=config.seed,
        threads=config.resources.cpus_per_trial,
        data_folder=data_folder,
        model=applied.model,
        loss=applied.loss,
        training=applied.training,
    )


def _value(config: StudyConfig, name: str) -> Any:  # noqa: ANN401 (a field of any type)
    section_name, _, field = name.partition(".")
    return getattr(getattr(config, section_name), field)


def _ends(searched: Range) -> tuple[Choice, ...]:
    return searched.ends if searched.choices is None else searched.choices


def _check_name(config: StudyConfig, name: str) -> None:
    valid = [
        f"{section}.{field}"
        for section in SEARCHABLE_SECTIONS
        for field in type(getattr(config, section)).model_fields
        if f"{section}.{field}" not in PREPARED
        and not isinstance(_value(config, f"{section}.{field}"), tuple)
    ]
    if name in PREPARED:
        message = (
            f"search.space: '{name}' cannot be searched, for the data are prepared with one value; "
            "make one study per value"
        )
        raise StudyError(message)
    if name not in valid:
        message = f"search.space: there is no setting '{name}'; {did_you_mean(name, valid)}"
        raise StudyError(message)


def _check_between(name: str, searched: Range) -> None:
    """Refuse ranges of which only the ends are known to fit: widths must divide each other."""
    if searched.choices is None and name.startswith("model."):
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
