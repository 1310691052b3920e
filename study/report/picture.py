"""What the picture of a front shows, before anything draws it.

Both drawings (interactive in `study.report.html`, still in `study.report.png`) show the same
`Picture`, so that neither says what the other does not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from study.errors import StudyError
from study.front import Direction, candidates, front, hypervolume
from study.records import TrialState
from study.report.rows import ESTIMATES, as_text, newest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from study.front import Objective
    from study.metrics import RateCurve
    from study.records import TrialRecord

    Point = tuple[float, float]

AXIS_TITLES = {
    "bpp": "rate: measured bytes, in bits per input point",
    "d1_psnr_db": "D1 PSNR in dB,  10 log₁₀(3 peak² / MSE),  peak = longest side",
}
"""What an axis says; other metrics say their name. No PSNR goes without its peak and factor."""

_CURVE_AXES = ("bpp", "d1_psnr_db")
"""What a baseline's curve is made of."""

LABELLED_SETTING = "loss.bpp_lambda"
"""The setting that is written at the members of the front: it moves a codec along the rate axis."""

LABEL_ROOM = (0.09, 0.045)
"""The room that one label takes, as shares of the two axes."""

_PADDING = 0.1
"""Empty space around what is shown, as a share of its extent."""

_STRETCH = 0.75
"""How far learning paths and unfinished trials may widen the axes, as a share of the extent of the
complete trials. A diverged trial would otherwise squeeze the front into a corner."""


@dataclass(frozen=True)
class Dot:
    """A trial's place in the plane, and the way there.

    Attributes:
        x, y: the first and the second objective, measured or (unfinished) estimated.
        path: (x, y) after each epoch, estimated; ends in the dot.
    """

    record: TrialRecord
    x: float
    y: float
    path: tuple[Point, ...]


@dataclass(frozen=True)
class Line:
    """Another codec's curve, to compare with.

    Attributes:
        name: the codec's.
        points: its operating points, from the lowest rate to the highest; some may be out of view.
        label_at: the rightmost place in view with room for the name.
    """

    name: str
    points: tuple[Point, ...]
    label_at: Point


@dataclass(frozen=True)
class Picture:
    """Everything that is drawn.

    Attributes:
        title, subtitle: the study's name, and how it stands.
        x_title, y_title: what the axes measure, with units.
        x_range, y_range: the part of the plane that is shown.
        front: the members of the front, from left to right.
        beaten: complete trials that another one dominates.
        apart: trials that are not complete, where their last epoch left them.
        lines: other codecs' curves, those that are in view.
        baselines: a sentence about each of those curves, in view or not.
        labels: short texts for the members of the front that have room for one, by trial number.
        footnote: what is not shown and why; empty when all is.
    """

    title: str
    subtitle: str
    x_title: str
    y_title: str
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    front: tuple[Dot, ...]
    beaten: tuple[Dot, ...]
    apart: tuple[Dot, ...]
    lines: tuple[Line, ...]
    baselines: tuple[str, ...]
    labels: dict[int, str]
    footnote: str

    @property
    def dots(self) -> tuple[Dot, ...]:
        """All trials that have a place in the plane, the front last so that it is drawn on top."""
        return (*self.apart, *self.beaten, *self.front)

    @property
    def baseline(self) -> Dot | None:
        """The trial with the published coefficients, wherever it stands."""
        return next((dot for dot in self.dots if dot.record.is_baseline), None)


def draw_up(
    study_name: str,
    records: Sequence[TrialRecord],
    objectives: Sequence[Objective],
    baselines: Sequence[RateCurve] = (),
) -> Picture:
    """Lay out the picture of a study with exactly two objectives, the first on the x axis.

    Raises:
        StudyError: there are baselines, but the objectives are not bpp and D1 PSNR.
    """
    best = [record.number for record in front(records, objectives)]
    complete = [record.number for record in candidates(records, objectives)]
    horizontal, vertical = (objective.metric for objective in objectives)
    curves = _curves(baselines, (horizontal, vertical))
    dots = _dots(records, horizontal, vertical)
    members = tuple(dots[number] for number in best)
    beaten = tuple(dots[number] for number in complete if number not in best)
    apart = [dot for dot in dots.values() if dot.record.state is not TrialState.COMPLETE]
    x_range, y_range = _ranges_in_view([*members, *beaten], [*members, *beaten, *apart], curves)
    shown = tuple(dot for dot in apart if _is_within(dot, x_range, y_range))
    places = [_label_place(curve, x_range, y_range) for curve in curves]
    named = list(zip(baselines, curves, places, strict=True))
    return Picture(
        title=f"{study_name}: {len(best)} of {len(complete)} finished codecs on the front",
        subtitle=_subtitle(records, objectives),
        x_title=AXIS_TITLES.get(horizontal, horizontal),
        y_title=AXIS_TITLES.get(vertical, vertical),
        x_range=x_range,
        y_range=y_range,
        front=members,
        beaten=beaten,
        apart=shown,
        lines=tuple(Line(each.name, c, place) for each, c, place in named if place is not None),
        baselines=tuple(_told(each, seen=place is not None) for each, _, place in named),
        labels=_labels(members, x_range, y_range),
        footnote=_footnote(
            len(records) - len(complete) - len(shown),
            [each.name for each, _, place in named if place is None],
        ),
    )


