"""Objects beside what codecs of the front make of them: a still picture, and data for a page's tab.

Colour tells how far a point is from the nearest original one; one scale holds for all of a gallery,
so that a colour means the same everywhere.
"""

from __future__ import annotations

import base64
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize, to_hex
from matplotlib.figure import Figure

from study.report import palette
from study.report.page import Tab

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from study.report.exhibits import Exhibit, Gallery, Reconstruction

MOST_SHOWN = 4096
"""Points of a view. Fifteen views of as many take 570 kB of a page."""

_BEYOND = 1.25
"""How far beyond half of the original's longest side a decoded point may lie to be shown there, as
a multiple; points further out are drawn at that border."""

_SATURATED = 0.95
"""The share of all points whose error is told apart; of stray ones, which are few, the rest."""

_ROUND = (1, 1.5, 2, 3, 4, 5, 6, 8, 10)

COLOURS = tuple(to_hex(colormaps["plasma"](0.88 * step / 31)) for step in range(32))
"""From no error to the scale's end: darker is better. Told apart by colour-blind readers, and none
so light that it is lost on white."""

_YAW, _PITCH = math.radians(35.0), math.radians(20.0)
"""From where the still picture looks; y is up, as in OBJ files, and the page begins there too."""
_CELL_INCHES, _WORDS_INCHES, _HEAD_INCHES, _FOOT_INCHES = 2.15, 0.55, 0.6, 0.7
_MARGIN = 0.1
_DOTS_PER_INCH = 130
_FOG = 0.5
"""By how much the farthest points fade."""

_WHAT = "distance to the nearest original point, in % of the object's longest side"


def error_scale_percent(gallery: Gallery) -> float:
    """Return the error at the end of the colours: a round number that few points exceed."""
    errors = [r.error_percent for exhibit in gallery.exhibits for r in exhibit.reconstructions]
    high = float(np.quantile(np.concatenate(errors), _SATURATED))
    if high <= 0.0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(high))
    return next(step * power for step in _ROUND if step * power >= high * (1 - 1e-9))


def tab(gallery: Gallery) -> Tab:
    """Return a gallery as a tab of the front's page."""
    return Tab("reconstructions", "Reconstructions", "reconstructions.js", tab_data(gallery))


def tab_data(gallery: Gallery) -> dict[str, Any]:
    """Return a gallery as a page's tab shows it.

    Coordinates are 16 bits each, little-endian, x y z of one point after the other; 0 to 65535 is
    what lies within `_BEYOND` of the middle of the original's box. Errors are a byte each, 0 to 255
    for none to the scale's end. Both are Base64.
    """
    scale = error_scale_percent(gallery)
    return {
        "split": gallery.split,
        "scale": scale,
        "beyond": _BEYOND,
        "yaw": _YAW,
        "pitch": _PITCH,
        "what": _WHAT,
        "colours": COLOURS,
        "plain": palette.MUTED,
        "objects": [
            {
                "name": exhibit.name,
                "views": [
                    {
                        "title": exhibit.name,
                        "caption": _original(exhibit),
                        "xyz": _packed(_framed(exhibit, _shown(exhibit.points))),
                    },
                    *(_view(exhibit, each, scale) for each in exhibit.reconstructions),
                ],
            }
            for exhibit in gallery.exhibits
        ],
    }


def write_still(gallery: Gallery, path: Path) -> None:
    """Draw a row for each object: the original, and beside it every reconstruction."""
    columns = 1 + len(gallery.exhibits[0].reconstructions)
    spans = [_span(exhibit) for exhibit in gallery.exhibits]
    inches = [_CELL_INCHES * (high - low) / (2 * _BEYOND) + _WORDS_INCHES for low, high in spans]
    height = sum(inches) + _HEAD_INCHES + _FOOT_INCHES
    figure = Figure(figsize=(columns * _CELL_INCHES, height), dpi=_DOTS_PER_INCH, facecolor="white")
    FigureCanvasAgg(figure)
    scale, top = error_scale_percent(gallery), height - _HEAD_INCHES
    for exhibit, span, row_inches in zip(gallery.exhibits, spans, inches, strict=True):
        bottom = (top - row_inches + _WORDS_INCHES) / height
        for column, one in enumerate([None, *exhibit.reconstructions]):
            place = (column / columns, bottom, 1 / columns, (row_inches - _WORDS_INCHES) / height)
            axes = figure.add_axes(place)
            axes.set(xlim=(-_BEYOND, _BEYOND), ylim=span)
            axes.axis("off")
            _draw(axes, exhibit, one, scale)
            words = (exhibit.name, *_original(exhibit)) if one is None else _words(one)
            middle = (column + 0.5) / columns
            _caption(figure, middle, bottom, 1 / height, words)
        top -= row_inches
    told = f"objects of the {gallery.split} split, which no trial has trained on"
    left, ink = 0.1 / (columns * _CELL_INCHES), palette.INK
    figure.text(left, 1 - 0.28 / height, _plain(gallery.study), size=11, weight="bold", color=ink)
    figure.text(left, 1 - 0.47 / height, told, size=8, color=palette.MUTED)
    _draw_scale(figure, scale, 1 / height)
    figure.savefig(path, format="png")


