"""`study compare`: two fronts side by side, how far apart they are, and how sure that is."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from study.base.errors import StudyError
from study.base.next_command import next_command, short
from study.base.records import TrialState
from study.commands.cautions import Shown, data_cautions
from study.commands.status import is_finished
from study.config.derived import objectives_of
from study.fronts.comparing import (
    RESAMPLES,
    SEED,
    curve,
    difference,
    dominated,
    leads,
    plane_of,
    quality_of,
    shared_objectives,
)
from study.fronts.judged import JudgedStudy
from study.fronts.measures import MEASURES
from study.report.rows import heading, newest_text
from study.report.terminal import print_whole
from study.storage.folder import find_study
from study.storage.progress import read_progress

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

    from rich.console import Console

    from study.fronts.comparing import Difference, Interval
    from study.metrics import BdDelta, RateCurve

_MANY = 1.5
"""Of two studies, the one with so many times the trials has had more luck to expect."""


def show(arguments: argparse.Namespace, console: Console) -> int:
    """Print the comparison of two studies."""
    studies = _read(arguments.root, (arguments.first, arguments.second))
    for each in studies:
        if not each.judged.front:
            raise StudyError(_empty(each))
    for told in _warnings(studies):
        console.print(f"[yellow]caution[/] {escape(told)}", soft_wrap=True, highlight=False)
    print_whole(_table(studies), console)
    console.print("[dim]dim: what a point of the other front dominates[/]\n")
    for title, told in _sentences(studies):
        console.print(f"[bold]{title}[/] {escape(told)}", soft_wrap=True, highlight=False)
    return 0


def _read(root: Path, names: tuple[str, str]) -> tuple[Shown, Shown]:
    """Return two studies, both judged by the first one's objectives and references.

    Raises:
        StudyError: there is none of a name, both are the same, or they have other objectives.
    """
    folders = [find_study(root, name) for name in names]
    if folders[0] == folders[1]:
        raise StudyError(
            f"two studies are compared, and '{folders[0].path.name}' is named twice; name another"
        )
    configs = [folder.config() for folder in folders]
    if configs[0].name == configs[1].name:  # They lie in two places, and go by their paths then.
        paths = [short(folder.path) for folder in folders]
        configs = [c.model_copy(update={"name": p}) for c, p in zip(configs, paths, strict=True)]
    ours, theirs = (objectives_of(config) for config in configs)
    objectives = shared_objectives(ours, theirs, (configs[0].name, configs[1].name))
    found = []
    for folder, config in zip(folders, configs, strict=True):
        progress = read_progress(folder, config)
        judged = JudgedStudy(progress.records, objectives)
        found.append(Shown(folder, config, judged, progress.store))
    return found[0], found[1]


def _empty(study: Shown) -> str:
    """Say why a study has no front, and what to do."""
    counts = Counter(record.state for record in study.judged.records)
    parts = [f"{counts[state]} {state}" for state in TrialState if counts[state]]
    held = f"of its {counts.total()} trials ({', '.join(parts)}) none is complete and feasible"
    if counts[TrialState.RUNNING] or study.folder.driver_alive():
        remedy = "wait for one"
    elif not is_finished(study.config, study.judged.records):
        remedy = f"go on with it: `{next_command('resume', study.folder.path)}`"
    elif counts[TrialState.COMPLETE]:
        remedy = "all have ended, and those that are complete break a constraint; name another"
    else:
        remedy = "all have ended; name another study"
    return (
        f"two fronts are compared, and that of '{study.name}' is empty: "
        f"{held if parts else 'it has no trials yet'}; {remedy}"
    )


def _table(studies: tuple[Shown, Shown]) -> Table:
    """Return both fronts by the first objective; what the other front dominates is dim."""
    objectives = studies[0].judged.objectives
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for each in studies:
        table.add_column(escape(each.name), justify="right", no_wrap=True)
        for objective in objectives:
            table.add_column(heading(objective.metric), justify="right", no_wrap=True)
    blank = [""] * (1 + len(objectives))
    rows = []
    for side, (each, other) in enumerate([studies, studies[::-1]]):
        beaten = {record.number for record in dominated(each.judged, other.judged)}
        for record, loss in zip(each.judged.front, each.judged.front_losses, strict=True):
            cells = [str(record.number), *(newest_text(record, o.metric) for o in objectives)]
            row = [*cells, *blank] if side == 0 else [*blank, *cells]
            rows.append((tuple(loss), side, row, "dim" if record.number in beaten else ""))
    for _, _, row, style in sorted(rows):
        table.add_row(*row, style=style)
    return table


def _sentences(studies: tuple[Shown, Shown]) -> Iterator[tuple[str, str]]:
    """Give a heading and a sentence for each thing that two fronts differ in."""
    names, objectives = (studies[0].name, studies[1].name), studies[0].judged.objectives
    first, second = (each.judged.hypervolume for each in studies)
    references = ", ".join(f"{o.metric} {o.reference:g}" for o in objectives)
    change = round(100 * (second / first - 1), 3) if first else 0.0
    # Of two digits, 100 would be 1e+02.
    more = f" ({change:+{'.2g' if abs(change) < 9.95 else '.0f'}} %)" if first else ""
    told = f"{first:.4g} of {names[0]}, {second:.4g} of {names[1]}{more}"
    yield "hypervolume", f"{told}, both from the references of {names[0]}: {references}"
    yield "dominated", _dominated(studies)
    quality = quality_of(objectives)
    if quality is None:
        yield "BD-rate", "is of bpp and a PSNR, and these studies have other objectives"
        return
    pair = (plane_of(studies[0].judged, quality), plane_of(studies[1].judged, quality))
    yield "leads", _leads(names, curve(names[0], pair[0]), curve(names[1], pair[1]))
    try:
        found = difference(names, pair, quality)
    except StudyError as error:
        yield "BD-rate", f"cannot be told: {error}"
        return
    yield from _averages(names, found)


def _dominated(studies: tuple[Shown, Shown]) -> str:
    told = []
    for each, other in (studies, studies[::-1]):
        beaten = dominated(each.judged, other.judged)
        told.append(
            f"{len(beaten)} of the {len(each.judged.front)} points of {each.name} by {other.name}"
        )
    return ", ".join(told)


def _leads(names: tuple[str, str], first: RateCurve, second: RateCurve) -> str:
    found = [
        f"{names[lead.second]} from {lead.low:.3g} to {lead.high:.3g} bpp, by {lead.mean_db:.2f} dB"
        for lead in leads(first, second)
    ]
    return "; ".join(found) or "nobody: no rate is on both fronts, or they are the same there"


def _averages(names: tuple[str, str], found: Difference) -> Iterator[tuple[str, str]]:
    measure = MEASURES[found.quality].name_in_text
    rate, psnr = found.rate.value, found.psnr.value
    told = f"{names[1]} needs {abs(rate):.1f} % {_which(rate)} rate at equal {measure}"
    interval = _interval(found.rate_interval, ".1f", "%")
    yield "BD-rate", f"{told}{interval}, over {_where(found.rate, '.2f', 'dB')}"
    told = f"{names[1]} has {abs(psnr):.2f} dB {_which(psnr)} {measure} at equal rate"
    interval = _interval(found.psnr_interval, ".2f", "dB")
    yield "BD-PSNR", f"{told}{interval}, over {_where(found.psnr, '.3f', 'bpp')}"
    resamples = f"{RESAMPLES} bootstrap resamples of each study's complete trials, seed {SEED}"
    yield "intervals", f"95 %, from {resamples}"


def _which(difference: float) -> str:
    return "less" if difference < 0 else "more"


def _interval(found: Interval | None, style: str, unit: str) -> str:
    if found is None:
        return " (no interval: too few of the resampled studies have fronts to compare)"
    return f" ({found.low:+{style}} to {found.high:+{style}} {unit})"


def _where(delta: BdDelta, style: str, unit: str) -> str:
    return (
        f"{delta.low:{style}} to {delta.high:{style}} {unit}, "
        f"{delta.share:.0%} of what either covers"
    )


def _warnings(studies: tuple[Shown, Shown]) -> Iterator[str]:
    """Say what else differs between two studies: the fronts may do so for that reason alone."""
    first, second = (each.config for each in studies)
    names = [each.name for each in studies]
    if len({each.store.identity for each in studies if each.store}) == 1:
        yield (
            f"{names[0]} and {names[1]} are the same study, one a copy of the other: what both "
            "have, they have from the same search, and the intervals know nothing of it"
        )
    yield from data_cautions(*studies)
    epochs = [config.training.epochs for config in (first, second)]
    if epochs[0] != epochs[1]:
        yield f"trials train {epochs[0]} epochs in {names[0]} and {epochs[1]} in {names[1]}"
    counts = [sum(bool(r.final) for r in each.judged.records) for each in studies]
    if max(counts) >= _MANY * min(counts):
        yield (
            f"{names[0]} has {counts[0]} complete trials and {names[1]} {counts[1]}: a front of "
            "more trials is better by that alone, and the intervals know nothing of it"
        )
