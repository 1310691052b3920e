"""The commands that a driver carries out: `study run`, `study resume` and `study prepare`."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from rich.markup import escape

from study.base.errors import StudyError
from study.base.next_command import called, next_command, program, root_option
from study.commands.checks import read_study_file
from study.commands.ending import DONE, show_end
from study.commands.status import is_finished
from study.driver.resuming import check_can_go_on, with_more
from study.driver.runner import prepare_data, resume_study, run_study
from study.families.family import family_of
from study.families.trained import TrainedFamily
from study.mirror.restoring import restore
from study.storage.folder import find_study, folder_of
from study.storage.progress import read_records

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from rich.console import Console

    from study.config import StudyConfig
    from study.driver.runner import Ended
    from study.storage.folder import StudyFolder


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
    with _told_what_is_left(folder, config):
        ended = run_study(config, console, address=arguments.address)
        code = show_end(config, ended, console)
    return _show_example(config, ended, code, console)


def resume(arguments: argparse.Namespace, console: Console) -> int:
    """Go on with a study by its name, after its folder is made again where that was lost."""
    if arguments.mirror is None:
        folder = find_study(arguments.root, arguments.name)
    else:
        tell = partial(console.print, markup=False, highlight=False, soft_wrap=True)
        folder = restore(arguments.mirror, arguments.name, arguments.root, tell)
    config = with_more(
        folder, trials=arguments.trials, hours=arguments.hours, mirror=arguments.mirror
    )
    return _go_on(folder, config, arguments, console)


def _go_on(
    folder: StudyFolder, config: StudyConfig, arguments: argparse.Namespace, console: Console
) -> int:
    check_can_go_on(folder, config)
    with _told_what_is_left(folder, config):
        ended = resume_study(folder, config, console, address=arguments.address)
        code = show_end(config, ended, console)
    return _show_example(config, ended, code, console)


@contextmanager
def _told_what_is_left(folder: StudyFolder, config: StudyConfig) -> Iterator[None]:
    """Say what a Ctrl-C after the last trial, or a full storage, leaves, and how to go on."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        if not _has_finished(folder, config):
            raise
        message = (
            "interrupted after the last trial: all trials have ended and are kept; "
            f"`{next_command('front', folder.path)}` shows the front and makes the report"
        )
        raise KeyboardInterrupt(message) from interrupt
    except StudyError:
        raise
    except Exception as error:
        # A storage that refuses what the driver writes before its first trial and after its last.
        from study.storage.database import in_words  # noqa: PLC0415 (Optuna, which is slow)

        if (told := in_words(error, folder.path)) is None:
            raise
        raise told from error


def _has_finished(folder: StudyFolder, config: StudyConfig) -> bool:
    try:
        records = read_records(folder, config) if folder.is_study else []
    except StudyError:
        return False
    return is_finished(config, records)


def _show_example(config: StudyConfig, ended: Ended, code: int, console: Console) -> int:
    """Show an example of what a run made that ended well, and return its exit code."""
    # Trials that are no networks leave none to show.
    if code == DONE and isinstance(family_of(config.family), TrainedFamily):
        # It imports PyTorch, which a driver does without until its trials have ended.
        from study.commands.demonstration import demonstrate  # noqa: PLC0415

        try:
            demonstrate(config, ended, console)
        except KeyboardInterrupt as interrupt:
            folder = ended.folder.path
            root = root_option(folder.parent)
            message = (
                "interrupted while the example was made: all trials have ended, and the report is "
                f"written; `{program()} export {called(folder)} --knee OUT{root}` takes a codec"
            )
            raise KeyboardInterrupt(message) from interrupt
    return code
