"""`study front`: the Pareto table of a study, what it lacks, and its report drawn anew."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from study.base.errors import StudyError
from study.base.next_command import short
from study.commands.advice import gap_sentences
from study.commands.cautions import Shown, baseline_cautions, data_cautions
from study.commands.ending import advise, show_front, told_of_least_infeasible
from study.config.derived import objectives_of
from study.config.judging import judge
from study.fronts.comparing import shared_objectives
from study.fronts.judged import JudgedStudy
from study.report.beside import Beside
from study.report.reporting import report
from study.storage.folder import find_study
from study.storage.progress import read_progress
from study.training.codec_files import codec_file

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from rich.console import Console

    from study.base.records import TrialRecord
    from study.codecs.evaluation import Evaluation
    from study.config import StudyConfig
    from study.fronts.rivals import Rival
    from study.metrics import RateCurve
    from study.report.exhibits import Gallery
    from study.report.standing import Rivals
    from study.storage.folder import StudyFolder


def show(arguments: argparse.Namespace, console: Console) -> int:
    """Print a study's front; draw it, unless JSON is asked for."""
    told = next((o for o in ("json", "format") if getattr(arguments, o)), None)
    if told and (arguments.others or arguments.baseline):
        raise StudyError(f"--{told} draws nothing: leave --with and --baseline out, or --{told}")
    early = {file: _read(file) for file in arguments.baseline if not _is_sheet(file)}
    folder = find_study(arguments.root, arguments.name)
    config = folder.config()
    progress = read_progress(folder, config)
    study = judge(config, progress.records)
    ours = Shown(folder, config, study, progress.store)
    if arguments.format:
        print(_as_file(ours, arguments.format), end="")  # noqa: T201
        return 0
    if arguments.json:
        held = as_json(config, study, folder) | _standings(ours)
        print(json.dumps(held, indent=2))  # noqa: T201
        return 0
    baselines = [(early.get(file) or _read(file, ours), file) for file in arguments.baseline]
    curves = [_curve(each, file) for each, file in baselines]
    others = [_other(arguments.root, name, ours) for name in arguments.others]
    cautions = [
        f"{other.name} has no trial on its front, so none of its points is drawn"
        for other in others
        if not other.judged.front
    ]
    cautions += [told for other in others for told in data_cautions(ours, other)]
    for each, file in baselines:
        cautions += baseline_cautions(ours, each, file)

    def gallery() -> Gallery | str:
        # It takes a second to import, and is not asked for where the pictures are up to date.
        from study.codecs.gallery import make_gallery  # noqa: PLC0415

        return make_gallery(folder, config, study, progress.store)

    beside = Beside(curves, [(other.name, other.judged) for other in others], cautions)
    files = report(
        *(config.name, study, folder, beside),
        gallery=gallery,
        rivals=partial(_rivals, ours),
        data=ours.data(),
    )
    show_front(config, study, files, console)
    for told in cautions:
        console.print(f"[yellow]caution[/] {escape(told)}", soft_wrap=True, highlight=False)
    return 0


def _as_file(ours: Shown, file_format: str) -> str:
    """Return the front as a result file, an operating point for each trial.

    Raises:
        StudyError: it is empty, or a sheet is wanted and the trials' values by cloud were not kept.
    """
    from study.codecs.of_front import front_as_evaluation  # noqa: PLC0415 (SciPy)
    from study.codecs.results import written  # noqa: PLC0415

    return written(front_as_evaluation(ours.name, ours.judged, ours.folder.codecs), file_format)


def _rivals(ours: Shown) -> Rivals:
    """Return the codecs beside every front: seconds to measure where nothing is kept."""
    from study.yardsticks.keeping import Site, rivals_of  # noqa: PLC0415 (SciPy)

    return rivals_of(Site(ours.folder, ours.config, ours.judged, ours.store))


