"""The commands of the simulator: record learning curves of trials, and replay studies on them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from study.config import StudyConfig
    from study.simulation.strategies import Offered

_SHAPE = argparse.RawDescriptionHelpFormatter
_TRIALS = 100

_RECORD = """\
The table has a row for each trial and epoch: settings, metrics, seconds, and the metrics of the
finished codec. Only complete trials are in it. Studies that train alike and search the same space
can be recorded together.

examples:
  study record quickstart-001 curves.parquet
  study record monday tuesday curves.parquet       two studies in one table"""

_SIMULATE = """\
Replays whole studies on recorded learning curves: the same sampler, halting rule and bookkeeping as
`study run`, on a clock of its own, a thousand trials in seconds. Every strategy is given the epochs
that --trials trials take to their end. Told is how its hypervolume grows, and after how many epochs
it is as good as random search at the end of them all: half of the seeds are.

Lists are written with commas, and everything is combined with everything.

examples:
  study simulate                                   the table that comes with the package
  study simulate curves.parquet --sampler tpe,gp,nsga2,qmc
  study simulate --sampler tpe --halting none,pareto --grace 1,2 --reduction 2,3,4
  study simulate --halting pareto,single:d1_psnr_db
  study simulate --sampler tpe,qmc --stratify none,loss.bpp_lambda=8
  study simulate --study mine.yaml                 your own search, over what was recorded

Curves between recorded settings are interpolated, without the luck of single runs; how far they are
off is measured and printed. What that means: docs/simulation.md"""


def add_commands(commands: Any) -> None:  # noqa: ANN401 (argparse names no type for it)
    """Add the commands of this module to the whole command line's."""
    record = commands.add_parser(
        "record",
        help="keep the learning curves of finished trials, as a table",
        description="Keep the learning curves of finished trials, as a table.",
        epilog=_RECORD,
        formatter_class=_SHAPE,
    )
    record.add_argument("names", nargs="+", metavar="NAME", help="a study's name")
    record.add_argument("table", type=Path, metavar="TABLE.parquet", help="the table's file")
    record.add_argument(
        "--root", type=Path, default=Path("studies"), help="where the studies are (%(default)s)"
    )
    _add_force(record)
    simulate = commands.add_parser(
        "simulate",
        help="compare samplers and halting rules on recorded learning curves",
        description="Compare samplers and halting rules on recorded learning curves.",
        epilog=_SIMULATE,
        formatter_class=_SHAPE,
    )
    _add_strategies(simulate)
    _add_budget(simulate)


def _add_strategies(simulate: argparse.ArgumentParser) -> None:
    simulate.add_argument(
        "table",
        nargs="?",
        type=Path,
        metavar="TABLE.parquet",
        help="what `study record` wrote; without it, 168 trials of the embedded objects",
    )
    simulate.add_argument(
        "--study",
        type=Path,
        metavar="FILE",
        help="a study file: what is not said here is as its `search` and `halting` say, for its "
        "objectives",
    )
    listed: tuple[tuple[str, Callable[[str], object], str, str], ...] = (
        ("--sampler", str, "LIST", "who proposes settings (random,tpe)"),
        ("--halting", str, "LIST", "none, pareto, or single:METRIC (none,pareto)"),
        ("--grace", _at_least(1), "LIST", "epochs before the first rung"),
        ("--reduction", _beyond_one, "LIST", "one in so many goes on at a rung"),
        ("--rungs", _at_least(1), "LIST", "most rungs (1)"),
        ("--coverage", str, "LIST", "of pareto: epsilon_net or hypervolume"),
        ("--stratify", _slices, "LIST", "none, or RANGE=SLICES; several at once joined by +"),
    )
    for option, kind, metavar, what in listed:
        simulate.add_argument(option, type=_list_of(kind), metavar=metavar, help=what)


def _add_budget(simulate: argparse.ArgumentParser) -> None:
    budget = simulate.add_mutually_exclusive_group()
    count = _at_least(1)
    budget.add_argument(
        "--trials",
        type=count,
        default=_TRIALS,
        metavar="N",
        help="every study may spend the epochs of so many whole trials (%(default)s)",
    )
    budget.add_argument(
        "--epochs", type=count, metavar="M", help="every study may spend so many epochs"
    )
    for option, default, what in (
        ("--seeds", 10, "studies of each strategy"),
        ("--workers", 2, "cohorts that train at once"),
        ("--cohort", 1, "trials in a cohort"),
    ):
        simulate.add_argument(
            option, type=count, default=default, metavar="N", help=f"{what} (%(default)s)"
        )
    simulate.add_argument(
        "--out",
        type=Path,
        default=Path("simulation.png"),
        metavar="FILE.png",
        help="the picture (%(default)s)",
    )
    _add_force(simulate)


