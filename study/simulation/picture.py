"""The picture of a comparison: hypervolume against epochs spent, a line and a band for each."""

from __future__ import annotations

from itertools import cycle, product
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from study.report import palette
from study.simulation.compare import QUARTILES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from matplotlib.axes import Axes

    from study.simulation.compare import Comparison

_SIZE_INCHES = (9.6, 6.0)
_DOTS_PER_INCH = 170
_COLORS = (palette.FRONT, palette.BASELINE, "#009e73", "#cc79a7", "#e69f00", palette.BEATEN)
_DASHES = ("-", "--", ":", "-.")
_EARLY = 1 / 6
"""The axis of hypervolumes begins at the lowest one after this share of the epochs: earlier ones
rise from nothing."""


def write_picture(comparison: Comparison, path: Path) -> None:
    """Draw the comparison. The figure stands alone: no global state is touched."""
    figure = Figure(figsize=_SIZE_INCHES, dpi=_DOTS_PER_INCH, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.085, 0.115, 0.89, 0.755))
    _draw_frame(axes, comparison)
    for result, (color, dash) in zip(comparison.results, _styles(), strict=False):
        lower, middle, upper = np.quantile(result.volumes, QUARTILES, axis=0)
        epochs = np.arange(len(middle))
        axes.fill_between(epochs, lower, upper, color=color, alpha=0.12, linewidth=0, step="post")
        axes.step(
            epochs,
            middle,
            where="post",
            color=color,
            linestyle=dash,
            linewidth=2,
            label=result.strategy.words,
        )
    axes.legend(
        loc="lower right",
        fontsize=8.5,
        labelcolor=palette.INK,
        framealpha=0.9,
        edgecolor="none",
    )
    plan = comparison.plan
    references = ", ".join(f"{o.metric} {o.reference:g}" for o in plan.base.objectives)
    figure.text(
        0.085, 0.945, "Hypervolume by epochs spent", size=14, weight="bold", color=palette.INK
    )
    figure.text(
        0.085,
        0.9,
        f"{plan.seeds} simulated studies each, median and quartiles   ·   up and to the left is "
        f"better   ·   reference: {references}",
        size=10,
        color=palette.MUTED,
    )
    figure.savefig(path, format="png")


def _styles() -> Iterator[tuple[str, str]]:
    """Yield colours and dashes: grey for the yardstick, then all colours with each dash in turn."""
    yield palette.MUTED, "-"
    for dash, color in cycle(product(_DASHES, _COLORS)):
        yield color, dash


def _draw_frame(axes: Axes, comparison: Comparison) -> None:
    """Set limits, titles and a light grid, and draw the target."""
    plan = comparison.plan
    early = int(_EARLY * plan.epochs)
    low = min(np.quantile(each.volumes[:, early], QUARTILES[0]) for each in comparison.results)
    high = max(each.volumes.max() for each in comparison.results)
    room = 0.05 * (high - low or 1.0)
    axes.set_xlim(0, plan.epochs)
    axes.set_ylim(low - room, high + room)
    axes.set_xlabel("epochs of all trials together", size=10, color=palette.INK)
    axes.set_ylabel("hypervolume of the complete trials", size=10, color=palette.INK)
    axes.grid(color=palette.GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=9, labelcolor=palette.MUTED)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.axhline(comparison.target, color=palette.INK, linewidth=1, linestyle=(0, (4, 3)))
    axes.annotate(
        "the target: what random search has at the end",
        (0, comparison.target),
        xytext=(5, 4),
        textcoords="offset points",
        size=8.5,
        color=palette.INK,
        path_effects=[withStroke(linewidth=3, foreground="white")],
    )
