"""A configuration as a YAML file: read with every fault as a sentence, and written.

Numbers are read as people write them. What a file says of its search and its halting is checked
against the rest by `study.storage.study_file`.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from study.base.addresses import holds_secret
from study.base.errors import StudyError
from study.base.output import CONTROLS
from study.base.spelling import did_you_mean
from study.config.family import DPCC
from study.config.sentences import describe
from study.config.study import StudyConfig

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

STUDY_YAML = "study.yaml"
"""What the file is called in a study's own folder."""


_KINDS: Mapping[type, str] = {type(None): "nothing", list: "a list"}
"""What a file may hold instead of a table, in words."""


MOST_CHARACTERS = 1 << 18
"""Of a study file: a thousand wishes take half of that. PyYAML reads 20 kB a second."""
_LONGEST_CHARACTER = 4
"""Bytes, in UTF-8."""
_REPEATED = 100_000
"""Characters that aliases may repeat, all together."""
_DEEPEST = 32
"""Levels of lists and tables: the sections of a study have six."""


_COMMANDING = re.compile(f"[{CONTROLS}]")
"""YAML's own escapes in quotes can name these. Marks of direction may stand in a text that is
written from right to left; `printable` writes them out where it is shown."""


class _Loader(yaml.SafeLoader):
    """YAML 1.2's plain scalars: 1e-3 is a number, `no` is a word, and keys are unique.

    Aliases are expanded when the file is checked, so what they stand for is counted before.
    """

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 (PyYAML's own declaration)

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0
        self._repeated = 0
        self._stands_for = 0
        self._sizes: dict[int, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Refuse what is nested too deep, and aliases that stand for too much or for themselves."""
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        is_alias = self.check_event(yaml.AliasEvent)
        # PyYAML calls itself for each level.
        if self._depth == _DEEPEST:
            problem = f"lists and tables may be nested {_DEEPEST} deep, and here are more"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=mark)
        self._depth += 1
        before = self._stands_for
        node = super().compose_node(parent, index)
        self._depth -= 1
        if is_alias:
            if id(node) not in self._sizes:
                problem = "an alias stands for what it is a part of"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=mark)
            self._repeated += self._sizes[id(node)]
            self._stands_for += self._sizes[id(node)]
        else:
            text = node.value if isinstance(node, yaml.ScalarNode) else ""
            if found := _COMMANDING.search(text):
                problem = f"a text must not hold the character #x{ord(found[0]):04x}"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=mark)
            self._stands_for += 1 + len(text)
            self._sizes[id(node)] = self._stands_for - before
        if self._repeated > _REPEATED:
            problem = f"aliases may repeat {_REPEATED:,} characters, and these repeat more"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=mark)
        return node

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


def read_config(path: Path) -> StudyConfig:
    """Read a study file.

    Raises:
        StudyError: the file cannot be read, is not YAML (with line and column), or holds an unknown
            key or a wrong value (with the dotted path and the nearest valid name).
    """
    return parse_config(_read(path), origin=str(path))


def parse_config(text: str, *, origin: str) -> StudyConfig:
    """Read a study file's text, which `origin` names in sentences.

    Raises:
        StudyError: as in `read_config`.
    """
    if len(text) > MOST_CHARACTERS:
        raise StudyError(_too_long(origin))
    try:
        document = yaml.load(text, Loader=_Loader)  # noqa: S506 (a SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = error.problem or error.context
        if problem and problem.startswith("found character '\\t'"):
            problem = "a tab stands here, where YAML allows spaces only; replace it by spaces"
        message = f"{origin}{place}: {problem}"
        raise StudyError(message) from error
    except yaml.reader.ReaderError as error:  # Its own sentence has two lines.
        message = f"{origin} is not a text file: it holds the character #x{error.character:04x}"
        raise StudyError(message) from error
    except yaml.YAMLError as error:
        message = f"{origin} is not a YAML file: {error}"
        raise StudyError(message) from error
    except (ValueError, LookupError, AttributeError, TypeError) as error:
        # PyYAML's constructors of explicit tags (`!!timestamp soon`), and Python's of long numbers.
        reason = " ".join(str(error).split())[:100]
        message = f"{origin} holds a value that is not of the kind that it claims ({reason})"
        raise StudyError(message) from error
    if not isinstance(document, dict):
        message = (
            f"a study file must hold a table of keys and values, but {origin} holds "
            f"{_KINDS.get(type(document), 'a single value')}; `study explain` lists the keys"
        )
        raise StudyError(message)
    return _validate(document, origin)


def study_text(config: StudyConfig) -> str:
    """Return a study file's text that is read as the same study."""
    return yaml.dump(config.model_dump(mode="json"), Dumper=_Dumper, sort_keys=False)


def write_study(config: StudyConfig, path: Path) -> None:
    """Write a study file that `read_config` reads as the same study.

    Where it holds an address that may have a password in it, only its owner may read it.

    Raises:
        StudyError: the file cannot be written, or not be read again.
    """
    text = study_text(config)
    if len(text) > MOST_CHARACTERS:
        raise StudyError(
            f"a study file may have {MOST_CHARACTERS:,} characters, and this one has "
            f"{len(text):,} with every default and alias written out; leave some of it out"
        )
    # A driver that is killed meanwhile must not leave a part of it: nothing could be read then.
    partial = partial_of(path)
    is_secret = holds_secret(config.storage.uri) or holds_secret(config.tracking.uri)
    try:
        partial.unlink(missing_ok=True)  # What a killed driver left, or a link to somewhere else.
        partial.touch(0o600 if is_secret else 0o666, exist_ok=False)
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        message = f"the study file {path} cannot be written: {error}"
        raise StudyError(message) from error


def partial_of(path: Path) -> Path:
    """Return what a study file is called until all of it is written."""
    return path.with_name(f".{path.name}.partial")


def _too_long(origin: str) -> str:
    return f"a study file may have {MOST_CHARACTERS:,} characters, and {origin} has more"


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LONGEST_CHARACTER * MOST_CHARACTERS + 1)
        if len(content) > _LONGEST_CHARACTER * MOST_CHARACTERS:
            raise StudyError(_too_long(str(path)))
        return content.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except FileNotFoundError:
        near = sorted(str(other) for other in path.parent.glob("*.y*ml"))
        hint = did_you_mean(str(path), near) if near else "`study explain` says what one may hold"
        message = f"there is no study file {path}; {hint}"
        raise StudyError(message) from None
    except IsADirectoryError:
        there = path / STUDY_YAML
        hint = f"; did you mean {there}?" if there.exists() else "; name a file in it"
        message = f"the study file {path} cannot be read: it is a folder{hint}"
        raise StudyError(message) from None
    except UnicodeDecodeError as error:
        message = f"the study file {path} cannot be read: it is not a text file in UTF-8"
        raise StudyError(message) from error
    except OSError as error:
        message = f"the study file {path} cannot be read: {error.strerror or error}"
        raise StudyError(message) from error


def _validate(document: dict[str, Any], origin: str) -> StudyConfig:
    try:
        # Through JSON, for there a list may become a tuple even in strict mode.
        return StudyConfig.model_validate_json(json.dumps(document), strict=True)
    except ValidationError as error:
        family = document.get("family", DPCC)
        is_refused = any(fault["loc"] == ("family",) for fault in error.errors())
        told = describe(error, origin, DPCC if is_refused else family)
        raise StudyError(told) from error
    except (TypeError, ValueError) as error:  # What JSON does not know: a date, a huge number.
        message = f"{origin}: {error}; put quotes around it if it is meant as text"
        raise StudyError(message) from error
