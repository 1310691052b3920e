"""What the page of a front knows: plain data, which its scripts draw and put into words."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from study.base.records import TrialState
from study.fronts.measures import estimate_name
from study.report import palette
from study.report.beside import NOTHING
from study.report.page.columns import epochs, metrics, number, settings
from study.report.rows import METRICS, breaks_text, shown_metrics, unmeasured
from study.search.importance import FEWEST, MOST, importances

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from study.base.records import TrialRecord
    from study.checkpoints.earlier_epochs import EarlierEpoch
    from study.fronts.front import Objective
    from study.fronts.judged import JudgedStudy
    from study.fronts.measures import Constraint
    from study.fronts.rivals import Rival
    from study.metrics import RateCurve
    from study.report.beside import Beside
    from study.report.picture import Picture

FRONT, BEATEN, INFEASIBLE, ODD = "front", "beaten", "infeasible", "odd"
"""Groups of complete trials; those of the others are their states. An odd one is complete without
finite values: it should not exist, and is in the table all the same."""


@dataclass(frozen=True)
class Material:
    """What a page is made of.

    Attributes:
        name: the study's.
        study: its trials.
        pictures: the planes, as the still picture shows them.
        beside: other codecs' curves and other studies' fronts.
        earlier: codecs of earlier epochs that are on the front over all epochs, and are kept.
    """

    name: str
    study: JudgedStudy
    pictures: Sequence[Picture]
    beside: Beside = NOTHING
    earlier: Sequence[EarlierEpoch] = ()


def page_content(material: Material) -> dict[str, Any]:
    """Return all that the page holds, as JSON can."""
    study = material.study
    beside = material.beside
    records = sorted(study.records, key=lambda record: record.number)
    axes = _axes(material)
    names = tuple(dict.fromkeys((*METRICS, *axes)))
    estimates = [name for metric in axes if (name := estimate_name(metric)) is not None]
    groups = _groups(records, study)
    return {
        "study": material.name,
        "title": material.pictures[0].title,
        "colors": _colors(),
        "objectives": [
            {"metric": o.metric, "direction": o.direction.value, "reference": o.reference}
            for o in study.objectives
        ],
        "shown": [name for name in shown_metrics(study) if name in names],
        "unmeasured": unmeasured(records),
        "planes": [_plane(picture) for picture in material.pictures],
        "groups": _legend(groups, len(study.objectives)),
        "trials": _trials(records, groups, study.constraints),
        "settings": settings(records),
        "metrics": metrics(records, names, axes),
        "epochs": epochs(records, list(dict.fromkeys(estimates))),
        "front": [record.number for record in study.front],
        "named": {name: record.number for name, record in study.named_points.items()},
        "earlier": [_earlier(each, study.objectives) for each in material.earlier],
        "curves": [_curve(place, each) for place, each in enumerate(beside.baselines)],
        "rivals": [_rival(each, names) for each in beside.rivals],
        "standings": [f"{each.name} {each.sentence}" for each in beside.standings],
        "others": [_other(place, each, material) for place, each in enumerate(beside.others)],
        "cautions": list(beside.cautions),
        "progress": _progress(study),
        "importance": _importance(study),
    }


def _axes(material: Material) -> list[str]:
    """Return the metrics that an axis or an objective has."""
    shown = [metric for picture in material.pictures for metric in picture.plane.metrics]
    return list(dict.fromkeys((*shown, *(each.metric for each in material.study.objectives))))


def _colors() -> dict[str, str]:
    return {
        "ink": palette.INK,
        "muted": palette.MUTED,
        "faint": palette.FAINT,
        "grid": palette.GRID,
        "front": palette.FRONT,
        "beaten": palette.BEATEN,
        "published": palette.BASELINE,
    }


def _plane(picture: Picture) -> dict[str, Any]:
    """Return a plane's axes, and the part of it that is shown first."""
    across, up = picture.plane.better
    return {
        "x": picture.plane.metrics[0],
        "y": picture.plane.metrics[1],
        "xRange": [number(each) for each in picture.x_range],
        "yRange": [number(each) for each in picture.y_range],
        "better": [across, up],
        "subtitle": picture.subtitle,
    }


def _groups(records: Sequence[TrialRecord], study: JudgedStudy) -> list[str]:
    """Return the group of each trial."""
    complete = {record.number for record in study.candidates}

    def group(record: TrialRecord) -> str:
        if record.number in study.on_front:
            return FRONT
        if record.number in complete:
            return BEATEN
        if not record.feasible:
            return INFEASIBLE
        return ODD if record.state is TrialState.COMPLETE else record.state.value

    return [group(record) for record in records]


