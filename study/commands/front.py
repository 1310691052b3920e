"""`study front`: the Pareto table of a study, what it lacks, and its report drawn anew."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from study.config import StudyConfig
    from study.metrics import RateCurve
    from study.records import TrialRecord
    from study.storage.folder import StudyFolder

_EXAMPLES = """\
The table has the front first; its ends and its knee have names, as in `study export` and MLflow.
Below it stand the gaps in the front, and whether more trials would help. A study that still runs
can be looked at too.

examples:
  study front quickstart-001    the table, and its page and pictures drawn anew
  study front quickstart-001 --with quickstart-002
                                draws another study's front beside it; `study compare` has numbers
  study front quickstart-001 --baseline draco-evaluation.json
                                draws another codec's curve beside it
  study front quickstart-001 --json
                                the front as JSON, for scripts; nothing is drawn"""


def add_command(commands: Any) -> None:  # noqa: ANN401 (argparse names no type for it)
    """Add the command of this module to the whole command line's."""
    front = commands.add_parser(
        "front",
        help="show a study's front and draw its pictures anew",
        description="Show a study's front, and draw its pictures anew.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    front.add_argument("name", metavar="NAME", help="the study's name")
    front.add_argument(
        "--with",
        dest="others",
        action="append",
        default=[],
        metavar="OTHER",
        help="draw another study's front beside it; may be repeated",
    )
    front.add_argument(
        "--baseline",
        type=Path,
        action="append",
        default=[],
        metavar="FILE.json",
        help="draw another codec's curve beside it, which `study baseline` or `study evaluate` "
        "wrote; may be repeated",
    )
    front.add_argument(
        "--json", action="store_true", help="print the front as JSON, and draw nothing"
    )
    front.add_argument(
        "--root", type=Path, default=Path("studies"), help="where the studies are (%(default)s)"
    )


def show(arguments: argparse.Namespace, console: Console) -> int:
    """Print a study's front; draw it, unless JSON is asked for."""
    from study.storage.folder import find_study

    if arguments.json and (arguments.others or arguments.baseline):
        raise StudyError("--json draws nothing: leave --with and --baseline out, or --json")
    curves = _curves(arguments.baseline)
    folder = find_study(arguments.root, arguments.name)
    config = folder.config()
    # Only now: what draws takes longer to import than a wrong name to refuse.
    from study.codecs.gallery import make_gallery
    from study.commands.ending import show_front
    from study.driver.reporting import report
    from study.storage.standing import read_records

    records = read_records(folder, config)
    if arguments.json:
        print(json.dumps(as_json(config, records, folder), indent=2))  # noqa: T201
        return 0
    others = [_other(arguments.root, name, folder, config) for name in arguments.others]
    gallery = make_gallery(folder, config, records)
    files = report(config, records, folder, curves, others=others, gallery=gallery)
    show_front(config, records, files, console)
    return 0


def _curves(files: Sequence[Path]) -> list[RateCurve]:
    if not files:
        return []
    from study.codecs.results import read_curve

    return [read_curve(file) for file in files]


def _other(
    root: Path, name: str, ours: StudyFolder, config: StudyConfig
) -> tuple[str, Sequence[TrialRecord]]:
    """Return another study's name and trials, if its front can stand beside this one.

    Raises:
        StudyError: there is none of that name, it is the same, or it has other objectives.
    """
    from study.commands.ending import short
    from study.config.derived import objectives_of
    from study.fronts.comparing import shared_objectives
    from study.storage.folder import find_study
    from study.storage.standing import read_records

    folder = find_study(root, name)
    theirs = folder.config()
    if folder == ours:
        raise StudyError(f"another study is drawn beside '{name}', not itself; name another")
    called = theirs.name if theirs.name != config.name else short(folder.path)
    shared_objectives(objectives_of(config), objectives_of(theirs), (config.name, called))
    return called, read_records(folder, theirs)


def as_json(
    config: StudyConfig, records: Sequence[TrialRecord], folder: StudyFolder
) -> dict[str, Any]:
    """Return the front as JSON can hold it: values are measured, infinite ones null."""
    from study.commands.advice import gap_sentences
    from study.commands.ending import advise
    from study.config.derived import objectives_of
    from study.fronts.front import front, hypervolume
    from study.fronts.gaps import gaps, late_growth
    from study.fronts.points import names_of
    from study.fronts.progress import progress

    objectives = objectives_of(config)
    names = names_of(records, objectives)
    growth = late_growth(progress(records, objectives))
    states = [record.state.value for record in records]
    return {
        "study": config.name,
        "objectives": [objective.model_dump(mode="json") for objective in config.objectives],
        "hypervolume": hypervolume(records, objectives),
        "trials": {state: states.count(state) for state in dict.fromkeys(states)},
        "front": [
            {**_member(record, folder), "names": names.get(record.number, [])}
            for record in front(records, objectives)
        ],
        "gaps": [
            {
                "trials": [gap.better.number, gap.worse.number],
                "share": gap.share,
                "wide": gap.is_wide,
            }
            for gap in gaps(records, objectives)
        ],
        "growth": None if growth is None else growth._asdict(),
        "told": [*gap_sentences(config, records), *advise(config, records, folder)],
    }


def _member(record: TrialRecord, folder: StudyFolder) -> dict[str, Any]:
    from study.training.codec_files import codec_file

    codec = codec_file(folder.codecs, record.number, len(record.epochs))
    return {
        "trial": record.number,
        "values": {n: v if math.isfinite(v) else None for n, v in record.final.items()},
        "settings": dict(record.params),
        "epochs": len(record.epochs),
        "codec": str(codec) if codec.exists() else None,
    }
