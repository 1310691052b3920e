"""`study compare`: two fronts side by side, how far apart they are, and how sure that is."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from study.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from study.config import StudyConfig
    from study.data.manifest import Manifest
    from study.fronts.comparing import Difference, Interval
    from study.fronts.front import Objective
    from study.metrics import BdDelta, RateCurve
    from study.records import TrialRecord
    from study.storage.folder import StudyFolder

_EXAMPLES = """\
BD-rate is the average difference of the rate at equal quality, over the qualities that both fronts
reach; BD-PSNR that of the quality at equal rate. An interval holds what the average would have been
in 95 of 100 studies whose trials are drawn anew from those that there are (a bootstrap); one that
has zero in it says: this may be luck.

examples:
  study compare quickstart-001 quickstart-002
                                the second against the first
  study front quickstart-001 --with quickstart-002
                                draws both"""

_POINTS = ("source", "max_objects", "points_per_object", "normals", "validation_fraction",
           "test_fraction", "seed")  # fmt: skip
"""What of a data set's recipe decides which points are coded when codecs are measured."""

_MANY = 1.5
"""Of two studies, the one with so many times the trials has had more luck to expect."""


class _Study(NamedTuple):
    folder: StudyFolder
    config: StudyConfig
    records: Sequence[TrialRecord]

    @property
    def name(self) -> str:
        return self.config.name


