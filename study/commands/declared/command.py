"""What commands are declared with: plain data, which imports nothing that takes time."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Option:
    """An option, or an argument where its name has no dashes.

    The fields are keywords of `argparse.ArgumentParser.add_argument`, of which None leaves one out.
    """

    name: str
    help: str
    _: KW_ONLY
    type: Callable[[str], Any] | None = None
    metavar: str | None = None
    nargs: Literal["?", "+", "*"] | None = None
    choices: tuple[str, ...] | None = None
    default: Any = None
    dest: str | None = None
    action: Literal["store_true", "append"] | None = None


@dataclass(frozen=True)
class OneOf:
    """Options that exclude each other.

    Attributes:
        options: of which at most one may be given.
        required: whether one must be given.
    """

    options: tuple[Option, ...]
    required: bool = False


@dataclass(frozen=True)
class Command:
    """A command: its words, its help, and which functions carry it out.

    Functions are named as ``module:function``, and their modules imported for this command alone.

    Attributes:
        name: the word that the user types.
        help: what the command does, in the list of all commands; begins in lower case.
        options: its options and arguments.
        about: what its help has below them: what is worth knowing, and examples.
        run: takes the parsed arguments and a console, and returns the exit code. Its module imports
            at its head what the command works with, also what takes seconds.
        check: takes the parsed arguments, and raises a StudyError where they cannot be used. It is
            called before the module of `run` is imported, so that a refusal is quick.
    """

    name: str
    help: str
    _: KW_ONLY
    options: tuple[Option | OneOf, ...]
    about: str
    run: str
    check: str | None = None
