"""How a front stands against other codecs, in words and numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from study.fronts.comparing import quality_of
from study.fronts.measures import MEASURES
from study.fronts.rivals import RATE, against, rates_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from study.fronts.judged import JudgedStudy
    from study.fronts.rivals import Against, ByTrial, Rival


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
class Standing:
    """How a front stands against one other codec.

    Attributes:
        key: what files call the other codec.
        name: what readers are told.
        sentence: what a reader shall know, without the name.
        rates: for each member of the front, what the other needs for the same quality, in bits per
            point; None where it is measured at no such quality.
        dominated: how many members of the front it dominates; None where that cannot be told.
        rate_percent: by how much more rate the front needs at equal quality; None likewise.
    """

    key: str
    name: str
    sentence: str
    rates: tuple[float | None, ...] = ()
    dominated: int | None = None
    rate_percent: float | None = None


def standings(study: JudgedStudy, rivals: Rivals) -> tuple[Standing, ...]:
    """Return how a front stands against each rival; nothing where the front is empty."""
    return tuple(_standing(study, each, rivals) for each in rivals.found if study.front)


def _standing(study: JudgedStudy, rival: Rival, rivals: Rivals) -> Standing:
    found = against(study, rival, rivals.measured)
    rates: Sequence[float | None] = ()
    if found.quality is not None:
        rates = rates_at(rival, found.quality, [r.final[found.quality] for r in study.front])
    return Standing(
        key=rival.key,
        name=rival.name,
        sentence="; ".join(_sentences(study, found, rival)),
        rates=tuple(rates),
        dominated=None if found.dominated is None else len(found.dominated),
        rate_percent=None if found.rate is None else found.rate.value,
    )


def _sentences(study: JudgedStudy, found: Against, rival: Rival) -> Iterator[str]:
    yield _dominated(study, found, rival)
    if found.quality is None:
        return
    what = MEASURES[found.quality].name_in_text
    if found.rate is None:
        yield f"the difference in rate at equal {what} cannot be told: {found.why}"
        return
    rate, interval = found.rate, found.interval
    told = f"no interval: {found.why}"
    if interval is not None:
        told = f"95 % interval {interval.low:+.0f} to {interval.high:+.0f} %"
        told += f", paired over {found.clouds} clouds"
    yield (
        f"at equal {what} the front needs {_more(rate.value)} ({told}), over {rate.low:.1f} to "
        f"{rate.high:.1f} dB"
    )


def _more(percent: float) -> str:
    """Say how much more rate that is; from twice as much on nobody reads percents."""
    if percent >= 100:
        return f"{1 + percent / 100:.1f} times the rate, {percent:+.0f} %"
    return f"{abs(percent):.0f} % {'less' if percent < 0 else 'more'} rate"


def _dominated(study: JudgedStudy, found: Against, rival: Rival) -> str:
    """Say how many members of the front are dominated, and over which range of rates."""
    if found.dominated is None:
        lacks = [o.metric for o in study.objectives if None in rival.values.get(o.metric, (None,))]
        return f"nothing is known of its {' and '.join(lacks)}, so it dominates nothing here"
    count, total = len(found.dominated), len(study.front)
    points = f"point{'s' * (total != 1)} of the front"
    if not count:
        return f"dominates none of the {total} {points}" if total > 1 else f"dominates no {points}"
    told = f"dominates {count} of the {total} {points}" if total > 1 else f"dominates the {points}"
    rates = [record.final[RATE] for record in found.dominated if RATE in record.final]
    if len(rates) < count:
        return told
    low, high = min(rates), max(rates)
    where = f"at {low:.3g}" if low == high else f"from {low:.3g} to {high:.3g}"
    return f"{told}, {where} bpp"


def rate_columns(study: JudgedStudy, found: Sequence[Standing]) -> dict[str, Sequence[str]]:
    """Return a column for each rival that needs a known rate somewhere: its heading, its cells."""
    if quality_of(study.objectives) is None:
        return {}
    return {
        f"{each.name} bpp": ["" if rate is None else f"{rate:.3f}" for rate in each.rates]
        for each in found
        if any(rate is not None for rate in each.rates)
    }
