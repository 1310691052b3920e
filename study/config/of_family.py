"""Sections whose keys the family of models decides, wherever they are read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field, PlainValidator, SerializeAsAny, ValidationInfo

from study.config.family import settings_of
from study.config.section import Section
from study.config.training import TrainingSection

if TYPE_CHECKING:
    from collections.abc import Mapping

OF_FAMILY = ("model", "loss", "training")


def _known(name: str) -> str:
    settings_of(name)
    return name


def _of_family(value: object, info: ValidationInfo) -> object:
    """Read a section as the family has it; a plain `Section` stands for all of its defaults."""
    family = info.data.get("family")
    if family is None:  # It is refused itself.
        return value
    kind = kinds(family)[str(info.field_name)]
    if isinstance(value, kind):
        return value
    if type(value) in {Section, TrainingSection}:
        return kind()
    # Through JSON, for there a list may become a tuple even in strict mode.
    return kind.model_validate_json(json.dumps(value), strict=True)


def kinds(family: str) -> Mapping[str, type[Section]]:
    """Return the classes of a family's sections, by their names in a study file.

    Raises:
        StudyError: there is no such family.
    """
    settings = settings_of(family)
    return {name: getattr(settings, name) for name in OF_FAMILY}


FamilyName = Annotated[str, Field(min_length=1), AfterValidator(_known)]
"""Of a family that exists; it stands before the sections, which are read by it."""

if TYPE_CHECKING:
    FamilySection = Any
    """Its keys are the family's own, and whoever reads one knows the family."""
else:
    FamilySection = SerializeAsAny[Annotated[Section, PlainValidator(_of_family)]]
FamilyTraining = SerializeAsAny[Annotated[TrainingSection, PlainValidator(_of_family)]]
