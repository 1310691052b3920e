"""`study export`: codecs out of a study, into folders and into MLflow's model registry."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from study.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from study.codecs.export import TakenCodec
    from study.config import StudyConfig
    from study.records import TrialRecord
    from study.registry.registering import Registered, Registry
    from study.storage.folder import StudyFolder
    from study.storage.trial_store import TrialStore

_EXAMPLES = """\
The folder holds everything that compressing and decompressing need: copy it whole.

examples:
  study export quickstart-001 --knee chair-codec       the best bargain on the front
  study export quickstart-001 --max-bpp 0.8 codec      the best quality within 0.8 bits per point
  study export quickstart-001 --min-psnr 36 codec      the lowest rate that reaches 36 dB
  study export quickstart-001 --trial 3 codec          trial 3 of `study status quickstart-001`
  study export quickstart-001 --trial 3 --epoch 4 codec
                                                       ... as it was after its fourth epoch, if
                                                       `study front` still names that one
  study export quickstart-001 --points codecs          the knee and the front's ends, a folder each
  study export quickstart-001 --points --register      the same, into MLflow's model registry:
                                                       `study compress models:/dpcc-codec@knee ...`
  study export quickstart-001 --trial 3 --register --alias chairs
                                                       ... as models:/dpcc-codec@chairs"""


def add_command(commands: Any) -> None:  # noqa: ANN401 (argparse names no type for it)
    """Add `study export` to the command line."""
    what = "take a codec out of a study"
    export = commands.add_parser(
        "export", help=what, description=f"{what.capitalize()}, as a folder.", epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    export.add_argument("name", metavar="NAME", help="the study's name")
    wish = export.add_mutually_exclusive_group(required=True)
    wish.add_argument("--trial", type=int, metavar="N", help="this trial")
    wish.add_argument(
        "--knee",
        action="store_true",
        help="the point of the front farthest below the line between its two ends",
    )
    wish.add_argument("--max-bpp", type=float, metavar="X", help="the best D1 PSNR within a rate")
    wish.add_argument("--min-psnr", type=float, metavar="X", help="the lowest rate for a D1 PSNR")
    wish.add_argument(
        "--points",
        action="store_true",
        help="every point of the front that has a name, in folders OUT/knee, OUT/low-rate, ...",
    )
    export.add_argument(
        "--epoch",
        type=int,
        metavar="E",
        help="with --trial: its codec after this epoch, where it is kept; without, after the last",
    )
    export.add_argument(
        "--register",
        action="store_true",
        help="make it a version in MLflow's model registry, with the names that its point of the "
        "front has as aliases; OUT may be left out then",
    )
    export.add_argument(
        "--alias",
        action="append",
        default=[],
        metavar="NAME",
        help="with --register: another alias for it; may be repeated",
    )
    export.add_argument(
        "out", nargs="?", type=Path, metavar="OUT", help="the codec's folder, a new one"
    )
    export.add_argument(
        "--root", type=Path, default=Path("studies"), help="where the studies are (%(default)s)"
    )


def export(arguments: argparse.Namespace, console: Console) -> int:
    """Take what was asked for, and say where it is."""
    from study.storage.folder import find_study

    _check(arguments)
    study = find_study(arguments.root, arguments.name)
    config = study.config()
    # Only now: what holds a codec takes longer to import than a wrong name to refuse.
    from model.codec_folder import save_codec
    from study.codecs.export import take
    from study.config.derived import objectives_of
    from study.fronts.points import named_points
    from study.storage.standing import read_records
    from study.storage.trial_store import TrialStore

    records = read_records(study, config)
    named = named_points(records, objectives_of(config))
    chosen = _chosen(arguments, config, records, named)
    store = TrialStore(config, study.database)
    registry = _registry(study, config, store, chosen) if arguments.register else None
    for record in chosen:
        taken = take(study, config, store, record, arguments.epoch)
        names = [name for name, one in named.items() if one.number == record.number]
        for folder in _folders(arguments, names):
            save_codec(taken.codec, folder, taken.about)
            _print(f"{folder}", taken, config, console)
        if registry:
            aliases = [*(names if taken.is_measured else []), *arguments.alias]
            registered = registry.add(taken, aliases)
            _print(registered.uri, taken, config, console, _standing(registered))
    return 0


def _check(arguments: argparse.Namespace) -> None:
    """Refuse options that do not go together.

    Raises:
        StudyError: they do not.
    """
    if arguments.epoch is not None and arguments.trial is None:
        raise StudyError(
            "--epoch takes an earlier codec of one trial: name it too, as in "
            f"`study export {arguments.name} --trial 7 --epoch {arguments.epoch} OUT`"
        )
    if arguments.alias and not arguments.register:
        raise StudyError("--alias names a version in MLflow's registry: give --register with it")
    if arguments.alias and arguments.points:
        raise StudyError("--alias names one codec: give it with --knee or --trial, not --points")
    if arguments.out is None and not arguments.register:
        raise StudyError("a codec is written into a new folder: name it, or give --register")
    if arguments.points and arguments.out is not None and arguments.out.exists():
        raise StudyError(f"codecs are written into a new folder, and {arguments.out} exists")
    if arguments.alias:
        from study.registry.registering import check_alias

        for name in arguments.alias:
            check_alias(name)


def _chosen(
    arguments: argparse.Namespace,
    config: StudyConfig,
    records: Sequence[TrialRecord],
    named: dict[str, TrialRecord],
) -> list[TrialRecord]:
    """Return the trials that are meant, each once."""
    from study.codecs.operating_point import Wish, choose
    from study.config.derived import objectives_of

    if arguments.points and named:
        return list({record.number: record for record in named.values()}.values())
    # Of an empty front there is no knee either, and the sentence about that fits.
    is_knee = arguments.knee or arguments.points
    wish = Wish(arguments.trial, is_knee, arguments.max_bpp, arguments.min_psnr)
    return [choose(records, objectives_of(config), wish)]


def _folders(arguments: argparse.Namespace, names: Sequence[str]) -> list[Path]:
    if arguments.out is None:
        return []
    return [arguments.out / name for name in names] if arguments.points else [arguments.out]


def _registry(
    study: StudyFolder, config: StudyConfig, store: TrialStore, chosen: Sequence[TrialRecord]
) -> Registry:
    """Connect to the registry, and see to it that the trials have runs, before anything is written.

    Raises:
        StudyError: MLflow cannot be reached or lacks one.
    """
    from study.registry.registering import Registry
    from study.tracking.opening import tracking_uri

    uri = tracking_uri(config, study)
    registry = Registry(uri, config.tracking.model, config.name, store.identity)
    for record in chosen:
        registry.run_of(record.number)
    return registry


def _print(
    place: str, taken: TakenCodec, config: StudyConfig, console: Console, standing: str = ""
) -> None:
    console.print(
        f"[bold]{escape(place)}[/]  codec {taken.codec.codec_id.hex()}: "
        f"trial {_told(taken, config)}{standing}",
        soft_wrap=True,
    )


def _standing(registered: Registered) -> str:
    """Say what became of it in the registry."""
    was_there = "" if registered.is_new else ", which was there already"
    others = "".join(f", also @{alias}" for alias in registered.aliases[1:])
    return f"; version {registered.version} in MLflow{was_there}{others}"


def _told(taken: TakenCodec, config: StudyConfig) -> str:
    """Say which trial it is, and what it is worth in the study's objectives."""
    from study.fronts.measures import MEASURES, estimate_name

    worth = []
    for objective in config.objectives:
        name = objective.metric
        known_as = name if taken.is_measured else estimate_name(name)
        if known_as is not None and known_as in taken.metrics:
            phrase = MEASURES[name].phrase.removesuffix(" in real bytes")
            told = phrase.format(taken.metrics[known_as])
            worth.append(told if known_as == name else f"~{told}")
    number = str(taken.record.number)
    if taken.is_measured:
        return ", ".join([number, *worth])
    told = ", ".join([f"{number} after epoch {taken.epoch}", *worth])
    return f"{told} (estimated; `study evaluate` measures it)"
