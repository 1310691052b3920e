"""How a front stands against other codecs, in words and numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from study.fronts.comparing import quality_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from study.fronts.judged import JudgedStudy
    from study.fronts.rivals import ByTrial, Rival


@dataclass(frozen=True)
class Rivals:
    """The codecs that stand beside every front, measured on the study's validation clouds.

    `study.yardsticks.keeping` makes them.

    Attributes:
        found: each that there is.
        measured: what the trials' own files cost and kept, cloud by cloud, where that was kept.
        missing: why some are not there, as a sentence; empty where none is missing.
    """

    found: tuple[Rival, ...] = ()
    measured: ByTrial = field(default_factory=dict)
    missing: str = ""


NO_RIVALS = Rivals()


@dataclass(frozen=True)
class Nearby:
    """An operating point of another codec that is next to the front's knee.

    Attributes:
        setting: what tells it from the codec's other points.
        at: what it has about as the knee, such as "knee's rate".
        values: by metric, those that are known.
    """

    setting: str
    at: str
    values: Mapping[str, float]


@dataclass(frozen=True)
class Standing:
    """How a front stands against one other codec; `study.report.against` finds out.

    Attributes:
        key: what files call the other codec.
        name: what readers are told.
        sentence: what a reader shall know, without the name.
        rates: for each member of the front, what the other needs for the same quality, in bits per
            point; None where it is measured at no such quality.
        dominated: how many members of the front it dominates; None where that cannot be told.
        rate_percent: by how much more rate the front needs at equal quality; None likewise.
        near: its operating points next to the knee.
    """

    key: str
    name: str
    sentence: str
    rates: tuple[float | None, ...] = ()
    dominated: int | None = None
    rate_percent: float | None = None
    near: tuple[Nearby, ...] = ()


def rate_columns(study: JudgedStudy, found: Sequence[Standing]) -> dict[str, Sequence[str]]:
    """Return a column for each rival that needs a known rate somewhere: its heading, its cells."""
    if quality_of(study.objectives) is None:
        return {}
    return {
        f"{each.name} bpp": ["" if rate is None else f"{rate:.3f}" for rate in each.rates]
        for each in found
        if any(rate is not None for rate in each.rates)
    }