def _legend(groups: Iterable[str], objectives: int) -> list[dict[str, Any]]:
    """Return the groups that occur, the lowest in the drawing first, and how each is marked."""
    marks = {
        state.value: (palette.unfinished_text(state), palette.MUTED, symbol)
        for state, (_, symbol) in palette.UNFINISHED_MARKS.items()
    }
    marks[INFEASIBLE] = (palette.INFEASIBLE_TRIALS, palette.MUTED, palette.INFEASIBLE_MARK[1])
    marks[ODD] = ("complete, without finite values", palette.MUTED, "none")
    marks[BEATEN] = (palette.BEATEN_TRIALS, palette.BEATEN, "circle")
    marks[FRONT] = (palette.front_text(objectives), palette.FRONT, "circle")
    counts = Counter(groups)
    return [
        {"key": key, "legend": words, "color": color, "mark": mark, "count": counts[key]}
        for key, (words, color, mark) in marks.items()
        if counts[key]
    ]


def _trials(
    records: Sequence[TrialRecord], groups: Sequence[str], constraints: Sequence[Constraint]
) -> dict[str, Any]:
    """Return the columns that are neither settings nor metrics."""
    return {
        "number": [record.number for record in records],
        "state": [record.state.value for record in records],
        "group": list(groups),
        "total": [record.total_epochs for record in records],
        "seconds": [number(record.elapsed_s, 4) for record in records],
        "outcome": [record.outcome for record in records],
        "breaks": [breaks_text(record, constraints) for record in records],
        "run": [record.run for record in records],
        "published": next((r.number for r in records if r.is_baseline), None),
    }


def _earlier(each: EarlierEpoch, objectives: Sequence[Objective]) -> dict[str, Any]:
    """Return a codec of an earlier epoch; what it is worth is estimated."""
    values = zip(objectives, each.values, strict=True)
    return {
        "trial": each.trial,
        "epoch": each.epoch,
        "values": {objective.metric: number(value) for objective, value in values},
    }


def _curve(place: int, curve: RateCurve) -> dict[str, Any]:
    """Return another codec's curve over bpp and D1 PSNR."""
    color, _, mark = palette.BASELINE_CURVES[place % len(palette.BASELINE_CURVES)]
    points = zip(curve.bpp, curve.psnr_db, strict=True)
    return {
        "name": curve.name,
        "legend": palette.baseline_text(curve.name, curve.counts),
        "color": color,
        "mark": mark,
        "points": [[number(bpp), number(psnr_db)] for bpp, psnr_db in points],
    }


def _rival(rival: Rival, names: Iterable[str]) -> dict[str, Any]:
    """Return a codec that stands beside every front: all that is known of its operating points."""
    color, _, mark = palette.RIVALS[rival.key]
    columns = {name: rival.values.get(name, ()) for name in names}
    return {
        "key": rival.key,
        "name": rival.name,
        "legend": palette.rival_text(rival.name, rival.counts),
        "color": color,
        "mark": mark,
        "settings": list(rival.settings),
        "values": {
            name: [number(value) for value in column]
            for name, column in columns.items()
            if any(value is not None for value in column)
        },
    }


def _other(place: int, other: tuple[str, JudgedStudy], material: Material) -> dict[str, Any]:
    """Return the front of another study, by this one's objectives."""
    name, best = other[0], other[1].front
    color, _, mark = palette.OTHER_STUDIES[place % len(palette.OTHER_STUDIES)]
    return {
        "name": name,
        "legend": palette.other_text(name),
        "color": color,
        "mark": mark,
        "number": [record.number for record in best],
        "settings": [
            {key: number(value) if isinstance(value, float) else value
             for key, value in record.params.items()}
            for record in best
        ],
        "values": {
            metric: [number(record.final.get(metric)) for record in best]
            for metric in dict.fromkeys((*_axes(material), *shown_metrics(material.study)))
        },
    }  # fmt: skip


def _progress(study: JudgedStudy) -> dict[str, Any]:
    """Return how the front grew, a column for each thing a step tells, and how it does of late."""
    steps, late = study.steps, study.growth
    return {
        "trial": [step.trial for step in steps],
        "ended": [step.ended for step in steps],
        "epochs": [step.epochs for step in steps],
        "hypervolume": [number(step.hypervolume) for step in steps],
        "size": [step.front_size for step in steps],
        "growth": None if late is None else {"trials": late.trials, "gained": number(late.gained)},
    }


def _importance(study: JudgedStudy) -> dict[str, Any]:
    """Return what the settings have to do with each objective, and how much that is worth."""
    return {
        "fewest": FEWEST,
        "most": MOST,
        "finished": len(study.candidates),
        "objectives": [
            {
                "metric": each.metric,
                "shares": [[name, number(share, 3)] for name, share in each.shares.items()],
                "lookedAt": each.looked_at,
                "best": each.best,
            }
            for each in importances(study)
        ],
    }