def _add_force(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--force", action="store_true", help="replace a file that is there already")


def _list_of(kind: Callable[[str], Any]) -> Callable[[str], tuple[Any, ...]]:
    def read(text: str) -> tuple[Any, ...]:
        return tuple(dict.fromkeys(kind(part.strip()) for part in text.split(",")))

    return read


def _at_least(least: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if text.isascii() and text.isdigit() and int(text) >= least:
            return int(text)
        raise argparse.ArgumentTypeError(f"must be a whole number from {least} on, not {text!r}")

    return read


def _beyond_one(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 1.0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number above 1, not {text!r}")
    return number


def _slices(text: str) -> tuple[tuple[str, int], ...]:
    """Read ``none`` or ``loss.bpp_lambda=8+loss.chamfer_coe=2``."""
    if text == "none":
        return ()
    pairs = [part.partition("=") for part in text.split("+")]
    if not all(name and count.isascii() and count.isdigit() for name, _, count in pairs):
        raise argparse.ArgumentTypeError(
            "must be none, or a range and a number of slices such as loss.bpp_lambda=8, not "
            f"{text!r}"
        )
    return tuple((name, int(count)) for name, _, count in pairs)


def _record(arguments: argparse.Namespace, console: Console) -> int:
    from study.base.errors import StudyError
    from study.base.output import check_free
    from study.simulation.recorder import record_studies
    from study.simulation.table_file import write_recording

    if arguments.table.suffix != ".parquet":
        raise StudyError(
            "a recording is a Parquet file, so its name must end in .parquet, but "
            f"{arguments.table} does not; call it {arguments.table.with_suffix('.parquet').name}"
        )
    check_free(arguments.table, force=arguments.force)

    recording, told = record_studies(arguments.root, arguments.names)

    write_recording(recording, arguments.table, force=arguments.force)
    console.print(
        f"[bold]{arguments.table}[/]  {len(recording.trials)} trials of {recording.epochs} epochs"
        f"{told}, {arguments.table.stat().st_size / 1e3:.0f} kB",
        soft_wrap=True,
    )
    return 0


def _simulate(arguments: argparse.Namespace, console: Console) -> int:
    from study.base.output import check_free, new_file
    from study.report.live import progress_view
    from study.simulation import EMBEDDED
    from study.simulation.compare import Plan, compare, surrogate_of
    from study.simulation.picture import write_picture
    from study.simulation.show import comparison_table, error_sentences
    from study.simulation.strategies import base_study, combined, variant
    from study.simulation.table_file import read_recording
    from study.storage.study_file import load_study

    check_free(arguments.out, force=arguments.force)
    recording = read_recording(arguments.table or EMBEDDED)
    base = base_study(recording, load_study(arguments.study) if arguments.study else None)
    strategies = combined(_offered(arguments, base))
    epochs = arguments.epochs or arguments.trials * recording.epochs
    for strategy in strategies:  # Before anything takes time.
        variant(base, strategy, epochs=epochs, seed=0)
    surrogate = surrogate_of(recording, base)
    for sentence in error_sentences(surrogate.rivals, base):
        console.print(sentence, soft_wrap=True)
    plan = Plan(base, strategies, epochs, arguments.seeds, arguments.workers, arguments.cohort)
    with progress_view(console, "simulating", "studies", lines=True) as on_progress:
        comparison = compare(plan, surrogate, on_progress)
    console.print(comparison_table(comparison))
    with new_file(arguments.out, force=arguments.force) as partial:
        write_picture(comparison, partial)
    console.print(f"[bold]{arguments.out}[/]  the same as a picture", soft_wrap=True)
    return 0


def _offered(arguments: argparse.Namespace, base: StudyConfig) -> Offered:
    """Return what to combine: the options, else what the study file says, else the defaults."""
    from study.halting.rules import first_rung
    from study.simulation.strategies import Offered

    search, halting = base.search, base.halting
    given = arguments.study is not None
    rule = f"single:{halting.metric}" if halting.rule == "single" else halting.rule
    return Offered(
        samplers=arguments.sampler or ((search.sampler,) if given else ("random", "tpe")),
        rules=arguments.halting or ((rule,) if given else ("none", "pareto")),
        graces=arguments.grace or (first_rung(halting, base.training.epochs),),
        reductions=arguments.reduction or (halting.reduction,),
        rungs=arguments.rungs or (halting.rungs,),
        coverages=arguments.coverage or (halting.coverage,),
        stratify=arguments.stratify or (tuple(search.stratify.items()),),
    )


COMMANDS = {"record": _record, "simulate": _simulate}
