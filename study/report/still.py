"""The picture of a front as still images, PNG and SVG, for READMEs, papers and MLflow."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.patheffects import withStroke

from study.report import palette

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Literal

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    from study.report.beside import Line
    from study.report.picture import Dot, Picture

_SIZE_INCHES = (9.6, 6.0)
_DOTS_PER_INCH = 170
_MOST_PLANES = 6
"""In one image: all pairs of four objectives. The page has the others."""
_MOST_PATHS = 400
"""Trials whose way is drawn; the page hides it at first from the same number on."""
_MANY_MARKS = 3_000
"""More of a kind than this are an image within the SVG: 10,000 trials would be 30 MB of shapes."""
_HALO = [withStroke(linewidth=3, foreground="white")]


def draw_still(pictures: Sequence[Picture]) -> Figure:
    """Draw the pictures. The figure stands alone: no pyplot, so no global state is touched."""
    return _single(pictures[0]) if len(pictures) == 1 else _grid(pictures[:_MOST_PLANES])


def write_still(figure: Figure, kind: str, path: Path) -> None:
    """Write the drawing as "png" or as "svg"."""
    # Equal pictures are equal files: no date, and no names that are drawn by chance.
    with rc_context({"svg.hashsalt": "front", "svg.fonttype": "none"}):
        figure.savefig(path, format=kind, metadata={"Date": None} if kind == "svg" else None)


def _figure(size_inches: tuple[float, float]) -> Figure:
    figure = Figure(figsize=size_inches, dpi=_DOTS_PER_INCH, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _single(picture: Picture) -> Figure:
    figure = _figure(_SIZE_INCHES)
    axes = figure.add_axes((0.075, 0.115, 0.9, 0.755))
    _draw(axes, picture)
    _draw_legend(axes, picture)
    figure.text(0.075, 0.945, _plain(picture.title), size=14, weight="bold", color=palette.INK)
    figure.text(0.075, 0.9, picture.subtitle, size=10, color=palette.MUTED)
    figure.text(0.975, 0.02, _plain(picture.footnote), size=8, color=palette.MUTED, ha="right")
    return figure


def _grid(pictures: Sequence[Picture]) -> Figure:
    """Return one figure of several planes, two beside each other; the last cell has the legend."""
    cells = len(pictures) + 1
    heights = [1.0] * (cells // 2) + [0.7] * (cells % 2)  # a legend by itself needs less
    height = 4.2 * sum(heights) + 0.9
    figure = _figure((11.0, height))
    grid = GridSpec(
        len(heights), 2, figure, left=0.085, right=0.975, top=1 - 0.85 / height,
        bottom=0.6 / height, wspace=0.22, hspace=0.25, height_ratios=heights,
    )  # fmt: skip
    named: dict[str, Artist] = {}
    for number, picture in enumerate(pictures):
        axes = figure.add_subplot(grid[number // 2, number % 2])
        _draw(axes, picture)
        axes.set_title(_plain(picture.footnote), size=7.5, color=palette.MUTED, loc="right")
        for text in (axes.xaxis.label, axes.yaxis.label):
            text.set(text=text.get_text().replace(",  ", "\n", 1), size=9)
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            named.setdefault(label, handle)
    cell = figure.add_subplot(grid[len(pictures) // 2, len(pictures) % 2])
    cell.axis("off")
    cell.legend(
        list(named.values())[::-1],
        list(named)[::-1],
        loc="upper left",
        fontsize=10,
        labelcolor=palette.INK,
        edgecolor="none",
    )
    first, top = pictures[0], 1 - 0.35 / height
    figure.text(0.075, top, _plain(first.title), size=14, weight="bold", color=palette.INK)
    told = f"front in {first.objectives} objectives, seen in the plane of each pair"
    below = top - 0.25 / height
    figure.text(0.075, below, f"{told}   ·   {first.volume}", size=10, color=palette.MUTED)
    return figure


def _draw(axes: Axes, picture: Picture) -> None:
    """Draw all of a plane but the legend."""
    _draw_frame(axes, picture)
    _draw_paths(axes, picture)
    _draw_unfinished(axes, picture)
    _draw_baselines(axes, picture)
    _draw_rivals(axes, picture)
    _draw_others(axes, picture)
    _draw_complete(axes, picture)
    _draw_labels(axes, picture)


def _draw_frame(axes: Axes, picture: Picture) -> None:
    """Set ranges, titles, a light grid and no box."""
    axes.set_xlim(picture.x_range)
    axes.set_ylim(picture.y_range)
    axes.set_xlabel(picture.plane.horizontal.title, size=10, color=palette.INK)
    axes.set_ylabel(picture.plane.vertical.title, size=10, color=palette.INK)
    axes.grid(color=palette.GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=9, labelcolor=palette.MUTED)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _draw_paths(axes: Axes, picture: Picture) -> None:
    """Draw how each trial came to its place, faintly; of very many trials it would be a haze."""
    if len(picture.dots) > _MOST_PATHS:
        return
    gap = (math.nan, math.nan)  # one line with gaps: a line for each trial takes far longer
    points = [point for d in picture.dots if len(d.path) > 1 for point in (*d.path, gap)]
    if points:
        axes.plot(
            *zip(*points, strict=True),
            color=palette.FAINT,
            linewidth=0.7,
            marker=".",
            markersize=3,
            zorder=1,
            label=palette.LEARNING_PATH,
        )


def _draw_unfinished(axes: Axes, picture: Picture) -> None:
    """Draw the trials that are not complete, hollow and grey, one mark for each state."""
    for state, (mark, _) in palette.UNFINISHED_MARKS.items():
        dots = [dot for dot in picture.apart if dot.record.state is state]
        if dots:
            axes.scatter(
                *_columns(dots),
                marker=mark,
                s=38,
                linewidth=1.3,
                facecolor=palette.MUTED if mark == "x" else "none",
                edgecolor=None if mark == "x" else palette.MUTED,
                zorder=2,
                rasterized=len(dots) > _MANY_MARKS,
                label=palette.unfinished_text(state),
            )


def _draw_baselines(axes: Axes, picture: Picture) -> None:
    """Draw other codecs' curves, dashed."""
    for number, line in enumerate(picture.lines):
        color, mark, _ = palette.BASELINE_CURVES[number % len(palette.BASELINE_CURVES)]
        _draw_line(axes, line, (color, mark, "--"), line.legend)


