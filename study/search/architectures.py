"""The architectures that a study can reach: its own, and every combination of the searched ones."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from study.base.errors import StudyError
from study.config.derived import asked_metrics
from study.config.family import codes_normals, require_octree
from study.metrics.table import MEASURES
from study.search.conditions import ordered
from study.search.space import apply, baseline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from study.config import Preparation, StudyConfig
    from study.config.choices import Choice
    from study.config.of_family import FamilySection

MOST_COMBINATIONS = 1000
"""Each is checked before anything starts, and data are prepared for each that needs its own."""


def architectures(config: StudyConfig) -> list[FamilySection]:
    """Return every architecture that a trial may have, the first trial's first.

    Raises:
        StudyError: two choices cannot be together, or there are too many combinations.
    """
    return list(dict.fromkeys(reached.model for reached in _reached(config)))


def preparations(config: StudyConfig) -> list[Preparation]:
    """Return every kind of data set that the study needs, the first trial's first."""
    return list(dict.fromkeys(reached.preparation for reached in _reached(config)))


def _reached(config: StudyConfig) -> list[StudyConfig]:
    """Return the study with every combination of searched shapes, the first trial's first."""
    space = config.search.space
    names = [name for name in ordered(space) if name.partition(".")[0] in {"model", "data"}]
    choices = {name: space[name].options or () for name in names}
    count = prod(map(len, choices.values()))
    if count > MOST_COMBINATIONS:
        raise StudyError(
            f"search.space: the choices of model and data may make at most {MOST_COMBINATIONS:,} "
            f"combinations, and {', '.join(choices)} make {count:,}; remove some choices"
        )
    combined: list[dict[str, Choice]] = [{}]
    for name in names:
        when = {other: values for other, values in space[name].when.items() if other in names}
        longer = []
        for settings in combined:
            possible = all(settings.get(other) in values for other, values in when.items())
            if possible:
                longer += [{**settings, name: choice} for choice in choices[name]]
            if not possible or len(when) < len(space[name].when):  # The study's own stands.
                longer.append(settings)
        combined = longer
    return [apply(config, baseline(config)), *(apply(config, settings) for settings in combined)]


def check_architectures(config: StudyConfig) -> None:
    """Check the architectures against each other and against the rest of the study.

    Raises:
        StudyError: choices cannot be together, normals are coded or measured that the data lack, or
            a setting would reach nothing.
    """
    reached = architectures(config)
    _check_normals(config, reached)
    _check_members(config)
    for name, switch, value in config.of_family.dependent:
        if any(getattr(model, switch) is value for model in reached):
            continue
        section, _, field = name.partition(".")
        own: object = getattr(getattr(config, section), field)
        default = type(getattr(config, section)).model_fields[field].default
        if name in config.search.space or own != default:
            raise StudyError(
                f"{name} reaches nothing unless model.{switch} is {str(value).lower()}; set that, "
                f"or leave {name} out"
            )


def _check_members(config: StudyConfig) -> None:
    """Check that codecs can have the members that they are asked for, and metrics have theirs."""
    if config.codec.has_octree:
        require_octree(config.family)
    of_members = [name for name in asked_metrics(config) if "octree member" in MEASURES[name].needs]
    if of_members and not config.codec.has_octree:
        raise StudyError(
            f"{of_members[0]} is of codecs with the octree as a member, and codec.members is "
            "[learned]; set codec.members: [learned, octree], or ask for another metric"
        )


def _check_normals(config: StudyConfig, reached: Sequence[FamilySection]) -> None:
    """Check that normals are there where they are coded or measured, and are not there unread."""
    coded = [codes_normals(config.of_family, model) for model in reached]
    switch = config.of_family.normals_switch
    if any(coded) and not config.data.normals:
        raise StudyError(
            f"model.{switch} needs the points' normals, and data.normals is false; set "
            "data.normals: true"
        )
    if any(coded) and config.codec.has_octree:
        raise StudyError(
            f"codec.members has octree, which codes no normals, and model.{switch} is true; set "
            f"codec.members: [learned], or model.{switch}: false"
        )
    asked = [name for name in asked_metrics(config) if "normals" in MEASURES[name].needs]
    if asked and not config.data.normals:
        raise StudyError(
            f"{asked[0]} needs the points' normals, and data.normals is false; set data.normals: "
            "true, or ask for d1_psnr_db"
        )
    of_decoded = [name for name in asked if "decoded normals" in MEASURES[name].needs]
    if of_decoded and switch is None:
        raise StudyError(
            f"{of_decoded[0]} needs decoded normals, and codecs of the family {config.family} "
            "code none; ask for d2_psnr_db"
        )
    if of_decoded and not all(coded):
        raise StudyError(
            f"{of_decoded[0]} needs decoded normals, and model.{switch} is false; set "
            f"model.{switch}: true, or ask for d2_psnr_db"
        )
