"""The words of a trial's run in MLflow: its name, its tags and its description."""

from __future__ import annotations

from typing import TYPE_CHECKING

from study.metrics.table import shown_beside
from study.report.rows import as_text, duration_text, short_names
from study.tracking.notes import code, command, plain
from study.training.codec_files import codec_file

if TYPE_CHECKING:
    from study.base.records import TrialRecord
    from study.tracking.facts import StudyFacts

_NAME_LENGTH = 60
"""Characters of a run's name; the table of runs shows about fifty."""


def run_name(record: TrialRecord) -> str:
    """Return for instance ``t017 λ=3.2e-4 chamfer=0.1``: its number, then settings that fit."""
    name = f"t{record.number:03d}{' baseline' if record.is_baseline else ''}"
    short = _shortest(short_names(list(record.params)))
    settings = [f"{short[key]}={as_text(value)}" for key, value in record.params.items()]
    for place, setting in enumerate(settings):
        last = place == len(settings) - 1
        if len(name) + 1 + len(setting) + (0 if last else 2) > _NAME_LENGTH:
            return f"{name} …"
        name += f" {setting}"
    return name


def _shortest(short: dict[str, str]) -> dict[str, str]:
    """Call a single λ just that."""
    lambdas = [key for key, name in short.items() if name.startswith("λ ")]
    return short | ({lambdas[0]: "λ"} if len(lambdas) == 1 else {})


def first_tags(record: TrialRecord) -> dict[str, str]:
    """Return the tags with which a trial's run is created."""
    return {
        "kind": "trial",
        "trial": str(record.number),
        "baseline": word(record.is_baseline),
        "pareto": "false",
    }


def trial_tags(record: TrialRecord, facts: StudyFacts) -> dict[str, str]:
    """Return the tags of a trial's own state; `front_tags` has those that depend on the others."""
    folder = record.folder or ""
    if facts.folder is not None and folder:
        folder = str(facts.folder / folder)
    tags = {"state": record.state.value, "outcome": record.outcome, "folder": folder}
    return tags if record.feasible else tags | {"feasible": "false"}


def codec_path(record: TrialRecord, facts: StudyFacts) -> str:
    """Return where the codec of a finished trial lies; empty where it was not kept."""
    if facts.folder is None or not record.final or not record.epochs:
        return ""
    path = codec_file(facts.folder / "codecs", record.number, record.epochs[-1].epoch)
    return str(path) if path.exists() else ""


def trial_note(record: TrialRecord, facts: StudyFacts) -> str:
    """Return the description that MLflow's page shows above a run, in Markdown."""
    epochs = f"{len(record.epochs)} of {record.total_epochs} epochs"
    lines = [
        f"**Trial {record.number}** of study {code(facts.name)}: "
        f"{plain(record.outcome or record.state.value)}."
        + (" It has the published coefficients." if record.is_baseline else ""),
        "",
        "| setting | value |",
        "| --- | --- |",
        *(f"| {code(name)} | {plain(as_text(value))} |" for name, value in record.params.items()),
    ]
    if record.state.is_final:
        lines += ["", f"{epochs} in {duration_text(record.elapsed_s)}."]
    if record.final:
        objectives = [objective.metric for objective in facts.objectives]
        measured = (
            f"{name} {record.final[name]:.4g}"
            for name in (*objectives, *shown_beside(objectives))
            if name in record.final
        )
        lines += [
            "",
            f"Measured on the finished codec: {', '.join(measured)}.",
            "",
            "Take its codec home:",
            "",
            command(facts, f"export {facts.name} --trial {record.number}", "codec"),
        ]
    return "\n".join(lines)


def word(truth: object) -> str:
    """Return a truth value as tags hold it: true or false."""
    return str(bool(truth)).lower()
