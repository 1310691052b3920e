"""The command line: few commands, for settings live in the study file.

Commands are declared as data (`study.commands.declared`). The modules that carry out the one that
was called are imported here, and nowhere else.
"""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.segment import Segment

from model.errors import CodecError
from study.base.errors import StudyError
from study.base.output import printable
from study.commands.declared import COMMANDS
from study.commands.parser import build_parser
from study.driver.interrupts import INTERRUPTED

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import ConsoleOptions, RenderableType

_LOG_WIDTH = 120
_NOBODY_READS = 128 + signal.SIGPIPE
"""What a shell reports of a program that wrote to a reader that had ended, such as `head`."""


_LONGEST = 2000
"""Characters of a sentence that are shown."""


class _Console(Console):
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        """Lay out as rich does; of what is shown only the styles and moves are commands."""
        for segment in super().render(renderable, options):
            shown = segment.text if segment.control else printable(segment.text)
            yield segment if shown == segment.text else Segment(shown, segment.style)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    Args:
        argv: the command's words; None takes those of the process.
    """
    arguments = build_parser(COMMANDS).parse_args(argv)
    # Without a terminal rich takes 80 columns, into which the Pareto table does not fit.
    console = _Console(highlight=False, width=None if sys.stdout.isatty() else _LOG_WIDTH)
    try:
        code = _carry_out(arguments, console)
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still in the buffer goes nowhere: Python would complain of it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _NOBODY_READS
    except (StudyError, CodecError) as error:
        for sentence in str(error).splitlines():
            sys.stderr.write(f"error: {printable(sentence[:_LONGEST])}\n")
        return 2
    except OSError as error:  # A full disk, a folder without rights, a path that cannot be.
        where = f"{error.filename}: " if error.filename else ""
        told = printable(f"{where}{error.strerror or error}")[:_LONGEST]
        sys.stderr.write(
            f"error: the system refused ({told}); see to the path, its rights and room\n"
        )
        return 2
    except KeyboardInterrupt as interrupt:
        sys.stderr.write(f"{printable(str(interrupt)) or 'interrupted'}\n")
        return INTERRUPTED
    return code


def _carry_out(arguments: argparse.Namespace, console: Console) -> int:
    """Check what was given, then import what the command works with, and run it."""
    command = arguments.command
    if command.check is not None:
        function(command.check)(arguments)
    code: int = function(command.run)(arguments, console)
    return code


def function(place: str) -> Callable[..., Any]:
    """Import a function by its place, ``module:function``."""
    module, _, name = place.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), name)
    return found