def add_command(commands: Any) -> None:  # noqa: ANN401 (argparse names no type for it)
    """Add the command of this module to the whole command line's."""
    compare = commands.add_parser(
        "compare",
        help="say how much better one study's front is than another's",
        description="Say how much better one front is than another, and how sure that is.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    compare.add_argument("first", metavar="A", help="the study to compare with")
    compare.add_argument("second", metavar="B", help="the study that is compared")
    compare.add_argument(
        "--root", type=Path, default=Path("studies"), help="where the studies are (%(default)s)"
    )


def show(arguments: argparse.Namespace, console: Console) -> int:
    """Print the comparison of two studies."""
    from study.config.derived import objectives_of

    studies = tuple(_read(arguments.root, name) for name in (arguments.first, arguments.second))
    if studies[0].folder == studies[1].folder:
        raise StudyError(
            f"two studies are compared, and '{studies[0].name}' is named twice; name another"
        )
    from study.fronts.comparing import shared_objectives
    from study.fronts.front import front

    if studies[0].name == studies[1].name:
        studies = tuple(_by_path(each) for each in studies)
    names = (studies[0].name, studies[1].name)
    ours, theirs = (objectives_of(each.config) for each in studies)
    objectives = shared_objectives(ours, theirs, names)
    for each in studies:
        if not front(each.records, objectives):
            raise StudyError(
                f"two fronts are compared, and that of '{each.name}' is empty: of its "
                f"{len(each.records)} trials none is complete and feasible; wait for one"
            )
    for told in _warnings(studies):
        console.print(f"[yellow]caution[/] {escape(told)}", soft_wrap=True, highlight=False)
    console.print(_table(studies, objectives))
    console.print("[dim]dim: what a point of the other front dominates[/]\n")
    for heading, told in _sentences(studies, names, objectives):
        console.print(f"[bold]{heading}[/] {escape(told)}", soft_wrap=True, highlight=False)
    return 0


def _by_path(study: _Study) -> _Study:
    """Return a study named by its path, which lies elsewhere than another of its name."""
    from study.commands.ending import short

    path = short(study.folder.path)
    return study._replace(config=study.config.model_copy(update={"name": path}))


def _read(root: Path, name: str) -> _Study:
    from study.storage.folder import find_study

    folder = find_study(root, name)
    config = folder.config()
    from study.storage.standing import read_records

    return _Study(folder, config, read_records(folder, config))


def _table(studies: Sequence[_Study], objectives: Sequence[Objective]) -> Table:
    """Return both fronts by the first objective; what the other front dominates is dim."""
    from study.fronts.comparing import dominated
    from study.fronts.front import front, to_minimisation
    from study.report.rows import heading, newest_text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for each in studies:
        table.add_column(escape(each.name), justify="right", no_wrap=True)
        for objective in objectives:
            table.add_column(heading(objective.metric), justify="right", no_wrap=True)
    blank = [""] * (1 + len(objectives))
    rows = []
    for side, (each, other) in enumerate([(studies[0], studies[1]), (studies[1], studies[0])]):
        beaten = {r.number for r in dominated(each.records, other.records, objectives)}
        for record in front(each.records, objectives):
            loss = to_minimisation([record.final[o.metric] for o in objectives], objectives)
            cells = [str(record.number), *(newest_text(record, o.metric) for o in objectives)]
            row = [*cells, *blank] if side == 0 else [*blank, *cells]
            rows.append((tuple(loss), side, row, "dim" if record.number in beaten else ""))
    for _, _, row, style in sorted(rows):
        table.add_row(*row, style=style)
    return table


def _sentences(
    studies: Sequence[_Study], names: tuple[str, str], objectives: Sequence[Objective]
) -> Iterator[tuple[str, str]]:
    """Give a heading and a sentence for each thing that two fronts differ in."""
    from study.fronts.comparing import curve, difference, plane_of, quality_of, volumes

    records = [each.records for each in studies]
    first, second = volumes(records, objectives)
    references = ", ".join(f"{o.metric} {o.reference:g}" for o in objectives)
    change = round(100 * (second / first - 1), 3) if first else 0.0
    # Of two digits, 100 would be 1e+02.
    more = f" ({change:+{'.2g' if abs(change) < 9.95 else '.0f'}} %)" if first else ""
    told = f"{first:.4g} of {names[0]}, {second:.4g} of {names[1]}{more}"
    yield "hypervolume", f"{told}, both from the references of {names[0]}: {references}"
    yield "dominated", _dominated(studies, objectives)
    quality = quality_of(objectives)
    if quality is None:
        yield "BD-rate", "is of bpp and a PSNR, and these studies have other objectives"
        return
    planes = tuple(plane_of(each, objectives, quality) for each in records)
    pair = (planes[0], planes[1])
    yield "leads", _leads(names, curve(names[0], pair[0]), curve(names[1], pair[1]))
    try:
        found = difference(names, pair, quality)
    except StudyError as error:
        yield "BD-rate", f"cannot be told: {error}"
        return
    yield from _averages(names, found)


def _dominated(studies: Sequence[_Study], objectives: Sequence[Objective]) -> str:
    from study.fronts.comparing import dominated
    from study.fronts.front import front

    told = []
    for each, other in ((studies[0], studies[1]), (studies[1], studies[0])):
        beaten = dominated(each.records, other.records, objectives)
        told.append(
            f"{len(beaten)} of the {len(front(each.records, objectives))} points of {each.name} "
            f"by {other.name}"
        )
    return ", ".join(told)


def _leads(names: tuple[str, str], first: RateCurve, second: RateCurve) -> str:
    from study.fronts.comparing import leads

    found = [
        f"{names[lead.second]} from {lead.low:.3g} to {lead.high:.3g} bpp, by {lead.mean_db:.2f} dB"
        for lead in leads(first, second)
    ]
    return "; ".join(found) or "nobody: no rate is on both fronts, or they are the same there"


def _averages(names: tuple[str, str], found: Difference) -> Iterator[tuple[str, str]]:
    from study.fronts.comparing import RESAMPLES, SEED
    from study.fronts.measures import MEASURES

    measure = MEASURES[found.quality].heading.removesuffix(" dB")
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


def _warnings(studies: Sequence[_Study]) -> Iterator[str]:
    """Say what else differs between two studies: the fronts may do so for that reason alone."""
    first, second = (each.config for each in studies)
    names = [each.name for each in studies]
    ours, theirs = (config.data.model_dump(mode="json") for config in (first, second))
    for keys, meaning in (
        (_POINTS, "codecs are measured on different points, and their numbers cannot be compared"),
        (ours.keys() - set(_POINTS), "the same points are cut in different ways"),
    ):
        unlike = sorted(key for key in keys if ours[key] != theirs[key])
        if unlike:
            values = ", ".join(f"data.{key} {ours[key]} and {theirs[key]}" for key in unlike)
            yield f"the data of {names[0]} and {names[1]} differ ({values}): {meaning}"
    manifests = [_manifest(each) for each in studies]
    if None not in manifests and ours == theirs:
        a, b = (each for each in manifests if each is not None)
        if a.fingerprint != b.fingerprint:
            yield f"the files of {first.data.source} have changed between the two studies"
        if a.peak != b.peak:
            yield f"PSNRs have different peaks, {a.peak:g} and {b.peak:g}: compare no decibels"
    epochs = [config.training.epochs for config in (first, second)]
    if epochs[0] != epochs[1]:
        yield f"trials train {epochs[0]} epochs in {names[0]} and {epochs[1]} in {names[1]}"
    counts = [sum(bool(record.final) for record in each.records) for each in studies]
    if max(counts) >= _MANY * min(counts):
        yield (
            f"{names[0]} has {counts[0]} complete trials and {names[1]} {counts[1]}: a front of "
            "more trials is better by that alone, and the intervals know nothing of it"
        )


def _manifest(study: _Study) -> Manifest | None:
    """Return what the data set of a study says of itself; None where it is gone."""
    from study.data.manifest import read_manifest
    from study.storage.folder import data_of
    from study.storage.trial_store import TrialStore

    number = next(record.number for record in study.records if record.final)
    told = TrialStore(study.config, study.folder.database).worker_config(number)
    if not told:
        return None
    try:
        return read_manifest(data_of(study.folder, study.config, str(told["data_folder"])))
    except StudyError:
        return None
