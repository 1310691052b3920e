"""What pydantic refuses, in sentences: where, what must hold, and the nearest valid name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from study.base.addresses import masked
from study.base.spelling import did_you_mean
from study.config.family import DPCC
from study.config.sections import section_in
from study.config.study import StudyConfig, sections_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pydantic import BaseModel, ValidationError
    from pydantic_core import ErrorDetails


_MOST_TOLD = 20
_LONGEST = 100
"""Faults that are told of a file, and characters of a key or a value that are shown."""

_TABLE = "must be a table of keys and values, such as {key: value}"
_WANT_KEYS = {"model_type", "dict_type"}
_IN_WORDS = {"model_type": _TABLE, "dict_type": _TABLE, "tuple_type": "must be a list"}
"""Pydantic speaks of objects and arrays, which a study file does not have, by the fault's type."""


def describe(error: ValidationError, origin: str, family: str = DPCC) -> str:
    """Turn pydantic's list of faults into sentences, one line each.

    Args:
        error: what pydantic says.
        origin: the file.
        family: of the study, which decides what keys there are.
    """
    # A union reports one fault for each of its members; one sentence for a place is enough.
    places: dict[tuple[int | str, ...], list[ErrorDetails]] = {}
    for fault in error.errors(include_url=False):
        places.setdefault(tuple(_readable(fault["loc"])), []).append(fault)
    told = [
        f"{origin}: {_sentence(faults, family)}" for faults in list(places.values())[:_MOST_TOLD]
    ]
    if (more := len(places) - len(told)) > 0:
        told.append(f"{origin}: {more:,} more places are wrong")
    return "\n".join(told)


def _sentence(faults: Sequence[ErrorDetails], family: str) -> str:
    """Say what is wrong at one place, where any of several things might have stood."""
    fault = faults[0]
    location = fault["loc"]
    path, which = dotted(_readable(location)), item(location)
    if fault["type"] == "extra_forbidden":
        *_, name = location
        siblings = _field_names(family, location[:-1])
        return f"unknown key '{path}'{which}; {did_you_mean(str(name), siblings)}"
    if fault["type"] == "missing":
        return f"'{path}'{which} is missing; `study explain` says what it means"
    reason = ", or ".join(dict.fromkeys(map(reason_of, faults)))
    if not path:
        return reason
    given = fault["input"]
    if given is None and fault["type"] in _IN_WORDS:
        return f"'{path}'{which} is empty{_how_to_fill(fault)}"
    told = masked(given) if isinstance(given, str) else given  # An address may have a password.
    shown = "" if isinstance(given, dict | list) else f" (given: {_clipped(repr(told))})"
    return f"'{path}'{which}: {reason}{shown}"


def _how_to_fill(fault: ErrorDetails) -> str:
    """Say what to write at a place of the study file that holds nothing, as after `model:`."""
    section, *below = fault["loc"]
    give = "give it keys" if fault["type"] in _WANT_KEYS else "give it items"
    fields = StudyConfig.model_fields
    if below or section not in fields:
        return f": {give}, or leave it out"
    explained = f"{give}, which `study explain {section}` tells"
    return f": {explained}" + ", or leave it out" * (not fields[str(section)].is_required())


def dotted(place: Iterable[int | str]) -> str:
    """Return the dotted name of a place in a study file; `item` says which one of a list.

    Args:
        place: the keys and the indices, from 0, that lead there.
    """
    return ".".join(_clipped(part) for part in place if isinstance(part, str))


def _clipped(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def item(place: Iterable[int | str]) -> str:
    """Return `` (item 1)`` for a place in the first item of a list; nothing outside of lists."""
    numbers = [f"item {part + 1}" for part in place if isinstance(part, int)]
    return f" ({', '.join(numbers)})" if numbers else ""


def _readable(location: Sequence[int | str]) -> list[int | str]:
    """Drop the names of union members that pydantic mixes into the path."""
    return [part for part in location if not _is_union_member(part)]


def _is_union_member(part: int | str) -> bool:
    return isinstance(part, str) and (
        part in {"int", "float", "str", "bool"} or part.startswith(("literal[", "constrained-"))
    )


def _field_names(family: str, location: Sequence[int | str]) -> list[str]:
    """Return the keys that are valid at a place of the study file; empty where anything goes."""
    found: type[BaseModel] | None = StudyConfig
    for depth, part in enumerate(location):
        if found is None:
            return []
        if depth == 0:
            found = sections_of(family).get(str(part))
        elif isinstance(part, str) and part in found.model_fields:
            found = section_in(found.model_fields[part].annotation)
        # Otherwise `part` is an index of a list or a key of a table: its type is `found` itself.
    return list(found.model_fields) if found else []


def reason_of(fault: ErrorDetails) -> str:
    """Return pydantic's reason, or that of a check of ours, as the end of a sentence."""
    if (told := _IN_WORDS.get(fault["type"])) is not None:
        return told
    is_ours = fault["type"] == "value_error"  # Its message would begin with pydantic's own words.
    reason = str(fault["ctx"]["error"]) if is_ours else fault["msg"]
    return reason[0].lower() + reason[1:]
