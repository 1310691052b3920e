"""How far studies are, read from their databases: also after a driver was killed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from study.base.addresses import masked
from study.base.errors import StudyError
from study.base.next_command import next_command
from study.base.output import printable
from study.base.records import TrialState
from study.config.judging import judge
from study.halting.budget import Budget
from study.report.live import in_cohorts, trial_table
from study.report.rows import why
from study.report.terminal import print_whole
from study.storage.folder import all_studies, find_study
from study.storage.progress import read_progress
from study.storage.provenance import last_opened

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

    from study.base.records import TrialRecord
    from study.config import StudyConfig
    from study.storage.folder import StudyFolder
    from study.storage.progress import StudyProgress


_LONGEST = 500
"""Characters of a fault in the list of studies."""


def show(arguments: argparse.Namespace, console: Console) -> int:
    """Print one study's trials, or a line for each study."""
    if arguments.name is None:
        show_studies(all_studies(arguments.root), arguments.root, console)
    else:
        show_study(find_study(arguments.root, arguments.name), console)
    return 0


def summary(config: StudyConfig, progress: StudyProgress) -> str:
    """Say in a few words where a study stands."""
    records = progress.records
    counts = Counter(record.state for record in records)
    finished = sum(counts[state] for state in TrialState if state.is_final)
    if progress.driven:
        word = "running"
    elif is_finished(config, records):
        word = "finished"
    else:
        word = "interrupted"
    parts = [f"{counts[state]} {state}" for state in TrialState if counts[state]]
    if together := in_cohorts(records):
        parts.append(together)
    states = f" ({', '.join(parts)})" if parts else ""
    complete = [record for record in records if record.state is TrialState.COMPLETE]
    breaks = bool(complete) and not any(record.feasible for record in complete)
    none = ", none keeps the constraints" * breaks
    return f"{word}, {finished} of {config.search.trials} trials finished{states}{none}"


def is_finished(config: StudyConfig, records: Sequence[TrialRecord]) -> bool:
    """Tell whether all trials have ended, and no further one begins."""
    if not all(record.state.is_final for record in records):
        return False
    budget = Budget(config)
    budget.recall(records)
    return budget.spent() is not None


def show_studies(folders: Sequence[StudyFolder], root: Path, console: Console) -> None:
    """Print one line for each study."""
    if not folders:
        why = "holds none" if root.is_dir() else "does not exist"
        told = (
            f"there is no study in {root} yet, for {root.resolve()} {why}; `study run` makes one, "
            "or say with --root where the studies are"
        )
        console.print(escape(told), soft_wrap=True)
    table = Table.grid(padding=(0, 2))
    for folder in folders:
        try:
            config = folder.config()
            line = _line(folder, config)
        except StudyError as error:  # One damaged study must not hide the others.
            line = f"cannot be read: {' '.join(str(error).split())[:_LONGEST]}"
        except Exception as error:  # noqa: BLE001 - nor one whose damage nobody has foreseen
            told = " ".join(str(error).split())[:_LONGEST]
            line = f"cannot be read: {type(error).__name__}: {told}"
        table.add_row(f"[bold]{escape(folder.path.name)}[/]", escape(line))
    console.print(table)


def _line(folder: StudyFolder, config: StudyConfig) -> str:
    """Say in a few words where a study stands; nothing elsewhere is asked unless it is named.

    A folder from somebody else may name any address, and whoever lists studies did not ask for it.
    """
    if config.storage.uri is not None:
        ask = next_command("status", folder.path)
        return f"is kept in {masked(config.storage.uri)}; `{ask}` asks there"
    return summary(config, read_progress(folder, config))


def show_study(folder: StudyFolder, console: Console) -> None:
    """Print one study's trials, and why any of them failed, was stopped or cannot be used."""
    config = folder.config()
    progress = read_progress(folder, config)
    study = judge(config, progress.records)
    state = summary(config, progress)
    console.print(f"[bold]{escape(config.name)}[/] {state}", soft_wrap=True)
    if opened := last_opened(folder):
        console.print(escape(printable(opened)), soft_wrap=True)
    if study.records:
        rows = [(record, record.elapsed_s) for record in study.records]
        print_whole(trial_table(rows, study.on_front, study.objectives), console)
    for record in study.records:
        if reason := why(record, study.constraints):
            color = "red" if record.state is TrialState.FAILED else "yellow"
            told = escape(reason)
            console.print(f"[{color}]trial {record.number}[/] {told}", soft_wrap=True)
