"""`study evaluate` and `study baseline`: codecs measured on the user's own clouds."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from study.base.errors import StudyError
from study.base.output import check_free
from study.clouds import read_clouds
from study.codecs.evaluate import evaluate as evaluate_codec
from study.codecs.evaluation import MEASURED, unmeasurable
from study.codecs.opening import open_any, wish_of
from study.codecs.results import COMPRESSAI, SUFFIXES, write_evaluation
from study.metrics.table import (
    MEASURES,
    OCTREE_SHARE,
    SECONDS,
    SHOWN,
    WORK,
    as_number,
    why_lacking,
    work_told,
)
from study.report.live import progress_view
from study.yardsticks.family import NAMES as YARDSTICKS
from study.yardsticks.family import yardstick

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping, Sequence

    from rich.console import Console

    from study.clouds import Cloud
    from study.codecs.evaluation import Evaluation

    Measure = Callable[[Mapping[str, Cloud], Callable[[int, int], None]], Evaluation]


def evaluate(arguments: argparse.Namespace, console: Console) -> int:
    """Measure a codec folder on files of clouds, into a table and a JSON."""
    folder = arguments.codec
    wish = wish_of(arguments)
    name = folder.resolve().name

    def measure(clouds: Mapping[str, Cloud], progress: Callable[[int, int], None]) -> Evaluation:
        # It may import the network; what else can be wrong is told before.
        codec = open_any(folder, wish, arguments.family)
        return evaluate_codec(codec, clouds, name=name, progress=progress)

    return _measure(measure, name, arguments, console)


def baseline(arguments: argparse.Namespace, console: Console) -> int:
    """Measure another codec on files of clouds, or read what others measured, into a table."""
    known = arguments.codec in YARDSTICKS
    other = yardstick(arguments.codec, arguments.tmc3)

    def measure(clouds: Mapping[str, Cloud], progress: Callable[[int, int], None]) -> Evaluation:
        return other.measure(clouds, progress=progress)

    # A file of others is only shown, unless the user names where it goes.
    return _measure(measure, arguments.codec if known else None, arguments, console)


def _measure(
    measure: Measure, name: str | None, arguments: argparse.Namespace, console: Console
) -> int:
    file_format, force = arguments.format or COMPRESSAI, arguments.force
    default = None if name is None else Path(f"{name}-evaluation{SUFFIXES[file_format]}")
    out = arguments.out or default
    twice = [file for file, count in Counter(arguments.clouds).items() if count > 1]
    if twice:
        raise StudyError(f"each file is measured once, and {twice[0]} is named twice; name it once")
    clouds = read_all(arguments.clouds)
    if out is not None:
        check_free(out, force=force)
    with progress_view(console, "measuring", "clouds", lines=True) as on_progress:
        evaluation = measure(clouds, on_progress)
    console.print(table_of(evaluation))
    if out is not None:
        write_evaluation(evaluation, out, file_format=file_format, force=force)
        console.print(f"[bold]{escape(str(out))}[/]", soft_wrap=True)
    return 0


def read_all(files: Sequence[Path]) -> dict[str, Cloud]:
    """Read all clouds of all files, by name.

    Raises:
        StudyError: some cannot be read or measured; each is told, so that one run finds them all.
    """
    twice = [file for file, count in Counter(files).items() if count > 1]
    if twice:
        raise StudyError(f"each file is taken once, and {twice[0]} is named twice; name it once")
    clouds: dict[str, Cloud] = {}
    complaints = []
    for file in files:
        try:
            held = read_clouds(file)
        except StudyError as error:
            complaints.append(str(error))
        else:
            one = len(held) == 1
            clouds |= {str(file) if one else f"{file}/{n}": cloud for n, cloud in held.items()}
    complaints += unmeasurable(clouds)
    if len(complaints) > 1:
        complaints.insert(0, f"{len(complaints)} clouds cannot be measured, so none was:")
    if complaints:
        raise StudyError("\n".join(complaints))
    return clouds


def table_of(evaluation: Evaluation) -> Table:
    """Return one row for each operating point: bits of all files over all points, else means."""
    clouds = len(evaluation.points[0].results)
    many = f"; {clouds} cloud{'s' * (clouds != 1)}" if clouds else "; means over clouds"
    metrics = [*SHOWN, OCTREE_SHARE, *SECONDS, *WORK]
    rows = [
        (point.setting, {each: point.mean(each) for each in metrics}) for point in evaluation.points
    ]
    shown = [each for each in metrics if any(means[each] is not None for _, means in rows)]
    of_network = []
    if len(rows) == 1:
        # A line has room where columns have none.
        of_network = [f"network: {line}" for line in work_told(rows[0][1])]
        shown = [each for each in shown if each not in WORK]
    told = [f"PSNR: {evaluation.psnr}; rate: {escape(evaluation.counts)}", *of_network]
    measured_here = evaluation.counts == MEASURED
    told += (
        why_lacking(shown) if measured_here else ["what is not shown is not known of this codec"]
    )
    table = Table(
        title=escape(evaluation.description) + many,
        title_justify="left",
        title_style="bold",
        caption="\n".join(told),
        caption_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("setting", vertical="bottom")
    for each in shown:
        words = MEASURES[each].heading.replace(" ", "\n", 1)
        table.add_column(words, justify="right", no_wrap=True)
    for setting, means in rows:
        table.add_row(setting, *(as_number(each, means[each]) for each in shown))
    return table
