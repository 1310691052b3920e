"""Reads a study file: YAML with numbers as people write them, and every fault as one sentence."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from study.config import StudyConfig
from study.errors import StudyError
from study.nearest import did_you_mean
from study.search.architectures import check_architectures
from study.search.search_checks import check_search
from study.search.space import reason_of
from study.search.space_checks import check_space

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic_core import ErrorDetails

QUICKSTART = Path(__file__).with_name("quickstart.yaml")
"""The study that `study run` runs when it is given none."""


class _Loader(yaml.SafeLoader):
    """YAML 1.2's plain scalars: 1e-3 is a number, `no` is a word, and keys are unique."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 (PyYAML's own declaration)

    def construct_mapping(
        self,
        node: yaml.MappingNode,
        deep: bool = False,  # noqa: FBT001, FBT002 (PyYAML's signature)
    ) -> dict[Any, Any]:
        """Refuse a key that is given twice: PyYAML would keep the last and drop the first."""
        seen: set[str] = set()
        for key_node, _ in node.value:
            fault = None
            if not isinstance(key_node, yaml.ScalarNode):
                fault = "a key must be a plain word"
            elif key_node.value in seen:
                fault = f"the key '{key_node.value}' is given twice"
            if fault:
                raise yaml.MarkedYAMLError(problem=fault, problem_mark=key_node.start_mark)
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)


# Source: YAML 1.2.2, section 10.3.2 (core schema), without octal and hexadecimal numbers.
_PLAIN_SCALARS = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(0|[1-9][0-9_]*)", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
)
for _tag, _pattern, _first in _PLAIN_SCALARS:
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), _first
    )


class _Dumper(yaml.SafeDumper):
    """Puts quotes around exactly the words that `_Loader` would not read as words."""

    yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers


def load_study(path: Path | str) -> StudyConfig:
    """Read and check a study file.

    Raises:
        StudyError: the file cannot be read, is not YAML (with line and column), or says something
            that a study cannot mean (with the dotted path and the nearest valid name).
    """
    return parse_study(_read(Path(path)), origin=str(path))


def parse_study(text: str, *, origin: str) -> StudyConfig:
    """Read and check a study file's text, which `origin` names in sentences.

    Raises:
        StudyError: as in `load_study`.
    """
    try:
        document = yaml.load(text, Loader=_Loader)  # noqa: S506 (a SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        message = f"{origin}{place}: {error.problem or error.context}"
        raise StudyError(message) from error
    except yaml.YAMLError as error:
        message = f"{origin} is not a YAML file: {error}"
        raise StudyError(message) from error
    if not isinstance(document, dict):
        message = (
            f"a study file holds keys and values, but {origin} holds "
            f"{'nothing' if document is None else type(document).__name__}; "
            "`study explain` lists the keys"
        )
        raise StudyError(message)
    config = _validate(document, origin)
    try:
        check_space(config)
        check_search(config)
        check_architectures(config)
    except StudyError as error:
        message = f"{origin}: {error}"
        raise StudyError(message) from error
    return config


def study_text(config: StudyConfig) -> str:
    """Return a study file's text that is read as the same study."""
    return yaml.dump(config.model_dump(mode="json"), Dumper=_Dumper, sort_keys=False)


def write_study(config: StudyConfig, path: Path) -> None:
    """Write a study file that `load_study` reads as the same study.

    Raises:
        StudyError: the file cannot be written.
    """
    text = study_text(config)
    # A driver that is killed meanwhile must not leave a part of it: nothing could be read then.
    partial = partial_of(path)
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        message = f"the study file {path} cannot be written: {error}"
        raise StudyError(message) from error


def partial_of(path: Path) -> Path:
    """Return what a study file is called until all of it is written."""
    return path.with_name(f".{path.name}.partial")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        near = sorted(str(other) for other in path.parent.glob("*.y*ml"))
        hint = did_you_mean(str(path), near) if near else "`study explain` says what one may hold"
        message = f"there is no study file {path}; {hint}"
        raise StudyError(message) from None
    except (OSError, UnicodeDecodeError) as error:
        message = f"the study file {path} cannot be read: {error}"
        raise StudyError(message) from error


def _validate(document: dict[str, Any], origin: str) -> StudyConfig:
    try:
        # Through JSON, for there a list may become a tuple even in strict mode.
        return StudyConfig.model_validate_json(json.dumps(document), strict=True)
    except ValidationError as error:
        raise StudyError(describe(error, origin)) from error
    except TypeError as error:  # A key or value that JSON does not know, such as a date.
        message = f"{origin}: {error}; put quotes around it if it is meant as text"
        raise StudyError(message) from error


def describe(error: ValidationError, origin: str) -> str:
    """Turn pydantic's list of faults into sentences, one line each."""
    # A union reports one fault for each of its members; one sentence for a place is enough.
    places: dict[tuple[str, ...], list[ErrorDetails]] = {}
    for fault in error.errors(include_url=False):
        places.setdefault(tuple(_readable(fault["loc"])), []).append(fault)
    return "\n".join(f"{origin}: {_sentence(faults)}" for faults in places.values())


def _sentence(faults: Sequence[ErrorDetails]) -> str:
    """Say what is wrong at one place, where any of several things might have stood."""
    fault = faults[0]
    location = fault["loc"]
    path = ".".join(_readable(location))
    if fault["type"] == "extra_forbidden":
        *_, name = location
        siblings = _field_names(StudyConfig, location[:-1])
        return f"unknown key '{path}'; {did_you_mean(str(name), siblings)}"
    if fault["type"] == "missing":
        return f"'{path}' is missing; `study explain` says what it means"
    reason = ", or ".join(dict.fromkeys(map(reason_of, faults)))
    if not path:
        return reason
    given = fault["input"]
    shown = f" (given: {given!r})" if not isinstance(given, dict | list) else ""
    return f"'{path}': {reason}{shown}"


def _readable(location: Sequence[int | str]) -> list[str]:
    """Drop the names of union members that pydantic mixes into the path."""
    return [str(part) for part in location if not _is_union_member(part)]


def _is_union_member(part: int | str) -> bool:
    return isinstance(part, str) and (
        part in {"int", "float", "str", "bool"} or part.startswith(("literal[", "constrained-"))
    )


def _field_names(model: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    """Return the keys that are valid at a place of the study file; empty where anything goes."""
    found: type[BaseModel] | None = model
    for part in location:
        if found is None:
            return []
        if isinstance(part, str) and part in found.model_fields:
            found = section_in(found.model_fields[part].annotation)
        # Otherwise `part` is an index of a list or a key of a table: its type is `found` itself.
    return list(found.model_fields) if found else []


def section_in(annotation: object) -> type[BaseModel] | None:
    """Return the section that a field holds, itself or as the items of a list or table."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in get_args(annotation):
        if (section := section_in(argument)) is not None:
            return section
    return None
