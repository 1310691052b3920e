"""The command line: few commands, for settings live in the study file."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.errors import CodecError
from study.base.errors import StudyError
from study.commands import codecs as codec_cli
from study.commands import compare, front, mlflow, running, ui
from study.commands import simulate as simulation_cli
from study.driver.interrupts import INTERRUPTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from study.workers.trainable import CohortTrainable

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

_LOG_WIDTH = 120
_NOBODY_READS = 128 + signal.SIGPIPE
"""What a shell reports of a program that wrote to a reader that had ended, such as `head`."""


def main(
    argv: Sequence[str] | None = None, *, trainable: type[CohortTrainable] | None = None
) -> int:
    """Run a command and return its exit code.

    Args:
        argv: the command's words; None takes those of the process.
        trainable: what a trial does where the command trains; None trains the codec.
    """
    from rich.console import Console

    class _Console(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    arguments = build_parser().parse_args(argv)
    # Without a terminal rich takes 80 columns, into which the Pareto table does not fit.
    console = _Console(highlight=False, width=None if sys.stdout.isatty() else _LOG_WIDTH)
    try:
        if arguments.command in _TRAINING:
            code = _TRAINING[arguments.command](arguments, console, trainable)
        else:
            code = _COMMANDS[arguments.command](arguments, console)
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still in the buffer goes nowhere: Python would complain of it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _NOBODY_READS
    except (StudyError, CodecError) as error:
        for sentence in str(error).splitlines():
            sys.stderr.write(f"error: {sentence}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return INTERRUPTED
    return code


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


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    shape = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="study", description=_DESCRIPTION, epilog=_EXAMPLES, formatter_class=shape
    )
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", parser_class=_CommandParser
    )

    running.add_commands(commands)
    front.add_command(commands)
    compare.add_command(commands)
    status = commands.add_parser("status", help="say how far studies are")
    status.add_argument("name", nargs="?", help="one study's name; without it, all are listed")
    prepare = commands.add_parser("prepare", help="prepare a study's data set, and nothing else")
    running.add_file(prepare)
    explain = commands.add_parser("explain", help="say what a study file may hold")
    explain.add_argument("section", nargs="?", help="one section, such as loss or search")
    ui.add_command(commands)
    codec_cli.add_commands(commands)
    simulation_cli.add_commands(commands)
    mlflow.add_commands(commands)
    status.add_argument(
        "--root", type=Path, default=Path("studies"), help="where the studies are (%(default)s)"
    )
    return parser


def _status(arguments: argparse.Namespace, console: Console) -> int:
    from study.commands.status import show_studies, show_study
    from study.storage.folder import all_studies, find_study

    if arguments.name is None:
        show_studies(all_studies(arguments.root), arguments.root, console)
    else:
        show_study(find_study(arguments.root, arguments.name), console)
    return 0


def _prepare(arguments: argparse.Namespace, console: Console) -> int:
    config = running.load(arguments.file)
    from study.driver.runner import prepare_data

    for folder in prepare_data(config, console).values():
        console.print(f"[bold]folder[/] {folder}", soft_wrap=True)
    return 0


def _explain(arguments: argparse.Namespace, console: Console) -> int:
    from study.commands.explain import explain

    explain(arguments.section, console)
    return 0


_TRAINING = {"run": running.run, "resume": running.resume}
_COMMANDS = {
    "front": front.show,
    "compare": compare.show,
    "status": _status,
    "prepare": _prepare,
    "explain": _explain,
    "ui": ui.ui,
    **codec_cli.COMMANDS,
    **simulation_cli.COMMANDS,
    **mlflow.COMMANDS,
}
