"""The standing of a study's trials, as tags of their runs and numbers of the summary."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from study.base.records import TrialState
from study.fronts.points import KNEE
from study.report.palette import BEATEN, FAINT, FRONT, MUTED
from study.report.rows import as_text, shown_metrics, unmeasured
from study.tracking.notes import code, command
from study.tracking.trial_words import codec_path, run_name, word

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from study.base.records import TrialRecord
    from study.fronts.judged import JudgedStudy
    from study.report.standing import Standing
    from study.tracking.facts import StudyFacts

_COLOR = "mlflow.runColor"
"""The tag by which MLflow's charts colour a run."""

_MOST_TOLD = 15
"""Trials of the front that the summary's description lists; the table of runs has all."""


class Point(NamedTuple):
    """One value of one metric.

    Attributes:
        name: of the metric.
        value: finite.
        step: the epoch, or the number of trials that had ended.
        time_s: when it was so, in seconds since 1970; None: now.
    """

    name: str
    value: float
    step: int
    time_s: float | None = None


def front_tags(study: JudgedStudy, facts: StudyFacts) -> dict[int, dict[str, str]]:
    """Return by trial the tags that depend on the others.

    ``pareto``, ``knee``: true or false. ``rank``: 1 on the front, 2 on the front of what is left
    without it, and so on; empty for whoever takes no part. ``operating_point``: the names of
    `JudgedStudy.named_points` that it has. ``codec``: where its codec lies, as long as it is kept.
    """
    ranks, names = study.ranks, study.names
    return {
        record.number: {
            "pareto": word(ranks.get(record.number) == 1),
            "rank": str(ranks.get(record.number, "")),
            "knee": word(KNEE in names.get(record.number, ())),
            "operating_point": ", ".join(sorted(names.get(record.number, ()))),
            "codec": codec_path(record, facts),
            _COLOR: _color(record, ranks.get(record.number)),
        }
        for record in study.records
    }


def _color(record: TrialRecord, rank: int | None) -> str:
    if rank == 1:
        return FRONT
    if rank is not None:
        return BEATEN
    return MUTED if record.state is TrialState.RUNNING else FAINT


def study_points(study: JudgedStudy) -> list[Point]:
    """Return the summary's curves: how the front grew with each trial that ended, all steps."""
    ended_s = {record.number: record.ended_s for record in study.records}
    return [
        Point(name, value, step.ended, ended_s[step.trial])
        for step in study.steps
        for name, value in (
            ("front_size", float(step.front_size)),
            ("hypervolume", step.hypervolume),
        )
    ]


def counts(records: Sequence[TrialRecord]) -> dict[str, float]:
    """Return how many trials are in each state, as ``trials/complete`` and so on."""
    found = Counter(record.state for record in records)
    return {f"trials/{state.value}": float(found[state]) for state in TrialState}


def against(standings: Sequence[Standing]) -> dict[str, float]:
    """Return how the front stands against other codecs, as ``against/octree/dominated`` and so on.

    ``dominated``: members of the front that the other dominates. ``rate_percent``: how much more
    rate the front needs at equal quality (BD-rate). What cannot be told is left out.
    """
    found = {}
    for each in standings:
        if each.dominated is not None:
            found[f"against/{each.key}/dominated"] = float(each.dominated)
        if each.rate_percent is not None:
            found[f"against/{each.key}/rate_percent"] = each.rate_percent
    return found


def summary_note(
    study: JudgedStudy,
    facts: StudyFacts,
    links: Mapping[int, str],
    standings: Sequence[Standing] = (),
) -> str:
    """Return the summary run's description, in Markdown.

    Args:
        study: its trials.
        facts: what does not change from trial to trial.
        links: addresses of the trials' runs, where they have one.
        standings: how the front stands against other codecs, where that is known.
    """
    found = Counter(record.state.value for record in study.records)
    told = ", ".join(f"{found[state]} {state}" for state in TrialState if found[state])
    metrics = shown_metrics(study)
    members = study.front
    first = (
        f"**Study {code(facts.name)}**: {told or 'no trial yet'}. Its front is drawn in "
        "`front.html` under *Artifacts*; whether more trials still help is told by the curve of "
        "`hypervolume` under *Model metrics*."
    )
    lines = [first, ""]
    if members:
        heads = ["trial", *metrics, "operating point"]
        lines += [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    for record in members[:_MOST_TOLD]:
        name = run_name(record)
        link = links.get(record.number)
        cells = [
            f"[{name}]({link})" if link else name,
            *(_cell(record.final.get(metric)) for metric in metrics),
            ", ".join(sorted(study.names.get(record.number, ()))),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    for each in standings:
        for near in each.near:
            values = (_cell(near.values.get(metric)) for metric in metrics)
            cells = [f"{each.name}, {near.setting}", *values, f"next to the {near.at}"]
            lines.append(f"| {' | '.join(cells)} |")
    if len(members) > _MOST_TOLD:
        lines.append(f"\nand {len(members) - _MOST_TOLD} more: filter by `tags.pareto = 'true'`.")
    if members:
        lines += ["", *(f"{sentence}." for sentence in unmeasured(study.records))]
    lines += [line for each in standings for line in ("", f"**{each.name}** {each.sentence}.")]
    if members:
        lines += [
            "",
            "Take its knee home:",
            "",
            command(facts, f"export {facts.name} --knee", "codec"),
        ]
    return "\n".join(lines)


def _cell(value: float | None) -> str:
    return "" if value is None else as_text(float(value))
