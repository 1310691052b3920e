"""What the picture of a front shows, before anything draws it.

The still picture (`study.report.still`) draws it as it is. The page (`study.report.page`) begins
with the same planes, parts of them and words, and has all trials, in view or not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from study.base.records import TrialState
from study.fronts.measures import estimate_name
from study.report.beside import (
    BASELINE,
    CURVE_AXES,
    NOTHING,
    OTHER,
    RIVAL,
    curve_text,
    curves_of,
    finite_point,
    line_of,
    unseen,
)
from study.report.planes import better_text, planes_of, volume_text
from study.report.rows import as_text, newest
from study.report.view import holds, ranges_in_view, with_room

if TYPE_CHECKING:
    from collections.abc import Sequence

    from study.base.records import TrialRecord
    from study.fronts.judged import JudgedStudy
    from study.report.beside import Beside, Line
    from study.report.planes import Plane

    Point = tuple[float, float]

LABELLED_SETTING = "loss.bpp_lambda"
"""The setting that is written at the members of the front: it moves a codec along the rate axis."""


@dataclass(frozen=True)
class Dot:
    """A trial's place in the plane, and the way there.

    Attributes:
        x, y: what the axes measure, measured or (unfinished) estimated.
        path: (x, y) after each epoch, estimated; ends in the dot.
    """

    record: TrialRecord
    x: float
    y: float
    path: tuple[Point, ...]


@dataclass(frozen=True)
class Picture:
    """Everything that is drawn in one plane.

    Attributes:
        title: the study's name, and how many of its codecs are on the front.
        better: which way is better.
        volume: how much the front covers, and of what.
        plane: what the axes measure.
        x_range, y_range: the part of the plane that is shown.
        objectives: how many span the front; a line joins its members in a plane only of two.
        front: the members of the front, from left to right.
        beaten: complete trials that another one dominates.
        infeasible: complete trials that break a constraint.
        apart: trials that are not complete, where their last epoch left them.
        lines: other codecs' curves, those that are in view.
        rivals: those that stand beside every front, by key, likewise.
        others: the fronts of other studies, those that are in view.
        baselines: a sentence about each of those curves, in view or not.
        labels: short texts for the members of the front that have room for one, by trial number.
        named: the names of operating points by trial number, such as "low-rate, knee".
        footnote: what is not shown and why; empty when all is.
    """

    title: str
    better: str
    volume: str
    plane: Plane
    x_range: Point
    y_range: Point
    objectives: int
    front: tuple[Dot, ...]
    beaten: tuple[Dot, ...]
    infeasible: tuple[Dot, ...]
    apart: tuple[Dot, ...]
    lines: tuple[Line, ...]
    rivals: dict[str, Line]
    others: tuple[Line, ...]
    baselines: tuple[str, ...]
    labels: dict[int, str]
    named: dict[int, str]
    footnote: str

    @property
    def subtitle(self) -> str:
        """What stands below the title."""
        return f"{self.better}   ·   {self.volume}"

    @property
    def dots(self) -> tuple[Dot, ...]:
        """All trials that have a place in the plane, the front last so that it is drawn on top."""
        return (*self.apart, *self.infeasible, *self.beaten, *self.front)

    @property
    def baseline(self) -> Dot | None:
        """The trial with the published coefficients, wherever it stands."""
        return next((dot for dot in self.dots if dot.record.is_baseline), None)


def draw_planes(
    study_name: str,
    study: JudgedStudy,
    beside: Beside = NOTHING,
) -> list[Picture]:
    """Lay out a picture for every plane of a study, see `study.report.planes.planes_of`.

    Raises:
        StudyError: there are baselines, and no plane is that of bpp and D1 PSNR.
    """
    planes = planes_of(study.objectives)
    theirs = next((plane for plane in planes if plane.metrics == CURVE_AXES), planes[0])
    return [
        _draw(
            study_name, study, plane, beside if plane is theirs else replace(beside, baselines=())
        )
        for plane in planes
    ]


def draw_up(
    study_name: str,
    study: JudgedStudy,
    beside: Beside = NOTHING,
) -> Picture:
    """Lay out the picture of a study's first plane: the only one of one or two objectives.

    Raises:
        StudyError: as `draw_planes`.
    """
    return draw_planes(study_name, study, beside)[0]


def _draw(
    study_name: str,
    study: JudgedStudy,
    plane: Plane,
    beside: Beside,
) -> Picture:
    best, complete = study.on_front, {record.number for record in study.candidates}
    curves = curves_of(beside, plane)
    dots = _dots(study.records, plane)
    members = tuple(sorted((dots[n] for n in best if n in dots), key=lambda dot: (dot.x, dot.y)))
    dominated = complete - best
    beaten = tuple(dot for n, dot in dots.items() if n in dominated)
    broken = [dot for n, dot in dots.items() if not dot.record.feasible and n not in complete]
    apart = [dot for dot in dots.values() if dot.record.state is not TrialState.COMPLETE]
    anchors, rest = [*members, *beaten], [*broken, *apart]
    x_range, y_range = ranges_in_view(
        [(dot.x, dot.y) for dot in anchors or rest],
        [point for dot in (*anchors, *rest) for point in dot.path],
        [each.points for each in curves if each.points],
    )
    infeasible, shown = (
        tuple(dot for dot in some if holds((dot.x, dot.y), x_range, y_range))
        for some in (broken, apart)
    )
    seen = {each: line_of(each, x_range, y_range) for each in curves}
    lines = {
        kind: [line for each, line in seen.items() if each.kind == kind and line is not None]
        for kind in (BASELINE, RIVAL, OTHER)
    }
    in_view = len(anchors) + len(infeasible) + len(shown)
    return Picture(
        title=f"{study_name}: {_count(study)}",
        better=better_text(study.objectives, plane),
        volume=volume_text(study),
        plane=plane,
        x_range=x_range,
        y_range=y_range,
        objectives=len(study.objectives),
        front=members,
        beaten=beaten,
        infeasible=infeasible,
        apart=shown,
        lines=tuple(lines[BASELINE]),
        rivals={each.key: line for each, line in seen.items() if line and each.kind == RIVAL},
        others=tuple(lines[OTHER]),
        baselines=tuple(
            curve_text(each, seen=seen[curve] is not None)
            for each, curve in zip(beside.baselines, curves, strict=False)
        ),
        labels=_labels(members, x_range, y_range) if len(study.objectives) == 2 else {},
        named={number: ", ".join(names) for number, names in study.names.items()},
        footnote=_footnote(len(study.records) - in_view, unseen(seen, x_range, y_range)),
    )


def _count(study: JudgedStudy) -> str:
    broken = sum(not record.feasible for record in study.records)
    finished = len(study.candidates) + broken
    told = f"{len(study.front)} of {finished} finished codecs on the front"
    return f"{told}, {broken} break{'s' * (broken == 1)} a constraint" if broken else told


def _dots(records: Sequence[TrialRecord], plane: Plane) -> dict[int, Dot]:
    """Return a dot, by trial number, for each trial that has finite values of both metrics."""
    stand_ins = [estimate_name(metric) for metric in plane.metrics]
    dots = {}
    for record in records:
        end = finite_point(*(newest(record, metric)[0] for metric in plane.metrics))
        if end is None:
            continue
        steps = [
            finite_point(*(None if n is None else epoch.metrics.get(n) for n in stand_ins))
            for epoch in record.epochs
        ]
        path = (*(step for step in steps if step is not None), end)
        dots[record.number] = Dot(record, *end, path)
    return dots


def _labels(members: Sequence[Dot], x_range: Point, y_range: Point) -> dict[int, str]:
    """Return labels from left to right, leaving out those that would overlap the one before.

    A label stands to the upper left of its dot. With less rate and more quality being better, no
    complete trial lies there (it would dominate the dot), so a label can only meet another label.
    """
    named = [dot for dot in members if LABELLED_SETTING in dot.record.params]
    chosen = with_room([(dot.x, dot.y) for dot in named], x_range, y_range)
    return {
        named[i].record.number: f"λ {as_text(named[i].record.params[LABELLED_SETTING])}"
        for i in chosen
    }


def _footnote(hidden: int, unseen: Sequence[str]) -> str:
    """Say how many trials, and what of curves, the picture does not show."""
    trials = "trial is" if hidden == 1 else "trials are"
    sentences = [f"{hidden} {trials} not shown: not measured yet, or too far away"]
    return "; ".join([*sentences[: bool(hidden)], *unseen])
