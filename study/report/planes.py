"""The planes in which a front is shown: of any number of objectives, two at a time."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from study.fronts.front import Direction
from study.fronts.measures import MEASURES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from study.fronts.front import Objective
    from study.fronts.judged import JudgedStudy

RATE, QUALITY = "bpp", "d1_psnr_db"

MOST_PAIRED = 5
"""Of so many objectives, the first ones, every pair is shown: ten planes."""


@dataclass(frozen=True)
class Axis:
    """What one axis measures.

    Attributes:
        metric: the name.
        direction: which way is better; None where neither way is.
    """

    metric: str
    direction: Direction | None

    @property
    def title(self) -> str:
        """What the axis says: no PSNR goes without its peak and factor."""
        return MEASURES[self.metric].axis_title if self.metric in MEASURES else self.metric


@dataclass(frozen=True)
class Plane:
    """Two axes. The rate is always the horizontal one, as everybody draws it."""

    horizontal: Axis
    vertical: Axis

    @property
    def metrics(self) -> tuple[str, str]:
        """The names of both axes."""
        return self.horizontal.metric, self.vertical.metric

    @property
    def better(self) -> tuple[str, str]:
        """Where the best would be, such as ("left", "up")."""
        across, up = self.horizontal.direction, self.vertical.direction
        return (
            "right" if across is Direction.MAXIMIZE else "left",
            "down" if up is Direction.MINIMIZE else "up",
        )


def planes_of(objectives: Sequence[Objective]) -> list[Plane]:
    """Return every pair of objectives; of a single one, its plane with the rate (or with D1 PSNR).

    A codec that is best in one thing is still read by what it costs.
    """
    axes = [Axis(objective.metric, objective.direction) for objective in objectives[:MOST_PAIRED]]
    if len(axes) == 1:
        other = QUALITY if axes[0].metric == RATE else RATE
        hint = MEASURES[other].direction_hint
        axes.append(Axis(other, Direction(hint) if hint else None))
    return [
        Plane(second, first) if second.metric == RATE else Plane(first, second)
        for first, second in combinations(axes, 2)
    ]


def better_text(objectives: Sequence[Objective], plane: Plane) -> str:
    """Say which way is better in a plane, and of what the front is."""
    across, up = plane.better
    if len(objectives) == 1:
        (one,) = objectives
        towards = f"to the {across}" if one.metric == plane.horizontal.metric else up
        return f"one objective, {one.metric}: {towards} is better"
    if len(objectives) == 2:
        return f"{up} and to the {across} is better"
    return (
        f"front in {len(objectives)} objectives; this is the plane of "
        f"{' and '.join(plane.metrics)}, {up} and to the {across} is better"
    )


def volume_text(study: JudgedStudy) -> str:
    """Say how much the front covers, and of what."""
    references = ", ".join(f"{o.metric} {o.reference:g}" for o in study.objectives)
    return f"hypervolume {study.hypervolume:.4g} (reference: {references})"
