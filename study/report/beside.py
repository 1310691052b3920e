"""What stands beside a study's front: other codecs' curves and other studies, in a plane."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from study.base.errors import StudyError
from study.report import palette
from study.report.planes import QUALITY, RATE
from study.report.view import holds, label_place

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from study.base.records import TrialRecord
    from study.fronts.judged import JudgedStudy
    from study.fronts.rivals import Rival
    from study.metrics import RateCurve
    from study.report.planes import Plane
    from study.report.standing import Standing

    Point = tuple[float, float]

CURVE_AXES = (RATE, QUALITY)
"""What a baseline's curve is made of."""


@dataclass(frozen=True)
class Beside:
    """What stands beside a study's front.

    Attributes:
        baselines: other codecs' curves (`study.codecs.results.read_curve`).
        others: names of other studies, and their trials as judged by this one's objectives.
        rivals: the codecs that stand beside every front, where they are known.
        standings: how the front stands against each.
        cautions: sentences about what else they differ in.
    """

    baselines: Sequence[RateCurve] = ()
    others: Sequence[tuple[str, JudgedStudy]] = ()
    cautions: Sequence[str] = ()
    rivals: Sequence[Rival] = ()
    standings: Sequence[Standing] = ()


NOTHING = Beside()


@dataclass(frozen=True)
class Line:
    """Another codec's curve, or the front of another study, to compare with.

    Attributes:
        name: the codec's, or the study's.
        legend: what the legend calls it.
        points: its operating points, from the lowest rate to the highest; some may be out of view.
        label_at: the rightmost place in view with room for the name.
    """

    name: str
    legend: str
    points: tuple[Point, ...]
    label_at: Point


@dataclass(frozen=True, eq=False)
class Curve:
    """What stands beside a front in a plane: points from left to right, some perhaps out of view.

    Two may be equal in all and are two all the same.

    Attributes:
        kind: `BASELINE`, `RIVAL` or `OTHER`.
        key: what tells a rival from the others.
        name: of the codec or study.
        legend: what the legend calls it.
        points: where it is; none where the plane has none of it.
    """

    kind: str
    key: str
    name: str
    legend: str
    points: tuple[Point, ...]


BASELINE, RIVAL, OTHER = "baseline", "rival", "other"


def curves_of(beside: Beside, plane: Plane) -> list[Curve]:
    """Return the curves of a plane, baselines first; or refuse axes that are not theirs."""
    if beside.baselines and plane.metrics != CURVE_AXES:
        raise StudyError(
            f"a baseline is drawn over {' and '.join(CURVE_AXES)}, but the study's objectives are "
            f"{' and '.join(plane.metrics)}; draw it without baselines"
        )
    curves = [
        Curve(
            BASELINE,
            each.name,
            each.name,
            palette.baseline_text(each.name, each.counts),
            tuple(zip(each.bpp, each.psnr_db, strict=True)),
        )
        for each in beside.baselines
    ]
    curves += [
        Curve(OTHER, name, name, palette.other_text(name), _places(each.front, plane))
        for name, each in beside.others
    ]
    return curves + [
        Curve(
            RIVAL,
            each.key,
            each.name,
            palette.rival_text(each.name, each.counts),
            tuple(sorted(each.places(plane.metrics))),
        )
        for each in beside.rivals
    ]


def line_of(curve: Curve, x_range: Point, y_range: Point) -> Line | None:
    """Return a curve as it is drawn; None where it is not in view."""
    at = label_place(curve.points, x_range, y_range) if curve.points else None
    return None if at is None else Line(curve.name, curve.legend, curve.points, at)


def unseen(seen: Mapping[Curve, Line | None], x_range: Point, y_range: Point) -> list[str]:
    """Say which curves are not in view, and which only between their points."""
    told = [
        f"{each.name} is out of view" for each, at in seen.items() if at is None and each.points
    ]
    return told + [
        f"{each.name}: a line between points that are out of view"
        for each, at in seen.items()
        if at is not None and not any(holds(point, x_range, y_range) for point in each.points)
    ]


def curve_text(curve: RateCurve, *, seen: bool) -> str:
    """Return for instance ``Draco: 9 points, 0.7 to 8.9 bpp``."""
    count = len(curve.bpp)
    rates = f"{curve.bpp[0]:.3g}" + f" to {curve.bpp[-1]:.3g}" * (count > 1)
    told = f"{curve.name}: {count} point{'s' * (count != 1)}, {rates} bpp"
    return told if seen else f"{told}, out of the pictures' view"


def _places(records: Sequence[TrialRecord], plane: Plane) -> tuple[Point, ...]:
    """Return where finished trials are in a plane, from left to right."""
    places = (finite_point(*(r.final.get(metric) for metric in plane.metrics)) for r in records)
    return tuple(sorted(place for place in places if place is not None))


def finite_point(x: float | None, y: float | None) -> Point | None:
    """Return the point, or None where a coordinate is missing, NaN or infinite."""
    if x is None or y is None or not (math.isfinite(x) and math.isfinite(y)):
        return None
    return x, y
