"""Commands of the simulator: record learning curves of trials, and replay studies on them."""

from __future__ import annotations

from pathlib import Path

from study.commands.declared.command import Command, OneOf, Option
from study.commands.declared.options import (
    FORCE,
    ROOT,
    list_of,
    number_above,
    slices,
    whole_number,
)

_COUNT = whole_number(1)

RECORD = Command(
    "record",
    "keep the learning curves of finished trials, as a table",
    options=(
        Option("names", "a study's name", nargs="+", metavar="NAME"),
        Option("table", "the table's file", type=Path, metavar="TABLE.parquet"),
        ROOT,
        FORCE,
    ),
    about="""\
The table has a row for each trial and epoch: settings, metrics, seconds, and the metrics of the
finished codec. It holds complete trials only. Studies that train alike and search the same space
can be recorded together.

examples:
  study record quickstart-001 curves.parquet
  study record monday tuesday curves.parquet       two studies in one table""",
    run="study.commands.record:record",
    check="study.commands.checks:check_record",
)

SIMULATE = Command(
    "simulate",
    "compare samplers and halting rules on recorded learning curves",
    options=(
        Option(
            "table",
            "what `study record` wrote; without it, 168 trials of the embedded objects",
            nargs="?",
            type=Path,
            metavar="TABLE.parquet",
        ),
        Option(
            "--study",
            "a study file: its objectives, and its `search` and `halting` where the options below "
            "leave them open",
            type=Path,
            metavar="FILE",
        ),
        Option(
            "--sampler",
            "who proposes settings (random,tpe)",
            type=list_of(str),
            metavar="LIST",
        ),
        Option(
            "--halting",
            "none, pareto, or single:METRIC (none,pareto)",
            type=list_of(str),
            metavar="LIST",
        ),
        Option("--grace", "epochs before the first rung", type=list_of(_COUNT), metavar="LIST"),
        Option(
            "--reduction",
            "at a rung, one trial in so many goes on",
            type=list_of(number_above(1)),
            metavar="LIST",
        ),
        Option("--rungs", "most rungs (1)", type=list_of(_COUNT), metavar="LIST"),
        Option(
            "--coverage",
            "of pareto: epsilon_net or hypervolume",
            type=list_of(str),
            metavar="LIST",
        ),
        Option(
            "--stratify",
            "none, or RANGE=SLICES; several at once joined by +",
            type=list_of(slices),
            metavar="LIST",
        ),
        OneOf(
            (
                Option(
                    "--trials",
                    "epochs that each study may spend, as a number of whole trials (%(default)s)",
                    type=_COUNT,
                    default=100,
                    metavar="N",
                ),
                Option(
                    "--epochs",
                    "epochs that each study may spend",
                    type=_COUNT,
                    metavar="M",
                ),
            )
        ),
        Option(
            "--seeds",
            "studies of each strategy (%(default)s)",
            type=_COUNT,
            default=10,
            metavar="N",
        ),
        Option(
            "--workers",
            "cohorts that train at once (%(default)s)",
            type=_COUNT,
            default=2,
            metavar="N",
        ),
        Option("--cohort", "trials in a cohort (%(default)s)", type=_COUNT, default=1, metavar="N"),
        Option(
            "--out",
            "the picture (%(default)s)",
            type=Path,
            default=Path("simulation.png"),
            metavar="FILE.png",
        ),
        FORCE,
    ),
    about="""\
Replays whole studies on recorded learning curves: the sampler, halting rule and bookkeeping of
`study run`, on a simulated clock, a thousand trials in seconds. Each strategy may spend as many
epochs as --trials whole trials take.

The result shows how the hypervolume of each strategy grows, and after how many epochs half of its
studies have reached the target: the median hypervolume of random search at its end.

A list is written with commas. Every sampler is combined with every halting rule, and with all else
that is listed.

examples:
  study simulate                                   the table that comes with the package
  study simulate curves.parquet --sampler tpe,gp,nsga2,qmc
  study simulate --sampler tpe --halting none,pareto --grace 1,2 --reduction 2,3,4
  study simulate --halting pareto,single:d1_psnr_db
  study simulate --sampler tpe,qmc --stratify none,loss.bpp_lambda=8
  study simulate --study mine.yaml                 your own search, over what was recorded

Curves between recorded settings are interpolated, without the luck of single runs. The error of
that is measured and printed; docs/simulation.md says what it means.""",
    run="study.commands.simulate:run",
    check="study.commands.checks:check_simulate",
)

COMMANDS = (RECORD, SIMULATE)
