"""Commands as data: what is declared can be carried out, is documented, and stands once."""

from __future__ import annotations

import argparse
import inspect
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import study.commands
from study.commands.declared import COMMANDS
from study.commands.declared.command import Command, OneOf, Option
from study.commands.declared.options import list_of, number_above, slices, whole_number
from study.commands.main import function
from study.commands.parser import build_parser

FOLDER = Path(study.commands.__file__).parent
README = FOLDER.parent.parent / "README.md"
BY_NAME = {command.name: command for command in COMMANDS}

EXAMPLES = sorted(
    {
        line.strip().partition("  ")[0]
        for command in COMMANDS
        for line in command.about.splitlines()
        if line.startswith("  study ")
    }
)


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_a_declared_command_can_be_carried_out(name: str) -> None:
    command = BY_NAME[name]
    assert list(inspect.signature(function(command.run)).parameters) == ["arguments", "console"]
    if command.check is not None:
        assert list(inspect.signature(function(command.check)).parameters) == ["arguments"]


def test_every_check_is_declared() -> None:
    """One that is not would refuse nothing."""
    places = {command.check for command in COMMANDS} - {None}
    source = (FOLDER / "checks.py").read_text(encoding="utf-8")
    written = re.findall(r"^def (check_\w+)", source, re.MULTILINE)
    assert places == {f"study.commands.checks:{check}" for check in written}


def test_the_readme_has_a_row_for_each_command() -> None:
    rows = re.findall(r"^\| `study ([a-z-]+)", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted(BY_NAME)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_of_the_help_is_a_command(example: str) -> None:
    parsed = build_parser(COMMANDS).parse_args(shlex.split(example)[1:])
    assert parsed.command in COMMANDS


@pytest.mark.parametrize("option", ["--root", "--force", "--address"])
def test_an_option_of_several_commands_is_declared_once(option: str) -> None:
    sources = (path.read_text(encoding="utf-8") for path in (FOLDER / "declared").glob("*.py"))
    assert sum(source.count(f'"{option}"') for source in sources) == 1
    assert sum(option in {each.name for each in options_of(command)} for command in COMMANDS) > 1


def test_no_option_is_declared_twice() -> None:
    once: list[Option] = []
    for option in (each for command in COMMANDS for each in options_of(command)):
        same = [other for other in once if other == option]
        assert not same or same[0] is option, f"{option.name} is declared twice, alike"
        once.append(option)


def options_of(command: Command) -> list[Option]:
    """All options of a command, also those that exclude each other."""
    groups = (each.options if isinstance(each, OneOf) else (each,) for each in command.options)
    return [option for group in groups for option in group]


def test_the_declarations_import_nothing_but_themselves() -> None:
    script = (
        "import sys; from study.commands.declared import COMMANDS\n"
        "names = {name.partition('.')[0] for name in sys.modules}\n"
        "print(*sorted(names - sys.stdlib_module_names - {'__main__'}))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{script}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["study"]


def test_options_given_anywhere_and_lists_begin_anew() -> None:
    parser = build_parser(COMMANDS)
    words = ["front", "mine", "--with", "a", "--root", "there", "--with", "b"]
    assert parser.parse_args(words).others == ["a", "b"]
    assert parser.parse_args(["front", "mine"]).others == []
    given = parser.parse_args(["compress", "codec", "--force", "in.ply", "out.dpcs"])
    assert (given.force, given.out) == (True, Path("out.dpcs"))


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "", "²", "12", "x"])
def test_no_whole_number_between_the_ends_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="a whole number from 1 to 11, not"):
        whole_number(1, 11)(text)


@pytest.mark.parametrize("text", ["0", "-1", "inf", "nan", "", "x"])
def test_no_number_above_a_bound_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="a number above 0, not"):
        number_above(0)(text)


def test_words_are_read() -> None:
    assert [whole_number(1, 11)(text) for text in ("1", "11")] == [1, 11]
    assert whole_number(1)("1000000000") == 10**9
    assert number_above(0)("1e-3") == 0.001
    assert list_of(whole_number(1))("2, 1,2") == (2, 1)
    assert slices("none") == ()
    assert slices("loss.a=8+loss.b=2") == (("loss.a", 8), ("loss.b", 2))


@pytest.mark.parametrize("text", ["loss.a", "=2", "loss.a=x", "loss.a=1+", ""])
def test_no_slices_are_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="must be none, or a range and a number"):
        slices(text)
