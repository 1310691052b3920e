"""One object as codecs of every kind leave it, beside what the metrics say of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from study.metrics.table import MEASURES, SHOWN, as_number
from study.report import palette

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

COLUMNS, CELL_INCHES, WORDS_INCHES, ROW_INCHES, HEAD_INCHES = 4, 2.9, 0.42, 0.24, 0.5
DOTS_PER_INCH = 110
YAW, PITCH = np.radians(32.0), np.radians(18.0)
MARK = 1.5


@dataclass(frozen=True)
class Shown:
    """What a codec made of the object.

    Attributes:
        codec: which.
        setting: what tells it from others of its kind.
        points: (m, 3), or None where only numbers are known.
        values: by metric.
    """

    codec: str
    setting: str
    points: NDArray[np.float64] | None
    values: Mapping[str, float | None]

    @property
    def title(self) -> str:
        """What it is called."""
        return f"{self.codec}, {self.setting}" if self.setting else self.codec


def draw(name: str, original: NDArray[np.float64], shown: Sequence[Shown], path: Path) -> None:
    """Draw the original and what codecs made of it, and a table of all metrics below.

    Args:
        name: of the object.
        original: (n, 3).
        shown: the codecs, whose rates are about that of the first; those without points are in the
            table alone.
        path: of the picture, a PNG.
    """
    views = [("original", f"{len(original):,} points", original)]
    views += [
        (each.title, f"{each.values['bpp']:.3f} bpp, {len(each.points):,} points", each.points)
        for each in shown
        if each.points is not None
    ]
    rows = -(-len(views) // COLUMNS)
    flat = _turned(original, original)
    low, high = flat.min(axis=0), flat.max(axis=0)
    aspect = float((high - low)[1] / (high - low)[0])
    cell = CELL_INCHES * min(max(aspect, 0.5), 1.2) + WORDS_INCHES
    table = ROW_INCHES * (len(shown) + 2)
    height = HEAD_INCHES + rows * cell + table
    figure = Figure(figsize=(COLUMNS * CELL_INCHES, height), dpi=DOTS_PER_INCH, facecolor="white")
    FigureCanvasAgg(figure)
    figure.text(
        0.01, 1 - 0.3 / height, f"{name}, at about {shown[0].values['bpp']:.2f} bits per point",
        size=13, weight="bold", color=palette.INK,
    )  # fmt: skip
    for place, (title, told, points) in enumerate(views):
        row, column = divmod(place, COLUMNS)
        bottom = (height - HEAD_INCHES - (row + 1) * cell) / height
        axes = figure.add_axes(
            (column / COLUMNS, bottom + WORDS_INCHES / height, 1 / COLUMNS,
             (cell - WORDS_INCHES) / height)
        )  # fmt: skip
        _draw_view(axes, original, points)
        middle = (column + 0.5) / COLUMNS
        figure.text(middle, bottom + 0.26 / height, title, size=9.5, ha="center", color=palette.INK)
        figure.text(middle, bottom + 0.1 / height, told, size=8.5, ha="center", color=palette.MUTED)
    _draw_table(figure, shown, table / height)
    figure.savefig(path, format="png")


def _draw_view(axes: Axes, original: NDArray[np.float64], points: NDArray[np.float64]) -> None:
    """Draw points from the side and a little above, seen through: dark is where many lie."""
    frame = _turned(original, original)
    middle = (frame.min(axis=0) + frame.max(axis=0)) / 2
    half = np.ptp(frame, axis=0)[:2] / 2 * 1.06
    flat = _turned(points, original)
    axes.scatter(flat[:, 0], flat[:, 1], s=MARK, c=palette.FRONT, alpha=0.5, linewidths=0)
    axes.set(xlim=(middle[0] - half[0], middle[0] + half[0]))
    axes.set(ylim=(middle[1] - half[1], middle[1] + half[1]), aspect="equal")
    axes.axis("off")


def _turned(points: NDArray[np.float64], original: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return points (m, 3) as they are seen: to the right, up, towards the reader."""
    x, y, z = (points - original.mean(axis=0)).T
    across, towards = np.cos(YAW) * x + np.sin(YAW) * z, np.cos(YAW) * z - np.sin(YAW) * x
    up = np.cos(PITCH) * y - np.sin(PITCH) * towards
    return np.stack([across, up, np.cos(PITCH) * towards + np.sin(PITCH) * y], axis=1)


def _draw_table(figure: Figure, shown: Sequence[Shown], height: float) -> None:
    """Write a line for each codec, the best value of each metric bold."""
    axes = figure.add_axes((0.0, 0.0, 1.0, height))
    axes.axis("off")
    axes.set(xlim=(0, 1), ylim=(len(shown) + 1.6, -0.6))
    places = np.linspace(0.42, 0.97, len(SHOWN))
    axes.text(0.02, 0, "codec", size=9.5, weight="bold", color=palette.INK, va="center")
    for metric, x in zip(SHOWN, places, strict=True):
        words = MEASURES[metric].heading
        axes.text(x, 0, words, size=9.5, weight="bold", color=palette.INK, ha="right", va="center")
    axes.plot([0.02, 0.98], [0.5, 0.5], color=palette.FAINT, linewidth=1)
    best = {metric: _best(metric, shown) for metric in SHOWN}
    for line, each in enumerate(shown, start=1):
        axes.text(0.02, line, each.title, size=9.5, color=palette.INK, va="center")
        for metric, x in zip(SHOWN, places, strict=True):
            value = each.values.get(metric)
            text = "not recorded" if value is None else as_number(metric, value)
            weight = "bold" if text == best[metric] else "normal"
            color = palette.MUTED if value is None else palette.INK
            axes.text(x, line, text, size=9.5, weight=weight, ha="right", va="center", color=color)


def _best(metric: str, shown: Sequence[Shown]) -> str:
    """Return the best value as text; of the rate none, for it is about equal."""
    values = [v for each in shown if (v := each.values.get(metric)) is not None]
    if metric == "bpp" or not values:
        return ""
    direction = MEASURES[metric].direction_hint
    if direction is None:
        return as_number(metric, min(values, key=lambda value: abs(value - 1.0)))
    return as_number(metric, min(values) if direction == "minimize" else max(values))
