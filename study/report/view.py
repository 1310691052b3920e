"""Which part of a plane a picture shows, and where names have room in it."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    Point = tuple[float, float]

LABEL_ROOM = (0.09, 0.045)
"""The room that one label takes, as shares of the two axes."""

_PADDING = 0.1
"""Empty space around what is shown, as a share of its extent."""

_STRETCH = 0.75
"""How far learning paths and unfinished trials may widen the axes, as a share of the extent of the
complete trials. A diverged trial would otherwise squeeze the front into a corner."""


_REACH = 1.0
"""How far the view is widened at most for a point of a curve that crosses it, likewise."""


def ranges_in_view(
    anchors: Sequence[Point], around: Sequence[Point], curves: Sequence[tuple[Point, ...]]
) -> tuple[Point, Point]:
    """Return the x and the y range that hold all anchors and, within reason, the rest.

    Args:
        anchors: what must be seen.
        around: what may widen the ranges a little.
        curves: may too, but for those that would not be in view all the same no room is made.
    """
    while True:
        ranges = _ranges(anchors, around, curves)
        seen = [curve for curve in curves if label_place(curve, *ranges) is not None]
        if len(seen) == len(curves):
            return _with_points(ranges, curves)
        curves = seen


def _with_points(
    ranges: tuple[Point, Point], curves: Sequence[tuple[Point, ...]]
) -> tuple[Point, Point]:
    """Widen ranges until each curve has a point of its own in view, where one is near enough.

    Between its points there is no codec: a line that crosses the view without one would tell of
    something that nobody can have.
    """
    x_range, y_range = ranges
    for curve in curves:
        if any(holds(point, x_range, y_range) for point in curve):
            continue
        away = [max(_beyond(x, ranges[0]), _beyond(y, ranges[1])) for x, y in curve]
        x, y = curve[away.index(min(away))]
        if min(away) <= _REACH:
            x_range, y_range = _widened(x_range, x), _widened(y_range, y)
    return x_range, y_range


def _beyond(value: float, shown: Point) -> float:
    """Return how far a value lies outside of a range, as a share of its extent."""
    return max(shown[0] - value, value - shown[1], 0.0) / (shown[1] - shown[0])


def _widened(shown: Point, value: float) -> Point:
    """Return a range that holds a value, with some space around what is new."""
    low, high = min(shown[0], value), max(shown[1], value)
    room = 0.5 * _PADDING * (high - low)
    return (low - room if low < shown[0] else low), (high + room if high > shown[1] else high)


def holds(point: Point, x_range: Point, y_range: Point) -> bool:
    """Say whether a point lies in the part of the plane that is shown."""
    return x_range[0] <= point[0] <= x_range[1] and y_range[0] <= point[1] <= y_range[1]


def label_place(
    curve: tuple[Point, ...], x_range: Point, y_range: Point, steps: int = 64
) -> Point | None:
    """Return the rightmost place on a curve, drawn straight from point to point, for its name.

    The name stands to the lower right, where a rising curve does not go.
    """
    inner_x = (x_range[0], x_range[1] - LABEL_ROOM[0] * (x_range[1] - x_range[0]))
    inner_y = (y_range[0] + LABEL_ROOM[1] * (y_range[1] - y_range[0]), y_range[1])
    places = [
        (a[0] + (b[0] - a[0]) * step / steps, a[1] + (b[1] - a[1]) * step / steps)
        for a, b in pairwise(curve)
        for step in range(steps)
    ]
    with_room = [place for place in (*places, curve[-1]) if holds(place, inner_x, inner_y)]
    return with_room[-1] if with_room else None


def with_room(points: Sequence[Point], x_range: Point, y_range: Point) -> list[int]:
    """Return which points, from the first, can have a label that meets no label before it."""
    width = LABEL_ROOM[0] * (x_range[1] - x_range[0])
    height = LABEL_ROOM[1] * (y_range[1] - y_range[0])
    chosen: list[int] = []
    for index, (x, y) in enumerate(points):
        if chosen:
            last_x, last_y = points[chosen[-1]]
            if abs(x - last_x) < width and abs(y - last_y) < height:
                continue
        chosen.append(index)
    return chosen


def _ranges(
    anchors: Sequence[Point], around: Sequence[Point], curves: Sequence[tuple[Point, ...]]
) -> tuple[Point, Point]:
    on_curves = [point for curve in curves for point in curve]
    anchors = anchors or on_curves
    around = [*around, *on_curves]
    x_range, y_range = (
        _range([p[axis] for p in anchors], [p[axis] for p in around]) for axis in (0, 1)
    )
    return x_range, y_range


def _range(anchors: Sequence[float], around: Sequence[float]) -> tuple[float, float]:
    """Return the range on one axis; (0, 1) when there is nothing to show."""
    if not anchors:
        return 0.0, 1.0
    low, high = min(anchors), max(anchors)
    extent = max(high - low, 0.1 * abs(high), 1e-6)
    low = max(min(around), low - _STRETCH * extent)
    high = min(max(around), high + _STRETCH * extent)
    margin = _PADDING * max(high - low, extent)
    return low - margin, high + margin
