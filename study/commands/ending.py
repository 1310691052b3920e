"""What the user reads when a study has ended: the front, where everything is, and what is next."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from study.base.next_command import called, next_command, program, root_option, short
from study.base.records import TrialState
from study.checkpoints.earlier_epochs import kept_earlier_epochs
from study.commands.advice import gap_sentences, suggestions
from study.config.judging import judge
from study.driver.interrupts import INTERRUPTED
from study.fronts.feasible import told_of_nearest
from study.fronts.measures import MEASURES
from study.report.terminal import fitting_front_table, print_whole
from study.storage.folder import StudyFolder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from study.base.records import TrialRecord
    from study.config import StudyConfig
    from study.driver.runner import Ended
    from study.fronts.judged import JudgedStudy
    from study.report import ReportFiles

DONE, NOTHING_FINISHED = 0, 1
"""Exit codes of `study run` that came to its end."""

_EARLIER_SHOWN = 3
"""Earlier epochs of the front that are named; those that add most to it."""

_CONTENTS = {
    "html": "the front, to explore in a browser",
    "png": "its first picture, also as front.svg",
    "csv": "all trials as text",
    "parquet": "all trials as a table",
}


def show_end(config: StudyConfig, ended: Ended, console: Console) -> int:
    """Tell how a run ended, and return the exit code that says the same."""
    if ended.note:
        console.print(f"[yellow]note[/]   {escape(ended.note)}")
    if ended.unmirrored:
        console.print(f"[yellow]mirror[/] {escape(ended.unmirrored)}", soft_wrap=True)
    if ended.files is None:
        _show_interrupted(config, ended, console)
        return INTERRUPTED
    show_front(config, judge(config, ended.records), ended.files, console)
    _show_why(config, ended, console)
    if any(record.state is TrialState.COMPLETE for record in ended.records):
        return DONE
    failed = [record.outcome for record in ended.records if record.state is TrialState.FAILED]
    why = f"no trial could be finished; the first one: {failed[0]}" if failed else "no trial ended"
    console.print(f"[red]{escape(why)}[/]")
    return NOTHING_FINISHED


def show_front(
    config: StudyConfig, study: JudgedStudy, files: ReportFiles, console: Console
) -> None:
    """Print the Pareto table, what failed, the baselines drawn, and where the files are."""
    console.print()
    print_whole(fitting_front_table(study, console, _room(console), files.standings), console)
    for record in study.records:
        if record.state is TrialState.FAILED:
            outcome = escape(record.outcome)
            console.print(f"[red]trial {record.number}[/] {outcome}", soft_wrap=True)
    if stopped := sum(record.state is TrialState.PRUNED for record in study.records):
        trials = "trial was" if stopped == 1 else "trials were"
        console.print(f"[yellow]{stopped} {trials} stopped early[/] and cannot be on the front")
    if sentence := told_of_least_infeasible(study, files.folder):
        console.print(f"[yellow]note[/]   {escape(sentence)}", soft_wrap=True)
    _show_earlier(config, study, StudyFolder(files.folder), console)
    _show_advice(config, study, StudyFolder(files.folder), console)
    _show_others(files, console)
    places = Table.grid(padding=(0, 2))
    places.add_column(no_wrap=True, overflow="fold")  # Paths are copied: what they are may wrap.
    for kind, content in _CONTENTS.items():
        places.add_row(escape(short(getattr(files, kind))), f"[dim]{content}[/]")
    if isinstance(files.reconstructions, Path):
        what = "test objects beside what codecs make of them"
        places.add_row(escape(short(files.reconstructions)), f"[dim]{what}[/]")
    command = escape(next_command("ui", files.folder))
    places.add_row(f"[bold]{command}[/]", "[dim]the same in MLflow, and every trial[/]")
    console.print()
    console.print(places)
    if isinstance(files.reconstructions, str):
        console.print(f"[dim]{escape(files.reconstructions)}[/]", soft_wrap=True)


def _show_others(files: ReportFiles, console: Console) -> None:
    """Tell how the front stands against other codecs, and which baselines are drawn."""
    told = [(standing.name, standing.sentence) for standing in files.standings]
    told += [("baseline", sentence) for sentence in files.baselines]
    for heading, sentence in told:
        line = f"[bold]{escape(heading)}[/] {escape(sentence)}"
        console.print(line, soft_wrap=True, highlight=False)
    if files.unrivalled:
        console.print(f"[dim]{escape(files.unrivalled)}[/]", soft_wrap=True)


def told_of_least_infeasible(study: JudgedStudy, folder: Path) -> str | None:
    """Say which trial comes nearest to constraints that none keeps; None where one does.

    Args:
        study: its trials.
        folder: where it lies.
    """
    nearest = study.least_infeasible
    if nearest is None:
        return None
    root = root_option(folder.parent)
    take = f"{program()} export {called(folder)} --trial {nearest.number} OUT{root}"
    return f"{told_of_nearest(nearest, study.constraints)}; `{take}` takes it"


def _room(console: Console) -> int | None:
    """Return how wide a table may be; None in a pipe, unless `COLUMNS` says."""
    if console.is_terminal:
        return console.width
    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isdecimal() else None


def _show_advice(
    config: StudyConfig, study: JudgedStudy, folder: StudyFolder, console: Console
) -> None:
    """Tell where the front is thin, and whether more trials would help."""
    lines = [("gap", told) for told in gap_sentences(config, study)]
    lines += [("next", told) for told in advise(config, study, folder)]
    for heading, told in lines:
        console.print(f"[bold]{heading}[/] {escape(told)}", soft_wrap=True, highlight=False)


def advise(config: StudyConfig, study: JudgedStudy, folder: StudyFolder) -> list[str]:
    """Return what the user may do next for a better front, with commands that work from here."""
    return suggestions(config, study, next_command("resume", folder.path), short(folder.path))


def _show_earlier(
    config: StudyConfig, study: JudgedStudy, folder: StudyFolder, console: Console
) -> None:
    """Name the earlier epochs that are kept because they are bargains too; a few of many."""
    found = kept_earlier_epochs(folder.codecs, study)
    for each in found[:_EARLIER_SHOWN]:
        worth = ", ".join(
            f"{value:{MEASURES[objective.metric].digits}} {MEASURES[objective.metric].heading}"
            for value, objective in zip(each.values, config.objectives, strict=True)
        )
        console.print(
            f"trial {each.trial} after epoch {each.epoch} would be on the front: {worth} "
            "[dim](estimated)[/]",
            soft_wrap=True,
            highlight=False,
        )
    if found:
        first, more = found[0], len(found) - _EARLIER_SHOWN
        wanted = f"--trial {first.trial} --epoch {first.epoch} OUT"
        export = escape(next_command("export", folder.path, wanted))
        console.print(
            f"{f'[dim]and {more} more;[/] ' if more > 0 else ''}[bold]{export}[/] "
            "[dim]takes such a codec[/]",
            soft_wrap=True,
            highlight=False,
        )


def _show_why(config: StudyConfig, ended: Ended, console: Console) -> None:
    """Say why a study ended, where it is not that all of its trials came to their end."""
    unfinished = sum(record.state is TrialState.INTERRUPTED for record in ended.records)
    if len(ended.records) >= config.search.trials and not unfinished:
        return
    console.print(f"\n[yellow]ended[/]  {escape(ended.termination.sentence)}", soft_wrap=True)
    if unfinished:
        resume = escape(next_command("resume", ended.folder.path, "--hours H"))
        console.print(
            f"  [bold]{resume}[/]   [dim]goes on with its {unfinished} unfinished trials[/]",
            soft_wrap=True,
        )


def _show_interrupted(config: StudyConfig, ended: Ended, console: Console) -> None:
    complete = sum(record.state is TrialState.COMPLETE for record in ended.records)
    unfinished = [r for r in ended.records if r.state is TrialState.INTERRUPTED]
    resume, status, front = (
        escape(next_command(verb, ended.folder.path)) for verb in ("resume", "status", "front")
    )
    why = ended.termination.sentence
    console.print(
        f"\n[yellow]{escape(why)}[/] with {complete} of {config.search.trials} trials "
        f"complete; kept in {escape(short(ended.folder.path))}{_told_of_unfinished(unfinished)}\n"
        f"  [bold]{resume}[/]   [dim]goes on from there[/]\n"
        f"  [bold]{status}[/]   [dim]how far each trial came[/]\n"
        f"  [bold]{front}[/]    [dim]the front of the complete ones[/]",
        soft_wrap=True,
    )


def _told_of_unfinished(unfinished: Sequence[TrialRecord]) -> str:
    """Say what is kept of trials that were interrupted, as the end of a sentence."""
    epochs = sum(len(record.epochs) for record in unfinished)
    begun = sum(bool(record.epochs) for record in unfinished)
    anew = len(unfinished) - begun
    told = ""
    if begun:
        told += (
            f", with the {epochs} finished epoch{'s' * (epochs != 1)} of {begun} unfinished "
            f"trial{'s' * (begun != 1)}"
        )
    if anew:
        told += f"; {anew} {'other ' * bool(begun)}trial{'s begin' if anew > 1 else ' begins'} anew"
    return told
