"""What the user sees while a study runs: a live table, or calm lines where there is no terminal."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from study.base.records import TrialRecord, TrialState
from study.config.derived import constraints_of
from study.fronts.judged import JudgedStudy
from study.report.rows import duration_text, heading, name_in_text, newest_text, why

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.progress import TaskID

    from study.base.records import Observer
    from study.config import StudyConfig
    from study.fronts.front import Objective
    from study.fronts.measures import Constraint

_STYLES = {
    TrialState.RUNNING: "bold cyan",
    TrialState.INTERRUPTED: "yellow",
    TrialState.COMPLETE: "green",
    TrialState.PRUNED: "yellow",
    TrialState.FAILED: "red",
}
_PUBLISHED, _ON_FRONT = "★", "◆"
"""Marks of the trial with the published coefficients, and of those on the front."""

_WIDTH = 78
"""Least width of the table: its caption fits in one line."""

_MOST_OBJECTIVES = 4
"""Of more, the first ones have a column."""

_LINE_EVERY_S = 5.0
"""Two lines about the epochs of one cohort are at least this far apart in a log."""


@contextmanager
def live_view(
    console: Console, config: StudyConfig, objectives: Sequence[Objective]
) -> Iterator[Observer]:
    """Show a study's trials while the block runs; the table's last state stays on the screen."""
    if not console.is_terminal:
        yield PlainLines(console, config.search.trials, objectives, constraints_of(config))
        return
    table = LiveTable(config.name, config.search.trials, objectives)
    with Live(table, console=console, refresh_per_second=2):
        yield table


def preparation_view(console: Console) -> AbstractContextManager[Callable[[int, int], None]]:
    """Show a bar while objects are prepared."""
    return progress_view(console, "preparing data", "objects")


@contextmanager
def progress_view(
    console: Console, doing: str, unit: str, *, lines: bool = False
) -> Iterator[Callable[[int, int], None]]:
    """Show a bar while the block runs; it never appears when there is nothing to do.

    Args:
        console: without a terminal nothing is shown, or lines.
        doing: what is done, such as ``preparing data``.
        unit: of what is counted, in the plural.
        lines: without a terminal, print a line now and then, as `PlainLines` does.

    Yields:
        To be told how many are done, and of how many.
    """
    if lines and not console.is_terminal:
        yield _line_printer(console, doing, unit)
        return
    with Progress(
        TextColumn(doing),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        task: TaskID | None = None

        def on_progress(done: int, total: int) -> None:
            nonlocal task
            if task is None:
                task = progress.add_task("", total=total)
            progress.update(task, completed=done)

        yield on_progress


def _line_printer(console: Console, doing: str, unit: str) -> Callable[[int, int], None]:
    """Return what prints how many are done: the first, the last, and now and then one between."""
    line_at = -_LINE_EVERY_S

    def on_progress(done: int, total: int) -> None:
        nonlocal line_at
        now = time.monotonic()
        if done in (1, total) or now - line_at >= _LINE_EVERY_S:
            line_at = now
            console.print(f"{doing}: {done} of {total} {unit}", highlight=False, soft_wrap=True)

    return on_progress


class LiveTable:
    """A table of the newest trials that fits the screen, drawn anew twice a second."""

    def __init__(self, study_name: str, trials: int, objectives: Sequence[Objective]) -> None:
        self._study_name = study_name
        self._trials = trials
        self._objectives = objectives
        self._records: dict[int, TrialRecord] = {}
        self._seen_at: dict[int, float] = {}
        self._volume = 0.0
        self._front: frozenset[int] = frozenset()

    def on_trial(self, record: TrialRecord) -> None:
        """Take the trial's new state; the front is computed when a trial ends, not when drawn."""
        records = {**self._records, record.number: record}
        self._seen_at[record.number] = time.monotonic()
        if record.state.is_final:
            judged = JudgedStudy(tuple(records.values()), self._objectives)
            self._volume, self._front = judged.hypervolume, judged.on_front
        # Replaced, not changed: the drawing thread may be looking at the old one.
        self._records = records

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the table as it is now, with as many trials as fit."""
        records = self._records
        room = max(console.size.height - 8, 4)
        table = trial_table(
            [self._with_time(record) for record in _most_telling(records.values(), room)],
            self._front,
            self._objectives,
        )
        table.title = escape(f"study {self._study_name}")
        table.caption = self._caption(hidden=len(records) - table.row_count)
        yield table

    def _caption(self, hidden: int) -> str:
        if not self._records:
            return "starting Ray"
        finished = sum(record.state.is_final for record in self._records.values())
        return (
            f"{finished} of {self._trials} trials finished · {len(self._front)} on the front "
            f"({_ON_FRONT}) · hypervolume {self._volume:.3f}"
            + (f" · {together}" if (together := in_cohorts(self._records.values())) else "")
            + (f" · {hidden} trials not shown" if hidden else "")
        )

    def _with_time(self, record: TrialRecord) -> tuple[TrialRecord, float]:
        since = time.monotonic() - self._seen_at[record.number]
        running = record.state is TrialState.RUNNING
        return record, record.elapsed_s + (since if running else 0.0)


class PlainLines:
    """One line when a trial starts and ends, and now and then one for an epoch of a cohort."""

    def __init__(
        self,
        console: Console,
        trials: int,
        objectives: Sequence[Objective],
        constraints: Sequence[Constraint] = (),
    ) -> None:
        self._console = console
        self._trials = trials
        self._objectives = objectives
        self._constraints = constraints
        self._started: set[int] = set()
        self._ended: set[int] = set()
        self._line_at: dict[int | None, float] = {}

    def on_trial(self, record: TrialRecord) -> None:
        """Print a line, but of epochs only one now and then for all that train together."""
        now = time.monotonic()
        if record.number in self._ended:
            return
        if record.number in self._started and not record.state.is_final:
            last = self._line_at.get(record.cohort, -_LINE_EVERY_S)
            if now - last < _LINE_EVERY_S:
                return
        self._started.add(record.number)
        self._line_at[record.cohort] = now
        text = f"trial {record.number}: {progress(record)}"
        for part in (*_numbers(record, self._objectives), why(record, self._constraints)):
            text += f", {part}" * bool(part)
        if record.state.is_final:
            self._ended.add(record.number)
            text += f" ({len(self._ended)} of {self._trials} finished)"
        elif (together := record.latest.get("population", 1)) > 1:
            text += f" ({together:.0f} train together)"
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


def trial_table(
    records: Sequence[tuple[TrialRecord, float]],
    on_front: frozenset[int],
    objectives: Sequence[Objective],
) -> Table:
    """Return a table of trials, each with its elapsed seconds and its first objectives."""
    table = Table(title_justify="left", caption_justify="left", min_width=_WIDTH)
    metrics = [objective.metric for objective in objectives[:_MOST_OBJECTIVES]]
    for text in ("trial", "state", "epoch", *map(heading, metrics), "elapsed"):
        table.add_column(text, justify="left" if text == "state" else "right", no_wrap=True)
    for record, elapsed_s in records:
        marks = (_PUBLISHED * record.is_baseline, _ON_FRONT * (record.number in on_front))
        name = " ".join(filter(None, (*marks, str(record.number))))
        table.add_row(
            name,
            Text(_state(record), style=_STYLES[record.state] if record.feasible else "yellow"),
            f"{len(record.epochs)}/{record.total_epochs}",
            *(newest_text(record, metric) for metric in metrics),
            duration_text(elapsed_s),
        )
    return table


def in_cohorts(records: Iterable[TrialRecord]) -> str:
    """Say in how many cohorts the unfinished trials train; nothing where each is by itself."""
    running = [
        record.cohort
        for record in records
        if record.state is TrialState.RUNNING and record.cohort is not None
    ]
    cohorts = set(running)
    if len(cohorts) == len(running):
        return ""
    return f"{len(running)} train in {len(cohorts)} cohort{'s' if len(cohorts) > 1 else ''}"


def progress(record: TrialRecord) -> str:
    """Say how far a trial is, in words."""
    if record.state is TrialState.RUNNING and not record.epochs:
        return "started"
    if record.state is TrialState.RUNNING:
        return f"epoch {len(record.epochs)}/{record.total_epochs}"
    return str(record.state)


def _state(record: TrialRecord) -> str:
    if not record.feasible:
        return "infeasible"
    measuring = record.state is TrialState.RUNNING and len(record.epochs) == record.total_epochs
    return "measuring" if measuring else str(record.state)


def _numbers(record: TrialRecord, objectives: Sequence[Objective]) -> list[str]:
    """Return each objective's name and value, such as ``bpp ~1.5``."""
    told = [(name_in_text(o.metric), newest_text(record, o.metric)) for o in objectives]
    return [f"{name} {value}" for name, value in told if value]


def _most_telling(records: Iterable[TrialRecord], room: int) -> list[TrialRecord]:
    """Return those that fit: the unfinished ones first, then the newest; by number."""
    ranked = sorted(records, key=lambda record: (record.state.is_final, -record.number))
    return sorted(ranked[:room], key=lambda record: record.number)
