"""The Pareto table as the terminal shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table

from study.fronts.front import front, hypervolume
from study.fronts.points import names_of
from study.records import TrialState
from study.report.rows import (
    as_text,
    breaks_text,
    duration_text,
    heading,
    newest_text,
    psnr_gain_db,
    searched_names,
    short_names,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from study.fronts.front import Objective
    from study.fronts.measures import Constraint
    from study.records import TrialRecord

_BASELINE_MARK = "★"

_PSNR_NOTE = "10 log10(3 peak^2 / MSE), peak = longest side"
_GAIN_NOTE = "gain: what validation's D1 PSNR gained from the first epoch to the last"


_TIME, _GAIN = "time", "gain dB"
_LEFT_OUT = ((), (_TIME,), (_TIME, _GAIN))
"""Columns that a narrow terminal does without, the first of these that fits: what names the front's
points is the last column, and the first that rich would squeeze to nothing."""


def fitting_front_table(
    records: Sequence[TrialRecord],
    objectives: Sequence[Objective],
    constraints: Sequence[Constraint],
    console: Console,
) -> Table:
    """Return `front_table`, without the columns that a console is too narrow for."""
    wide = console.options.update(max_width=1_000)
    for left_out in _LEFT_OUT:
        table = front_table(records, objectives, constraints, left_out)
        if console.measure(table, options=wide).maximum <= console.width:
            break
    return table


def front_table(
    records: Sequence[TrialRecord],
    objectives: Sequence[Objective],
    constraints: Sequence[Constraint] = (),
    left_out: Sequence[str] = (),
) -> Table:
    """Return the front, best first objective first, then the other trials, dim and apart.

    The objectives' columns come first, then those of metrics with a constraint.
    Settings have short headings (see `study.report.rows.short_names`); with four of them the table
    fits in 100 columns. A value that is not measured on a finished codec but is the last epoch's
    estimate has a ``~``. The last column names the front's ends and its knee, and tells the state
    of trials that are not complete or break a constraint; the gain is what the trial learned, from
    its first epoch to its last.
    """
    best, names = front(records, objectives), names_of(records, objectives)
    on_front = {record.number for record in best}
    others = sorted(
        (record for record in records if record.number not in on_front),
        key=lambda r: (r.state is not TrialState.COMPLETE, not r.feasible, r.number),
    )
    settings = short_names(searched_names(records))
    named = [*(each.metric for each in objectives), *(each.metric for each in constraints)]
    metrics = list(dict.fromkeys(named))
    table = _empty_table(records, objectives, metrics, list(settings.values()), left_out)
    tells_states = not _all_complete(records)
    for index, record in enumerate([*best, *others], start=1):
        cells = _cells(record, metrics, list(settings), left_out)
        point = ", ".join(names.get(record.number, [])) or breaks_text(record, constraints)
        cells.append(point or _state_text(record) * tells_states)
        table.add_row(
            *cells[: len(table.columns)],  # without the last, where there is no such column
            style="" if record.number in on_front else "dim",
            end_section=index == len(best),
        )
    return table


def _empty_table(
    records: Sequence[TrialRecord],
    objectives: Sequence[Objective],
    metrics: Sequence[str],
    settings: Sequence[str],
    left_out: Sequence[str],
) -> Table:
    """Return the table's title, headings and footnote."""
    best, volume = len(front(records, objectives)), hypervolume(records, objectives)
    complete = sum(record.state is TrialState.COMPLETE for record in records)
    broken = sum(not record.feasible for record in records)
    notes = _footnotes(records, metrics, left_out)
    if best and volume == 0.0:
        references = ", ".join(f"{o.metric} {o.reference:g}" for o in objectives)
        notes.insert(0, f"hypervolume 0: no trial is better than every reference ({references})")
    table = Table(
        title=f"Pareto front: {best} of {complete} complete trials, "
        + f"{broken} break{'s' * (broken == 1)} a constraint, " * bool(broken)
        + f"hypervolume {volume:.4g}",
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        collapse_padding=True,
        pad_edge=False,
        show_edge=not left_out,
        caption="\n".join(notes),
        caption_justify="left",
    )
    table.add_column("trial", justify="right", no_wrap=True)
    for metric in metrics:
        words = heading(metric)
        # Two fit beside four settings in 100 columns; of more, headings take two lines.
        words = words.replace(" ", "\n", 1) if len(metrics) > 2 else words
        table.add_column(words, justify="right", no_wrap=True)
    after = [] if _TIME in left_out else [_TIME]
    for words in [*([] if _GAIN in left_out else [_GAIN]), *settings, *after]:
        table.add_column(words, justify="right", no_wrap=True)
    if best or not _all_complete(records):
        table.add_column("point" if _all_complete(records) else "point, state")
    return table


def _footnotes(
    records: Sequence[TrialRecord], metrics: Sequence[str], left_out: Sequence[str]
) -> list[str]:
    """Return what a reader needs to know of the marks and headings."""
    baseline = any(record.is_baseline for record in records)
    both = "D1 and D2 PSNR" if "d2_psnr_db" in metrics else "D1 PSNR"
    notes = [f"{both}: {_PSNR_NOTE}", *([] if _GAIN in left_out else [_GAIN_NOTE])]
    return [*notes, *([f"{_BASELINE_MARK} D-PCC's published coefficients"] if baseline else [])]


def _all_complete(records: Sequence[TrialRecord]) -> bool:
    """Say whether a column of states would say one word only."""
    return all(record.state is TrialState.COMPLETE and record.feasible for record in records)


def _cells(
    record: TrialRecord, metrics: Sequence[str], settings: Sequence[str], left_out: Sequence[str]
) -> list[str]:
    """Return one row's cells but the last."""
    gain_db = psnr_gain_db(record)
    gain = [] if _GAIN in left_out else ["" if gain_db is None else f"{gain_db:+.2f}"]
    elapsed = [] if _TIME in left_out else [duration_text(record.elapsed_s)]
    return [
        f"{_BASELINE_MARK} {record.number}" if record.is_baseline else str(record.number),
        *(newest_text(record, metric) for metric in metrics),
        *gain,
        *(as_text(record.params.get(name)) for name in settings),
        *elapsed,
    ]


def _state_text(record: TrialRecord) -> str:
    """Return a trial's state, and how far it is unless that says so."""
    if record.state in {TrialState.COMPLETE, TrialState.FAILED}:
        return record.state.value
    return f"{record.state.value} {len(record.epochs)}/{record.total_epochs}"
