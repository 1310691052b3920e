"""The result of a simulation as a table in the terminal."""

from __future__ import annotations

from math import ceil, isinf
from typing import TYPE_CHECKING

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from study.base.records import TrialState
from study.config.derived import asked_metrics
from study.fronts.measures import estimate_name
from study.simulation.compare import QUARTILES, quantile

if TYPE_CHECKING:
    from study.config import StudyConfig
    from study.simulation.compare import Comparison, Plan, Result
    from study.simulation.surrogate import Rival

CHECKPOINTS = (1 / 12, 1 / 6, 1 / 3, 1)
"""Shares of the epochs at which hypervolumes are shown."""

_CAPTION = """\
columns of numbers: the hypervolume when so many epochs were spent; to target: epochs until half of
the seeds are as good as the target, which half of the first row's seeds are at their end;
quartiles: until one and three quarters of them are; share: of all epochs; trials: complete +
stopped"""


def checkpoints(plan: Plan) -> list[int]:
    """Return the numbers of epochs at which hypervolumes are shown."""
    return [ceil(share * plan.epochs) for share in CHECKPOINTS]


def comparison_table(comparison: Comparison) -> Table:
    """Return a row for each strategy, the yardstick first."""
    plan = comparison.plan
    table = Table(
        title=f"hypervolume by epochs spent, median of {plan.seeds} seeds; the target is "
        f"{comparison.target:.4g}",
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        pad_edge=False,
        caption=_CAPTION,
        caption_justify="left",
    )
    table.add_column("strategy")  # The only column that may wrap.
    for epochs in checkpoints(plan):
        table.add_column(f"{epochs:,}", justify="right", no_wrap=True)
    for heading in ("to target", "quartiles", "share", "trials"):
        table.add_column(heading, justify="right", no_wrap=True)
    for result in comparison.results:
        table.add_row(*_cells(comparison, result))
    return table


def _cells(comparison: Comparison, result: Result) -> list[str]:
    plan = comparison.plan
    lower, middle, upper = (quantile(result.reached, share) for share in QUARTILES)
    volumes = np.median(result.volumes, axis=0)
    complete, stopped = (
        np.median([course.ended[state] for course in result.courses])
        for state in (TrialState.COMPLETE, TrialState.PRUNED)
    )
    return [
        result.strategy.words,
        *(f"{volumes[epochs]:.2f}" for epochs in checkpoints(plan)),
        _epochs(middle),
        f"{_epochs(lower)} to {_epochs(upper)}",
        "" if isinf(middle) else f"{middle / plan.epochs:.2f}",
        f"{complete:.0f} + {stopped:.0f}",
    ]


def _epochs(number: float) -> str:
    return "never" if isinf(number) else f"{number:,.0f}"


def error_sentences(rivals: tuple[Rival, ...], base: StudyConfig) -> list[str]:
    """Return the errors of interpolated curves as sentences: the chosen way's, and its rivals'."""
    chosen, *others = rivals
    how = "median of the trials, left out a tenth at a time"
    return [
        f"interpolated curves ({chosen.words}) are off by {_errors(chosen, base)} ({how})",
        *(f"{other.words} would be off by {_errors(other, base)}" for other in others),
    ]


def _errors(rival: Rival, base: StudyConfig) -> str:
    measured = asked_metrics(base)
    ends = [_error(rival, name, f"final.{name}") for name in measured]
    estimates = [(name, estimate_name(name)) for name in measured]
    epochs = [_error(rival, name, key) for name, key in estimates if key in rival.errors]
    after = f", after an epoch by {' and '.join(epochs)}" if epochs else ""
    return f"{' and '.join(ends)} when finished{after}"


def _error(rival: Rival, name: str, key: str | None) -> str:
    assert key is not None
    return f"{rival.errors[key]:.2g} {'dB' if name.endswith('_db') else name}"
