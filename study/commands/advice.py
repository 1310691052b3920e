"""What a front lacks, and whether more trials would help: in sentences, for the user to act on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from study.fronts.measures import MEASURES
from study.fronts.points import KNEE
from study.report.rows import as_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from study.base.records import TrialRecord
    from study.config import StudyConfig
    from study.fronts.gaps import Gap, Growth
    from study.fronts.judged import JudgedStudy

_TOLD = 2
"""Of the wide gaps, the widest ones are named."""

_AT_END = 0.05
"""A setting that is nearer to an end of its range than this share of it is at that end."""


def gap_sentences(config: StudyConfig, study: JudgedStudy) -> list[str]:
    """Return a sentence for each of the widest gaps in the front; none where it is well covered."""
    wide = [gap for gap in study.gaps if gap.is_wide]
    return [_told(config, gap) for gap in wide[:_TOLD]]


def suggestions(config: StudyConfig, study: JudgedStudy, resume: str, folder: str) -> list[str]:
    """Return whether more trials would help, and what would look into the widest gap.

    Args:
        config: the study's.
        study: its trials.
        resume: the command that goes on with it.
        folder: where it lies, as the user would type it.
    """
    growth, moving = study.growth, study.moving_setting
    found = [_of_growth(config, growth, resume)] if growth is not None else []
    ways = sum(gap.share > 0 for gap in study.gaps)
    # With one way there are two places, both of them ends: nothing moves along that.
    if moving is None or not moving.is_sure or ways < 2:
        return found
    wide = [gap for gap in study.gaps if gap.is_wide]
    if wide and (between := _between(config, wide[0], moving.setting, folder)):
        found.append(between)
    return [*found, *_beyond(config, study.named_points, moving.setting)]


def _told(config: StudyConfig, gap: Gap) -> str:
    ranges = []
    for objective in config.objectives:
        measure = MEASURES[objective.metric]
        ends = sorted(each.final[objective.metric] for each in (gap.better, gap.worse))
        low, high = (format(end, measure.digits) for end in ends)
        ranges.append(f"{low}{f' to {high}' * (low != high)} {measure.heading}")
    return (
        f"nothing on the front between trials {gap.better.number} and {gap.worse.number}: "
        f"{', '.join(ranges)}, {gap.share:.0%} of the way along it"
    )


def _of_growth(config: StudyConfig, growth: Growth, resume: str) -> str:
    percent = 100 * growth.gained
    added = (
        f"{percent:{'.2g' if percent < 9.95 else '.0f'}} % of" if growth.gained else "nothing to"
    )
    told = f"the last {growth.trials} of {growth.ended} trials added {added} the hypervolume"
    more = f"`{resume} --trials {config.search.trials + max(growth.ended // 2, 1)}` goes on"
    if growth.goes_on:
        return f"{told}: the front still grows, and {more} with it"
    if growth.has_settled:
        return f"{told}: more of the same will probably add little"
    return f"{told}, but so few tell little of the next ones; {more}"


def _between(config: StudyConfig, gap: Gap, name: str, folder: str) -> str | None:
    """Say how a study would look into a gap, where its neighbours have two values of a setting."""
    values = sorted(
        float(value)
        for each in (gap.better, gap.worse)
        if isinstance(value := each.params.get(name), int | float)
    )
    if len(values) < 2:
        return None
    low, high = (as_text(value) for value in values)
    if low == high:  # A range must have two ends, also as they are written here.
        return None
    log = ", log: true" if (of := config.search.space.get(name)) is not None and of.log else ""
    return (
        f"{name} moves trials along the front; on the two sides of the widest gap it is {low} and "
        f"{high}: a study with `{name}: {{low: {low}, high: {high}{log}}}` in its space and "
        f"`warm_start: [{folder}]` looks between"
    )


def _beyond(config: StudyConfig, named: Mapping[str, TrialRecord], name: str) -> list[str]:
    """Name the ends of the front that lie at an end of a setting's range."""
    told = []
    for end, record in named.items():
        place = _place(config, record, name)
        # The published setting was not searched: its place in the range tells nothing.
        if end == KNEE or record.is_baseline or place is None or _AT_END < place < 1 - _AT_END:
            continue
        which = "lowest" if place <= _AT_END else "highest"
        nearly = "" if place in {0.0, 1.0} else "nearly "
        told.append(
            f"the front's {end} end, trial {record.number}, has {name} "
            f"{as_text(record.params[name])}, {nearly}the {which} that is searched: a wider range "
            "may lead further"
        )
    return told


def _place(config: StudyConfig, record: TrialRecord, name: str) -> float | None:
    """Return where in a range a trial's setting lies, from 0 to 1; None where there is no range."""
    searched, value = config.search.space.get(name), record.params.get(name)
    if searched is None or searched.low is None or searched.high is None:
        return None
    if not isinstance(value, int | float) or searched.low >= searched.high:
        return None
    low, high, at = (
        math.log(each) if searched.log else float(each)
        for each in (searched.low, searched.high, value)
    )
    return (at - low) / (high - low)
