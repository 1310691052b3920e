"""How a front stands against the codecs beside it, found out and put into words.

It needs SciPy, which whoever only shows what was found does not.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeGuard

from study.fronts.comparing import QUALITIES, quality_of
from study.fronts.measures import MEASURES
from study.fronts.rivals import RATE, against, rates_at
from study.report.standing import Nearby, Standing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from study.fronts.judged import JudgedStudy
    from study.fronts.rivals import Against, Rival
    from study.report.standing import Rivals


D1 = QUALITIES[0]


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
        near=_near(study, rival),
    )


def _near(study: JudgedStudy, rival: Rival) -> tuple[Nearby, ...]:
    """Return a rival's first point that reaches the knee's quality, and its last at its rate."""
    assert study.knee is not None, "there is a front"
    knee = study.knee.final
    quality = quality_of(study.objectives) or D1
    rates, qualities = rival.values[RATE], rival.values[quality]
    known = [
        (rate, reached, index)
        for index, (rate, reached) in enumerate(zip(rates, qualities, strict=True))
        if _is_number(rate) and _is_number(reached)
    ]
    reach = [each for each in known if quality in knee and each[1] >= knee[quality]]
    within = [each for each in known if RATE in knee and each[0] <= knee[RATE]]
    chosen: dict[int, list[str]] = {}
    if reach:
        chosen[min(reach)[-1]] = [MEASURES[quality].name_in_text]
    if within:
        chosen.setdefault(max(within)[-1], []).append("rate")
    return tuple(
        Nearby(
            rival.settings[index],
            f"knee's {' and '.join(what)}",
            {name: value for name in MEASURES if _is_number(value := rival.values[name][index])},
        )
        for index, what in chosen.items()
    )


def _is_number(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


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