def _standings(ours: Shown) -> dict[str, Any]:
    """Return how the front stands against the codecs beside every front, as JSON can hold it."""
    from study.report.against import standings  # noqa: PLC0415 (SciPy)

    found = _rivals(ours)
    told = [asdict(standing) for standing in standings(ours.judged, found)]
    by_key = {rival.key: rival for rival in found.found}
    for each in told:
        each["points"] = _points(by_key[each["key"]])
    return {"yardsticks": told, "yardstick_missing": found.missing or None}


def _points(rival: Rival) -> list[dict[str, Any]]:
    """Return a rival's operating points: what is known of each, infinite values null."""
    known = {name: column for name, column in rival.values.items() if any(map(_is_number, column))}
    return [
        {
            "setting": setting,
            "values": {
                name: column[index] if _is_number(column[index]) else None
                for name, column in known.items()
            },
        }
        for index, setting in enumerate(rival.settings)
    ]


def _is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _is_sheet(file: Path) -> bool:
    """Say whether a result file is a sheet, for which a study's clouds must be known."""
    return file.suffix.lower() == ".csv"


def _read(file: Path, ours: Shown | None = None) -> Evaluation:
    """Read a result file; where it is a sheet, the study's clouds say of how many points it is."""
    from study.codecs.cloud_files import file_stems  # noqa: PLC0415 (SciPy, for this option alone)
    from study.codecs.results import read_evaluation  # noqa: PLC0415

    clouds = ours.validation_clouds() if ours else []
    stems = file_stems([name for name, _ in clouds])
    points = dict(zip(stems, (count for _, count in clouds), strict=True))
    return read_evaluation(file, points | dict(clouds))


def _curve(baseline: Evaluation, file: Path) -> RateCurve:
    from study.codecs.results import curve_of  # noqa: PLC0415

    return curve_of(baseline, file)


def _other(root: Path, name: str, ours: Shown) -> Shown:
    """Return another study, by the objectives of ours, if its front can stand beside that one.

    Raises:
        StudyError: there is none of that name, it is the same, or it has other objectives.
    """
    folder = find_study(root, name)
    config = folder.config()
    if folder == ours.folder:
        raise StudyError(f"another study is drawn beside '{name}', not itself; name another")
    if config.name == ours.name:  # It lies elsewhere, and goes by its path then.
        config = config.model_copy(update={"name": short(folder.path)})
    names = (ours.name, config.name)
    objectives = shared_objectives(ours.judged.objectives, objectives_of(config), names)
    progress = read_progress(folder, config)
    return Shown(folder, config, JudgedStudy(progress.records, objectives), progress.store)


def as_json(config: StudyConfig, study: JudgedStudy, folder: StudyFolder) -> dict[str, Any]:
    """Return the front as JSON can hold it: values are measured, infinite ones null."""
    growth = study.growth
    states = [record.state.value for record in study.records]
    return {
        "study": config.name,
        "objectives": [objective.model_dump(mode="json") for objective in config.objectives],
        "hypervolume": study.hypervolume,
        "trials": {state: states.count(state) for state in dict.fromkeys(states)},
        "front": [
            {**_member(record, folder), "names": list(study.names.get(record.number, ()))}
            for record in study.front
        ],
        "gaps": [
            {
                "trials": [gap.better.number, gap.worse.number],
                "share": gap.share,
                "wide": gap.is_wide,
            }
            for gap in study.gaps
        ],
        "growth": None if growth is None else growth._asdict(),
        "told": [
            *filter(None, [told_of_least_infeasible(study, folder.path)]),
            *gap_sentences(config, study),
            *advise(config, study, folder),
        ],
    }


def _member(record: TrialRecord, folder: StudyFolder) -> dict[str, Any]:
    codec = codec_file(folder.codecs, record.number, len(record.epochs))
    return {
        "trial": record.number,
        "values": {n: v if math.isfinite(v) else None for n, v in record.final.items()},
        "settings": dict(record.params),
        "epochs": len(record.epochs),
        "codec": str(codec) if codec.exists() else None,
    }