def _draw_scale(figure: Figure, scale: float, inch: float) -> None:
    bar = figure.colorbar(
        ScalarMappable(Normalize(0.0, scale), ListedColormap(COLOURS)),
        cax=figure.add_axes((0.25, 0.45 * inch, 0.5, 0.13 * inch)),
        orientation="horizontal",
        extend="max",
    )
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=8, labelcolor=palette.MUTED)
    bar.set_label(_WHAT, size=8.5, color=palette.INK)


def _span(exhibit: Exhibit) -> tuple[float, float]:
    """Return how far an object and what is decoded of it go down and up, stray points aside."""
    clouds: list[NDArray[Any]] = [exhibit.points]
    clouds += [one.points for one in exhibit.reconstructions]
    heights = [_turned(_framed(exhibit, _shown(points)))[:, 1] for points in clouds]
    lows, highs = zip(*(np.quantile(each, [0.002, 0.998]) for each in heights), strict=True)
    return max(-_BEYOND, min(lows) - _MARGIN), min(_BEYOND, max(highs) + _MARGIN)


def _original(exhibit: Exhibit) -> tuple[str, ...]:
    return ("original", f"{len(exhibit.points):,} points")


def _words(one: Reconstruction) -> tuple[str, ...]:
    return (title_of(one), *caption_of(one))


def title_of(one: Reconstruction) -> str:
    """Return whose codec it is, and what its place on the front is called."""
    return f"trial {one.trial}, {', '.join(one.names)}"


def caption_of(one: Reconstruction) -> tuple[str, str]:
    """Return what the object cost and what it kept, and the file behind that."""
    quality = "no loss" if math.isinf(one.d1_psnr_db) else f"{one.d1_psnr_db:.2f} dB D1"
    return (
        f"{one.bpp:.3f} bpp, {quality}",
        f"{one.file_bytes:,} bytes, {len(one.points):,} points",
    )


def _view(exhibit: Exhibit, one: Reconstruction, scale: float) -> dict[str, Any]:
    at = _chosen(len(one.points))
    levels = np.clip(np.rint(255 * one.error_percent[at] / scale), 0, 255).astype(np.uint8)
    return {
        "title": title_of(one),
        "caption": caption_of(one),
        "xyz": _packed(_framed(exhibit, one.points[at])),
        "error": base64.b64encode(levels.tobytes()).decode(),
    }


def _chosen(count: int) -> NDArray[np.intp]:
    """Return which points of so many are shown; the same ones every time."""
    if count <= MOST_SHOWN:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, MOST_SHOWN, replace=False))


def _shown(points: NDArray[Any]) -> NDArray[Any]:
    return points[_chosen(len(points))]


def _framed(exhibit: Exhibit, points: NDArray[Any]) -> NDArray[np.float64]:
    """Return points where the original's box is centred and its longest side goes from -1 to 1."""
    low, high = exhibit.points.min(axis=0), exhibit.points.max(axis=0)
    framed: NDArray[np.float64] = (points - (low + high) / 2) / ((high - low).max() / 2)
    return framed


def _packed(framed: NDArray[np.float64]) -> str:
    steps = np.clip(np.rint((framed / _BEYOND + 1) * 32767.5), 0, 65535).astype("<u2")
    return base64.b64encode(steps.tobytes()).decode()


def _draw(axes: Axes, exhibit: Exhibit, one: Reconstruction | None, scale: float) -> None:
    """Draw points from the far ones to the near ones, which are bolder; None: of the original."""
    points = exhibit.points if one is None else one.points
    at = _chosen(len(points))
    x, y, depth = _turned(_framed(exhibit, points[at])).T
    if one is None:
        colours = np.tile(_rgb(palette.MUTED), (len(at), 1))
    else:
        last = len(COLOURS) - 1
        levels = np.clip(one.error_percent[at] / scale * last, 0, last).astype(np.intp)
        colours = np.array([_rgb(colour) for colour in COLOURS])[levels]
    fog = _FOG * np.clip((1 - depth) / 2, 0, 1)[:, None]
    order = np.argsort(depth)
    colours = (colours + (1 - colours) * fog)[order]
    # Fewer points are drawn larger, so that they still make a surface to the eye.
    size = 1.6 * math.sqrt(MOST_SHOWN / len(at))
    axes.scatter(x[order], y[order], c=colours, s=size, linewidths=0)


def _rgb(colour: str) -> NDArray[np.float64]:
    return np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])


def _turned(framed: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (across, up, towards the reader)."""
    x, y, z = framed.T
    across = x * math.cos(_YAW) + z * math.sin(_YAW)
    near = z * math.cos(_YAW) - x * math.sin(_YAW)
    up = y * math.cos(_PITCH) - near * math.sin(_PITCH)
    return np.stack([across, up, near * math.cos(_PITCH) + y * math.sin(_PITCH)], axis=1)


def _caption(
    figure: Figure, middle: float, top: float, inch: float, words: tuple[str, ...]
) -> None:
    """Write the object's or the trial's name below its points, and what it is worth."""
    title, *lines = words
    place: dict[str, Any] = {"ha": "center", "va": "top"}
    figure.text(middle, top, _plain(title), size=8, color=palette.INK, weight="bold", **place)
    below, told = top - 0.15 * inch, _plain("\n".join(lines))
    figure.text(middle, below, told, size=7, color=palette.MUTED, linespacing=1.3, **place)


def _plain(text: str) -> str:
    """Return a text as Matplotlib shall show it: `$` begins no formula."""
    return text.replace("$", r"\$")
