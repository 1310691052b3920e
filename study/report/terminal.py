"""The Pareto table as the terminal shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table

from study.base.records import TrialState
from study.metrics.table import as_number
from study.report import palette
from study.report.rows import (
    as_text,
    breaks_text,
    duration_text,
    heading,
    judged_metrics,
    newest_text,
    psnr_gain_db,
    searched_names,
    short_names,
    shown_metrics,
    unmeasured,
)
from study.report.standing import rate_columns

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from rich.console import Console

    from study.base.records import TrialRecord
    from study.fronts.judged import JudgedStudy
    from study.report.standing import Standing

_BASELINE_MARK = "★"

_PSNR_NOTE = "10 log10(3 peak^2 / MSE), peak = longest side"
_GAIN_NOTE = "gain: what validation's D1 PSNR gained from the first epoch to the last"


_TIME, _GAIN = "time", "gain dB"

_WIDEST = 100_000
"""Columns that no table needs."""


def print_whole(table: Table, console: Console) -> None:
    """Print a table with every number whole: where it is wider than the console, its lines wrap."""
    table.width = _width_of(table, console)
    console.print(table, crop=False, overflow="ignore", no_wrap=True)


def _width_of(table: Table, console: Console) -> int:
    """Return the columns that a table takes where it has room."""
    return console.measure(table, options=console.options.update(max_width=_WIDEST)).maximum


def fitting_front_table(
    study: JudgedStudy, console: Console, room: int | None, standings: Sequence[Standing] = ()
) -> Table:
    """Return `front_table`, without the columns that there is no room for.

    The time goes first, then the gain, then settings, the last of them first, then metrics that
    are no objectives, likewise, then what other codecs need. What names a trial, what it is worth
    and what its point is called stay, whatever the room.

    Args:
        study: its trials.
        console: measures the table.
        room: columns that it may take; None: as many as it needs.
        standings: how the front stands against the codecs beside it.
    """
    names = searched_names(study.records)
    asked = judged_metrics(study)
    metrics = [name for name in shown_metrics(study) if name not in asked]
    optional = [*rate_columns(study, standings), *metrics, *names, _GAIN, _TIME]
    for kept in range(len(optional), -1, -1):
        table = front_table(
            study, optional[kept:], standings=standings, breaks_headings=room is not None
        )
        if room is None or _width_of(table, console) <= room:
            break
    return table


def front_table(
    study: JudgedStudy,
    left_out: Collection[str] = (),
    *,
    standings: Sequence[Standing] = (),
    breaks_headings: bool = True,
) -> Table:
    """Return the front, best first objective first, then the other trials, dim and apart.

    The objectives' columns come first, then those of metrics with a constraint and the share of the
    octree where it is a member, then the other metrics that are shown of every codec, then what
    other codecs need for the same quality. At the foot stand the operating points of those codecs
    that are next to the front's knee. Settings have short headings (see
    `study.report.rows.short_names`). A value that is not measured on a finished codec but is the
    last epoch's estimate has a ``~``. The last column names the front's ends and its knee, and
    tells the state of trials that are not complete or break a constraint; the gain is what the
    trial learned, from its first epoch to its last.

    Args:
        study: its trials.
        left_out: settings by dotted name, metrics, and headings, of columns that are not there.
        standings: how the front stands against the codecs beside it.
        breaks_headings: whether those of many metrics take two lines, which saves columns.
    """
    others = sorted(
        (record for record in study.records if record.number not in study.on_front),
        key=lambda r: (r.state is not TrialState.COMPLETE, not r.feasible, r.number),
    )
    settings = short_names(searched_names(study.records))
    shown = {name: short for name, short in settings.items() if name not in left_out}
    metrics = [name for name in shown_metrics(study) if name not in left_out]
    headings = {metric: heading(metric) for metric in metrics}
    rates = {
        name: cells
        for name, cells in rate_columns(study, standings).items()
        if name not in left_out
    }
    headings |= {name: name for name in rates}
    if breaks_headings and len(headings) > 2:
        headings = {metric: words.replace(" ", "\n", 1) for metric, words in headings.items()}
    table = _empty_table(study, headings, list(shown.values()), left_out, standings)
    tells_states = not _all_complete(study.records)
    for index, record in enumerate([*study.front, *others], start=1):
        theirs = [cells[index - 1] if index <= len(study.front) else "" for cells in rates.values()]
        cells = _cells(record, metrics, theirs, list(shown), left_out)
        names = ", ".join(study.names.get(record.number, ()))
        point = names or breaks_text(record, study.constraints)
        cells.append(point or _state_text(record) * tells_states)
        table.add_row(
            *cells[: len(table.columns)],  # without the last, where there is no such column
            style="" if record.number in study.on_front else "dim",
            end_section=index in {len(study.front), len(study.records)},
        )
    blank = [""] * (len(table.columns) - len(metrics) - 2)
    for standing in standings:
        for near in standing.near:
            values = (as_number(metric, near.values.get(metric)) for metric in metrics)
            table.add_row(standing.name, *values, *blank, near.setting)
    return table


def _empty_table(
    study: JudgedStudy,
    metrics: Mapping[str, str],
    settings: Sequence[str],
    left_out: Collection[str],
    standings: Sequence[Standing],
) -> Table:
    """Return the table's title, headings (of metrics by their names) and footnote."""
    complete = sum(record.state is TrialState.COMPLETE for record in study.records)
    broken = sum(not record.feasible for record in study.records)
    table = Table(
        title=f"Pareto front: {len(study.front)} of {complete} complete trials, "
        + f"{broken} break{'s' * (broken == 1)} a constraint, " * bool(broken)
        + f"hypervolume {study.hypervolume:.4g}",
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        collapse_padding=True,
        pad_edge=False,
        show_edge=not left_out,
        caption="\n".join(_footnotes(study, metrics, left_out, standings)),
        caption_justify="left",
    )
    table.add_column("trial", justify="right", no_wrap=True)
    for words in metrics.values():
        table.add_column(words, justify="right", no_wrap=True)
    after = [] if _TIME in left_out else [_TIME]
    for words in [*([] if _GAIN in left_out else [_GAIN]), *settings, *after]:
        table.add_column(words, justify="right", no_wrap=True)
    if study.front or not _all_complete(study.records):
        table.add_column("point" if _all_complete(study.records) else "point, state", no_wrap=True)
    return table


