"""The commands that a driver carries out: `study run`, `study resume` and `study prepare`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape

from study.commands.checks import read_study_file
from study.commands.ending import DONE, show_end
from study.driver.resuming import check_can_go_on, with_more
from study.driver.runner import prepare_data, resume_study, run_study
from study.storage.folder import find_study, folder_of

if TYPE_CHECKING:
    import argparse

    from rich.console import Console

    from study.config import StudyConfig
    from study.driver.runner import Ended
    from study.storage.folder import StudyFolder
    from study.workers.trainable import CohortTrainable


def prepare(arguments: argparse.Namespace, console: Console) -> int:
    """Prepare a study's data set, or several if its search needs them."""
    for folder in prepare_data(read_study_file(arguments.file), console).values():
        console.print(f"[bold]folder[/] {escape(str(folder))}", soft_wrap=True)
    return 0


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Run a study from a file, or go on with it."""
    config = read_study_file(arguments.file)
    folder = folder_of(config)
    if arguments.resume and folder.is_study:
        return _go_on(folder, config, arguments, console)
    trainable = arguments.trainable
    ended = run_study(config, console, address=arguments.address, trainable=trainable)
    return _end(config, ended, console, trainable)


def resume(arguments: argparse.Namespace, console: Console) -> int:
    """Go on with a study by its name."""
    folder = find_study(arguments.root, arguments.name)
    config = with_more(folder, trials=arguments.trials, hours=arguments.hours)
    return _go_on(folder, config, arguments, console)


def _go_on(
    folder: StudyFolder, config: StudyConfig, arguments: argparse.Namespace, console: Console
) -> int:
    check_can_go_on(folder, config)
    address, trainable = arguments.address, arguments.trainable
    ended = resume_study(folder, config, console, address=address, trainable=trainable)
    return _end(config, ended, console, trainable)


def _end(
    config: StudyConfig, ended: Ended, console: Console, trainable: type[CohortTrainable] | None
) -> int:
    """Tell how a run ended, with an example of what it made."""
    code = show_end(config, ended, console)
    if code == DONE and trainable is None:  # Other trials than the codec's leave none to show.
        # It imports PyTorch, which a driver does without until its trials have ended.
        from study.commands.demonstration import demonstrate  # noqa: PLC0415

        demonstrate(config, ended, console)
    return code
