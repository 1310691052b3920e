"""The commands that train: `study run` and `study resume`."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.base.errors import StudyError

if TYPE_CHECKING:
    from rich.console import Console

    from study.config import StudyConfig
    from study.driver.runner import Ended
    from study.storage.folder import StudyFolder
    from study.workers.trainable import CohortTrainable

_SHAPE = argparse.RawDescriptionHelpFormatter

_RUN_EXAMPLES = """\
examples:
  study run                     the quick start, under the next free name quickstart-001, -002, ...
  study run mine.yaml           needs a new name: a study's folder is never used for another
  study run mine.yaml --resume  goes on with the study of that name, or begins it
  study run mine.yaml --address 10.0.0.5:6379
                                joins a running Ray cluster; `--address auto` on its head

A joined cluster must see the studies' root, the data's root and this code at the same paths on
all of its machines, on a shared file system for instance: nothing is copied between them.

Ctrl-C finishes the epoch, twice stops now; `study resume NAME` goes on, with every epoch that was
finished."""

_RESUME_EXAMPLES = """\
Trials that were not finished go on from their last checkpoint, under their numbers; what was
finished stays as it is. It does not matter what ended the study: Ctrl-C, a killed driver or worker,
a full disk, a reboot. Only one driver works on a study; another is refused.

examples:
  study resume quickstart-001   goes on with what is left
  study resume quickstart-001 --trials 32
                                32 trials in all, also if the 16 it had are finished
  study resume mine --hours 8   stops when drivers have worked on it for 8 hours, all together
  study run mine.yaml --resume  the same with the study file, in which budgets, resources and
                                tracking may have changed; all else must be as it began"""


def add_commands(commands: Any) -> None:  # noqa: ANN401 (argparse names no type for it)
    """Add the commands of this module to the whole command line's."""
    run = commands.add_parser(
        "run",
        help="run a study: train its trials, measure them, report the front",
        epilog=_RUN_EXAMPLES,
        formatter_class=_SHAPE,
    )
    add_file(run)
    run.add_argument(
        "--resume", action="store_true", help="go on with the study, if there is one of its name"
    )
    resume = commands.add_parser(
        "resume",
        help="go on with a study that was interrupted, or that shall have more trials",
        epilog=_RESUME_EXAMPLES,
        formatter_class=_SHAPE,
    )
    resume.add_argument("name", metavar="NAME", help="the study's name")
    resume.add_argument(
        "--trials", type=_count, metavar="N", help="how many trials there shall be in all"
    )
    resume.add_argument(
        "--hours",
        type=_hours,
        metavar="H",
        help="how long drivers may work on it, all together (budget.hours)",
    )
    resume.add_argument(
        "--root", type=Path, default=Path("studies"), help="where the studies are (%(default)s)"
    )
    for command in (run, resume):
        command.add_argument(
            "--address",
            help="a running Ray cluster to join, instead of starting Ray on this machine",
        )


def add_file(parser: argparse.ArgumentParser) -> None:
    """Let a command take a study file, or none."""
    parser.add_argument(
        "file",
        nargs="?",
        type=Path,
        metavar="STUDY.yaml",
        help="the study file; without it, the quick start that comes with the package",
    )


def load(file: Path | None) -> StudyConfig:
    """Read a study file; the quick start takes the next free name."""
    from study.storage.folder import next_free_name
    from study.storage.study_file import QUICKSTART, load_study

    if file is not None:
        return load_study(file)
    config = load_study(QUICKSTART)
    return config.model_copy(update={"name": next_free_name(Path(config.root), config.name)})


def _count(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"must be a whole number from 1, not {text}")


def _hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        hours = math.nan
    if 0 < hours < math.inf:
        return hours
    raise argparse.ArgumentTypeError(f"must be a number above 0, not {text}")


def run(
    arguments: argparse.Namespace, console: Console, trainable: type[CohortTrainable] | None
) -> int:
    """Run a study from a file, or go on with it."""
    from study.storage.folder import folder_of

    if arguments.resume and arguments.file is None:
        raise StudyError(
            "--resume goes on with the study that a file names; give the file, or name a quick "
            "start that was interrupted, as in `study resume quickstart-001`"
        )
    config = load(arguments.file)
    folder = folder_of(config)
    if arguments.resume and folder.is_study:
        return _go_on(folder, config, arguments.address, console, trainable)
    # Only now: what a driver imports takes longer than to refuse a file.
    from study.driver.runner import run_study

    ended = run_study(config, console, address=arguments.address, trainable=trainable)
    return _end(config, ended, console, trainable)


def resume(
    arguments: argparse.Namespace, console: Console, trainable: type[CohortTrainable] | None
) -> int:
    """Go on with a study by its name."""
    from study.driver.resuming import with_more
    from study.storage.folder import find_study

    folder = find_study(arguments.root, arguments.name)
    config = with_more(folder, trials=arguments.trials, hours=arguments.hours)
    return _go_on(folder, config, arguments.address, console, trainable)


def _go_on(
    folder: StudyFolder,
    config: StudyConfig,
    address: str | None,
    console: Console,
    trainable: type[CohortTrainable] | None,
) -> int:
    from study.driver.resuming import check_can_go_on

    check_can_go_on(folder, config)
    from study.driver.runner import resume_study

    ended = resume_study(folder, config, console, address=address, trainable=trainable)
    return _end(config, ended, console, trainable)


def _end(
    config: StudyConfig, ended: Ended, console: Console, trainable: type[CohortTrainable] | None
) -> int:
    """Tell how a run ended, with an example of what it made."""
    from study.commands.ending import DONE, show_end

    code = show_end(config, ended, console)
    if code == DONE and trainable is None:  # Other trials than the codec's leave none to show.
        from study.commands.demonstration import demonstrate

        demonstrate(config, ended, console)
    return code