def _curves(baselines: Sequence[RateCurve], axes: tuple[str, str]) -> list[tuple[Point, ...]]:
    """Return the points of each curve, or refuse axes that are not theirs."""
    if baselines and axes != _CURVE_AXES:
        raise StudyError(
            f"a baseline is drawn over {' and '.join(_CURVE_AXES)}, but the study's objectives are "
            f"{' and '.join(axes)}; draw it without baselines"
        )
    return [tuple(zip(each.bpp, each.psnr_db, strict=True)) for each in baselines]


def _subtitle(records: Sequence[TrialRecord], objectives: Sequence[Objective]) -> str:
    """Say which way is better, and how much the front covers."""
    horizontal, vertical = objectives
    better = "left" if horizontal.direction is Direction.MINIMIZE else "right"
    up = "down" if vertical.direction is Direction.MINIMIZE else "up"
    references = ", ".join(f"{o.metric} {o.reference:g}" for o in objectives)
    return (
        f"{up} and to the {better} is better   ·   hypervolume "
        f"{hypervolume(records, objectives):.4g} (reference: {references})"
    )


def _dots(records: Sequence[TrialRecord], horizontal: str, vertical: str) -> dict[int, Dot]:
    """Return a dot, by trial number, for each trial that has finite values of both metrics."""
    dots = {}
    for record in records:
        end = _finite(newest(record, horizontal)[0], newest(record, vertical)[0])
        if end is None:
            continue
        steps = [
            _finite(
                epoch.metrics.get(ESTIMATES.get(horizontal, horizontal)),
                epoch.metrics.get(ESTIMATES.get(vertical, vertical)),
            )
            for epoch in record.epochs
        ]
        path = (*(step for step in steps if step is not None), end)
        dots[record.number] = Dot(record, *end, path=path)
    return dots


def _finite(x: float | None, y: float | None) -> Point | None:
    """Return the point, or None where a coordinate is missing, NaN or infinite."""
    if x is None or y is None or not (math.isfinite(x) and math.isfinite(y)):
        return None
    return x, y


def _ranges_in_view(
    complete: Sequence[Dot], everything: Sequence[Dot], curves: Sequence[tuple[Point, ...]]
) -> tuple[Point, Point]:
    """Return `_ranges` for the curves that are in view: no room is made for the others."""
    while True:
        ranges = _ranges(complete, everything, curves)
        seen = [curve for curve in curves if _label_place(curve, *ranges) is not None]
        if len(seen) == len(curves):
            return ranges
        curves = seen


def _ranges(
    complete: Sequence[Dot], everything: Sequence[Dot], curves: Sequence[tuple[Point, ...]]
) -> tuple[Point, Point]:
    """Return the x and the y range that hold all complete trials and, within reason, the rest."""
    on_curves = [point for curve in curves for point in curve]
    anchors = [(dot.x, dot.y) for dot in complete or everything] or on_curves
    around = [*(point for dot in everything for point in dot.path), *on_curves]
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


def _is_within(dot: Dot, x_range: Point, y_range: Point) -> bool:
    """Say whether the dot lies in the part of the plane that is shown."""
    return _holds((dot.x, dot.y), x_range, y_range)


def _holds(point: Point, x_range: Point, y_range: Point) -> bool:
    return x_range[0] <= point[0] <= x_range[1] and y_range[0] <= point[1] <= y_range[1]


def _label_place(
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
    with_room = [place for place in (*places, curve[-1]) if _holds(place, inner_x, inner_y)]
    return with_room[-1] if with_room else None


def _labels(members: Sequence[Dot], x_range: Point, y_range: Point) -> dict[int, str]:
    """Return labels from left to right, leaving out those that would overlap the one before.

    A label stands to the upper left of its dot. With less rate and more quality being better, no
    complete trial lies there (it would dominate the dot), so a label can only meet another label.
    """
    width = LABEL_ROOM[0] * (x_range[1] - x_range[0])
    height = LABEL_ROOM[1] * (y_range[1] - y_range[0])
    labels: dict[int, str] = {}
    last: Dot | None = None
    for dot in members:
        value = dot.record.params.get(LABELLED_SETTING)
        if value is None:
            continue
        if last and abs(dot.x - last.x) < width and abs(dot.y - last.y) < height:
            continue
        labels[dot.record.number] = f"λ {as_text(value)}"
        last = dot
    return labels


def _told(curve: RateCurve, *, seen: bool) -> str:
    """Return for instance ``Draco: 9 points, 0.7 to 8.9 bpp``."""
    count = len(curve.bpp)
    rates = f"{curve.bpp[0]:.3g}" + f" to {curve.bpp[-1]:.3g}" * (count > 1)
    told = f"{curve.name}: {count} point{'s' * (count != 1)}, {rates} bpp"
    return told if seen else f"{told}, out of the pictures' view"


def _footnote(hidden: int, unseen: Sequence[str]) -> str:
    """Say how many trials, and which baselines, the picture does not show."""
    trials = "trial is" if hidden == 1 else "trials are"
    sentences = [f"{hidden} {trials} not shown: no finished epoch yet, or too far away"]
    return "; ".join([*sentences[: bool(hidden)], *(f"{name} is out of view" for name in unseen)])