def _draw_rivals(axes: Axes, picture: Picture) -> None:
    """Draw the codecs that stand beside every front, dash and dot."""
    for place, (key, line) in enumerate(picture.rivals.items()):
        color, mark, _ = palette.RIVALS[key]
        # Curves may leave the view side by side: a line for each name keeps all readable.
        _draw_line(axes, line, (color, mark, "-."), line.legend, place)


def _draw_others(axes: Axes, picture: Picture) -> None:
    """Draw the fronts of other studies, dotted; of more than two objectives the points alone."""
    style = ":" if picture.objectives == 2 else "none"
    for number, line in enumerate(picture.others):
        color, mark, _ = palette.OTHER_STUDIES[number % len(palette.OTHER_STUDIES)]
        _draw_line(axes, line, (color, mark, style), line.legend)


def _draw_line(
    axes: Axes, line: Line, look: tuple[str, str, str], legend: str, lines: int = 0
) -> None:
    """Draw a line of this colour, mark and style, with its name at the right, lines away."""
    (low, high), (_, at) = axes.get_ylim(), line.label_at
    is_low = at - low < (high - low) / 10
    color, mark, style = look
    axes.plot(
        *zip(*line.points, strict=True),
        color=color,
        linewidth=1.6,
        linestyle=style,
        marker=mark,
        markersize=6,
        zorder=2.5,
        label=_plain(legend),
    )
    axes.annotate(
        _plain(line.name),
        line.label_at,
        xytext=(7, (1 if is_low else -1) * (4 + 11 * lines)),
        textcoords="offset points",
        ha="left",
        va="bottom" if is_low else "top",
        size=9,
        color=color,
        path_effects=_HALO,
        zorder=6,
    )


def _plain(text: str) -> str:
    """Return a text as Matplotlib shall show it: `$` begins no formula."""
    return text.replace("$", r"\$")


def _draw_complete(axes: Axes, picture: Picture) -> None:
    """Draw the front, what it beats, what breaks a constraint, and the published point's ring."""
    if picture.infeasible:
        axes.scatter(
            *_columns(picture.infeasible),
            marker=palette.INFEASIBLE_MARK[0],
            s=52,
            linewidth=1.2,
            facecolor="none",
            edgecolor=palette.MUTED,
            zorder=2.8,
            rasterized=len(picture.infeasible) > _MANY_MARKS,
            label=palette.INFEASIBLE_TRIALS,
        )
    if picture.beaten:
        axes.scatter(
            *_columns(picture.beaten),
            s=46,
            color=palette.BEATEN,
            edgecolor="white",
            zorder=3,
            rasterized=len(picture.beaten) > _MANY_MARKS,
            label=palette.BEATEN_TRIALS,
        )
    if picture.front:
        axes.plot(
            *_columns(picture.front),
            color=palette.FRONT,
            linewidth=2,
            linestyle="-" if picture.objectives == 2 else "none",
            marker="o",
            markersize=8.5,
            markeredgecolor="white",
            zorder=4,
            label=palette.front_text(picture.objectives),
        )
    if (baseline := picture.baseline) is not None:
        axes.scatter(
            [baseline.x],
            [baseline.y],
            marker="D",
            s=110,
            facecolor="none",
            edgecolor=palette.BASELINE,
            linewidth=2,
            zorder=5,
            label=palette.PUBLISHED,
        )


def _draw_labels(axes: Axes, picture: Picture) -> None:
    """Write settings to the upper left of the front's members, and names to the lower right."""
    for dot in picture.front:
        if text := picture.labels.get(dot.record.number):
            _write_at(axes, dot, text, (-6, 6), palette.INK)
        if text := picture.named.get(dot.record.number):
            _write_at(axes, dot, text, (6, -12), palette.FRONT)


def _write_at(axes: Axes, dot: Dot, text: str, offset: tuple[int, int], color: str) -> None:
    """Write beside a dot, so many 1/72 inches to the right of it and above."""
    axes.annotate(
        text,
        (dot.x, dot.y),
        xytext=offset,
        textcoords="offset points",
        ha="right" if offset[0] < 0 else "left",
        size=8.5,
        color=color,
        path_effects=_HALO,
        zorder=6,
    )


_WORST_CORNERS: Mapping[
    tuple[str, str], Literal["lower right", "lower left", "upper right", "upper left"]
] = {
    ("left", "up"): "lower right",
    ("right", "up"): "lower left",
    ("left", "down"): "upper right",
    ("right", "down"): "upper left",
}
"""By where the best would be."""


def _draw_legend(axes: Axes, picture: Picture) -> None:
    """Name what is drawn, the last (topmost) first, in the corner that no good codec reaches."""
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(
        handles[::-1],
        labels[::-1],
        loc=_WORST_CORNERS[picture.plane.better],
        fontsize=8.5,
        labelcolor=palette.INK,
        framealpha=0.9,
        edgecolor="none",
    )


def _columns(dots: tuple[Dot, ...] | list[Dot]) -> tuple[list[float], list[float]]:
    """Return the dots' x and y values."""
    return [dot.x for dot in dots], [dot.y for dot in dots]
