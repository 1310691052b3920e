"""The Pareto table as the terminal shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table

from study.front import front, hypervolume
from study.records import TrialState
from study.report.rows import (
    as_text,
    duration_text,
    newest,
    psnr_gain_db,
    searched_names,
    short_names,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from study.front import Objective
    from study.records import TrialRecord

_METRICS = {"bpp": ("bpp", ".3f"), "d1_psnr_db": ("D1 PSNR dB", ".2f"), "chamfer": ("d²", ".2e")}
"""Heading and number format by metric."""

_BASELINE_MARK = "★"

_NOTES = (
    "D1 PSNR: 10 log10(3 peak^2 / MSE), peak = longest side",
    "gain: what validation gained from the first epoch to the last",
)


def front_table(records: Sequence[TrialRecord], objectives: Sequence[Objective]) -> Table:
    """Return the front, lowest first objective first, then the other trials, dim and apart.

    Settings have short headings (see `study.report.rows.short_names`); with four of them the table
    fits in 100 columns. A value that is not measured on a finished codec but is the last epoch's
    estimate has a ``~``. States are told where a trial is not complete; the gain is what the trial
    learned, from its first epoch to its last.
    """
    best = front(records, objectives)
    on_front = {record.number for record in best}
    others = sorted(
        (record for record in records if record.number not in on_front),
        key=lambda record: (record.state is not TrialState.COMPLETE, record.number),
    )
    settings = short_names(searched_names(records))
    table = _empty_table(records, objectives, list(settings.values()))
    for index, record in enumerate([*best, *others], start=1):
        cells = _cells(record, objectives, list(settings))
        table.add_row(
            *cells[: len(table.columns)],  # without the state, where there is no such column
            style="" if record.number in on_front else "dim",
            end_section=index == len(best),
        )
    return table


def _empty_table(
    records: Sequence[TrialRecord], objectives: Sequence[Objective], settings: Sequence[str]
) -> Table:
    """Return the table's title, headings and footnote."""
    complete = sum(record.state is TrialState.COMPLETE for record in records)
    table = Table(
        title=f"Pareto front: {len(front(records, objectives))} of {complete} complete trials, "
        f"hypervolume {hypervolume(records, objectives):.4g}",
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        collapse_padding=True,
        pad_edge=False,
        caption="\n".join(_footnotes(records)),
        caption_justify="left",
    )
    table.add_column("trial", justify="right", no_wrap=True)
    for objective in objectives:
        heading, _ = _METRICS.get(objective.metric, (objective.metric, ""))
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("gain dB", justify="right", no_wrap=True)
    for heading in settings:
        table.add_column(heading, justify="right")
    table.add_column("time", justify="right", no_wrap=True)
    if not _all_complete(records):
        table.add_column("state", no_wrap=True)
    return table


def _footnotes(records: Sequence[TrialRecord]) -> list[str]:
    """Return what a reader needs to know of the marks and headings."""
    baseline = any(record.is_baseline for record in records)
    return [*_NOTES, *([f"{_BASELINE_MARK} D-PCC's published coefficients"] if baseline else [])]


def _all_complete(records: Sequence[TrialRecord]) -> bool:
    return all(record.state is TrialState.COMPLETE for record in records)


def _cells(
    record: TrialRecord, objectives: Sequence[Objective], settings: Sequence[str]
) -> list[str]:
    """Return one row's cells, the state last."""
    gain_db = psnr_gain_db(record)
    return [
        f"{_BASELINE_MARK} {record.number}" if record.is_baseline else str(record.number),
        *(_measured(record, objective.metric) for objective in objectives),
        "" if gain_db is None else f"{gain_db:+.2f}",
        *(as_text(record.params.get(name)) for name in settings),
        duration_text(record.elapsed_s),
        _state_text(record),
    ]


def _state_text(record: TrialRecord) -> str:
    """Return a trial's state, and how far it is unless that is final."""
    if record.state.is_final:
        return record.state.value
    return f"{record.state.value} {len(record.epochs)}/{record.total_epochs}"


def _measured(record: TrialRecord, name: str) -> str:
    """Return a metric as text: measured on the finished codec, else estimated and marked."""
    value, estimated = newest(record, name)
    if value is None:
        return ""
    number = format(value, _METRICS.get(name, ("", ".4g"))[1])
    return f"~{number}" if estimated else number
