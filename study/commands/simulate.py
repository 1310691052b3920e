"""`study simulate`: samplers and halting rules, compared on recorded learning curves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape

from study.base.output import new_file
from study.halting.rules import first_rung
from study.report.live import progress_view
from study.simulation import EMBEDDED
from study.simulation.compare import Plan, compare, surrogate_of
from study.simulation.picture import write_picture
from study.simulation.show import comparison_table, error_sentences
from study.simulation.strategies import Offered, base_study, combined, variant
from study.simulation.table_file import read_recording
from study.storage.study_file import load_study

if TYPE_CHECKING:
    import argparse

    from rich.console import Console

    from study.config import StudyConfig


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Simulate every strategy, and show how they compare as a table and as a picture."""
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
    console.print(f"[bold]{escape(str(arguments.out))}[/]  the same as a picture", soft_wrap=True)
    return 0


def _offered(arguments: argparse.Namespace, base: StudyConfig) -> Offered:
    """Return what to combine: the options, else what the study file says, else the defaults."""
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
