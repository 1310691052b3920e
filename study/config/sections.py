"""Which section a field of a study file holds."""

from __future__ import annotations

from typing import get_args

from pydantic import BaseModel


def section_in(annotation: object) -> type[BaseModel] | None:
    """Return the section that a field holds, itself or as the items of a list or table."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in get_args(annotation):
        if (section := section_in(argument)) is not None:
            return section
    return None