def _footnotes(
    study: JudgedStudy,
    metrics: Collection[str],
    left_out: Collection[str],
    standings: Sequence[Standing],
) -> Iterator[str]:
    """Give what a reader needs to know of the marks and headings."""
    if study.front and study.hypervolume == 0.0:
        references = ", ".join(f"{o.metric} {o.reference:g}" for o in study.objectives)
        yield f"hypervolume 0: no trial is better than every reference ({references})"
    both = "D1 and D2 PSNR" if "d2_psnr_db" in metrics else "D1 PSNR"
    yield f"{both}: {_PSNR_NOTE}"
    yield from unmeasured(study.records)
    if theirs := [name for name in metrics if " " in name]:  # Names of metrics have no blank.
        yield f"{' and '.join(theirs)}: what that codec needs for the same PSNR"
    if _GAIN not in left_out:
        yield _GAIN_NOTE
    if any(record.is_baseline for record in study.records):
        yield f"{_BASELINE_MARK} {palette.PUBLISHED}"
    if beside := [standing.name for standing in standings if standing.near]:
        yield (
            f"{' and '.join(beside)}: the first measured point that reaches the knee's PSNR, and "
            "the last one within its rate"
        )
    optional = [*shown_metrics(study), *searched_names(study.records)]
    hidden = [name for name in optional if name in left_out]
    if hidden:
        yield f"no room for {', '.join(hidden)}: front.csv has all"


def _all_complete(records: Sequence[TrialRecord]) -> bool:
    """Say whether a column of states would say one word only."""
    return all(record.state is TrialState.COMPLETE and record.feasible for record in records)


def _cells(
    record: TrialRecord,
    metrics: Sequence[str],
    theirs: Sequence[str],
    settings: Sequence[str],
    left_out: Collection[str],
) -> list[str]:
    """Return one row's cells but the last."""
    gain_db = psnr_gain_db(record)
    gain = [] if _GAIN in left_out else ["" if gain_db is None else f"{gain_db:+.2f}"]
    elapsed = [] if _TIME in left_out else [duration_text(record.elapsed_s)]
    return [
        f"{_BASELINE_MARK} {record.number}" if record.is_baseline else str(record.number),
        *(newest_text(record, metric) for metric in metrics),
        *theirs,
        *gain,
        *(as_text(record.params.get(name)) for name in settings),
        *elapsed,
    ]


def _state_text(record: TrialRecord) -> str:
    """Return a trial's state, and how far it is unless that says so."""
    if record.state in {TrialState.COMPLETE, TrialState.FAILED}:
        return record.state.value
    return f"{record.state.value} {len(record.epochs)}/{record.total_epochs}"
