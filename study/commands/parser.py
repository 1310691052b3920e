"""The parser of the whole command line, built from what is declared."""

from __future__ import annotations

import argparse
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from study.base.spelling import did_you_mean
from study.commands.declared.command import OneOf, Option

if TYPE_CHECKING:
    from collections.abc import Iterable

    from study.commands.declared.command import Command

_DESCRIPTION = """\
Train many variants of a learned point cloud codec that differ in the weights of their loss,
and find those whose rate and distortion none other beats: the Pareto front."""

_EXAMPLES = """\
examples:
  study run                     the quick start: a small study on the embedded objects
  study run mine.yaml           a study of your own; `study explain` lists what it may say
  study resume quickstart-001   goes on after Ctrl-C, a crash or a reboot
  study status                  all studies, and whether anyone works on them
  study status quickstart-001   one study's trials
  study front quickstart-001    its Pareto table, what it lacks, and its pictures drawn anew
  study compare quickstart-001 quickstart-002
                                how much better one front is than another, and how sure that is
  study ui quickstart-001       its front and its trials in the browser (MLflow)

  study export quickstart-001 --knee codec
                                takes a codec out of a study
  study compress codec chair.ply
  study decompress codec chair.dpcs

`study COMMAND --help` has more.

exit codes: 0 done, 1 no trial could be finished, 2 something given cannot be used,
130 interrupted (what was finished is kept, and `study resume` goes on)."""

_SHAPE = argparse.RawDescriptionHelpFormatter


class _StudyParser(argparse.ArgumentParser):
    """Names the nearest command to one that was misspelt, where argparse would list them all."""

    def _check_value(self, action: argparse.Action, value: Any) -> None:  # noqa: ANN401
        if action.choices is not None and value not in action.choices:
            message = f"there is no command '{value}'; {did_you_mean(value, action.choices)}"
            raise argparse.ArgumentError(None, message)


class _CommandParser(argparse.ArgumentParser):
    """Takes options anywhere: argparse would refuse OUT after one, where OUT may be left out."""

    _is_mixing = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:  # noqa: ANN401
        """Parse as its parent, which calls this again for one kind of words at a time."""
        if self._is_mixing:
            return super().parse_known_args(args, namespace)
        self._is_mixing = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._is_mixing = False


def build_parser(commands: Iterable[Command]) -> argparse.ArgumentParser:
    """Return the parser of a command line; ``command`` of what it parses is the `Command`."""
    parser = _StudyParser(
        prog="study", description=_DESCRIPTION, epilog=_EXAMPLES, formatter_class=_SHAPE
    )
    parsers = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_CommandParser)
    for command in commands:
        description = f"{command.help[0].upper()}{command.help[1:]}."
        own = parsers.add_parser(
            command.name,
            help=command.help,
            description=description,
            epilog=command.about,
            formatter_class=_SHAPE,
        )
        own.set_defaults(command=command)
        for each in command.options:
            _add(each, own)
    return parser


def _add(each: Option | OneOf, parser: argparse._ActionsContainer) -> None:
    if isinstance(each, OneOf):
        group = parser.add_mutually_exclusive_group(required=each.required)
        for option in each.options:
            _add(option, group)
        return
    given = {field.name: getattr(each, field.name) for field in fields(each)}
    name = given.pop("name")
    if each.action == "append":
        given["default"] = []  # argparse appends to a copy of it.
    parser.add_argument(name, **{key: value for key, value in given.items() if value is not None})
