"""`study export`: codecs out of a study, into folders and into MLflow's model registry."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from rich.markup import escape

from model.codec_folder import save_codec
from study.base.next_command import next_command
from study.checkpoints.export import take
from study.checkpoints.operating_point import Wish, choose
from study.codecs.bitstreams import NamedCloud, require_new, write_bitstreams
from study.codecs.cloud_files import validation_clouds, write_validation_clouds
from study.commands.measuring import read_all
from study.config import CodecSection
from study.config.derived import constraints_of
from study.config.judging import judge
from study.fronts.feasible import told_of_breach
from study.fronts.measures import MEASURES, estimate_name
from study.registry.registering import Registry
from study.report.live import progress_view
from study.storage.folder import find_study
from study.storage.progress import read_progress
from study.tracking.opening import own_artifacts, tracking_uri
from study.training.codec_files import codec_file

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

    from study.base.records import TrialRecord
    from study.checkpoints.taken import TakenCodec
    from study.config import StudyConfig
    from study.fronts.judged import JudgedStudy
    from study.registry.registering import Registered
    from study.storage.folder import StudyFolder
    from study.storage.trial_store import TrialStore


def export(arguments: argparse.Namespace, console: Console) -> int:
    """Take what was asked for, and say where it is."""
    study = find_study(arguments.root, arguments.name)
    config = study.config()
    if arguments.clouds:
        return _export_clouds(study, config, arguments.out, console)
    if arguments.bitstreams:
        return _export_bitstreams(study, config, arguments, console)
    asked = arguments.members
    members = None if asked is None else CodecSection(members=tuple(asked.split(",")))
    progress = read_progress(study, config)
    judged = judge(config, progress.records)
    chosen = _chosen(arguments, judged)
    store = progress.store
    assert store is not None, "trials were chosen, and they were read from there"
    registry = _registry(study, config, store, chosen) if arguments.register else None
    for record in chosen:
        taken = take(study, config, store, record, arguments.epoch, members)
        names = judged.names.get(record.number, ())
        for folder in _folders(arguments, names):
            save_codec(taken.codec, folder, taken.about)
            _print(f"{folder}", taken, config, console)
        if registry:
            aliases = [*(names if taken.is_measured else []), *arguments.alias]
            registered = registry.add(taken, aliases)
            _print(registered.uri, taken, config, console, _standing(registered))
    return 0


def _export_clouds(study: StudyFolder, config: StudyConfig, folder: Path, console: Console) -> int:
    count = len(write_validation_clouds(study, config, folder))
    console.print(
        f"[bold]{escape(str(folder))}[/]  {count} validation cloud{'s' * (count != 1)} of "
        f"{escape(config.name)}: `study baseline draco {escape(str(folder))}/*.ply` measures Draco "
        "on them",
        soft_wrap=True,
    )
    return 0


def _export_bitstreams(
    study: StudyFolder, config: StudyConfig, arguments: argparse.Namespace, console: Console
) -> int:
    """Write the files of all codecs of the front that are kept."""
    folder: Path = arguments.out
    require_new(folder)
    progress = read_progress(study, config)
    judged = judge(config, progress.records)
    front = sorted(judged.front, key=lambda record: record.number)
    if not front:
        choose(judged, Wish(knee=True))  # It says why there is none.
    assert progress.store is not None, "there is a front, and it was read from there"
    clouds = (
        [
            NamedCloud(_without_folder(name, arguments.on), c.points, c.normals)
            for name, c in read_all(arguments.on).items()
        ]
        if arguments.on
        else [NamedCloud(c.name, c.points, c.normals) for c in validation_clouds(study, config)]
    )
    kept = [r for r in front if codec_file(study.codecs, r.number, r.total_epochs).exists()]
    # Where none is kept, `take` says so of the first.
    taken = [take(study, config, progress.store, record) for record in kept or front]
    with progress_view(console, "writing bitstreams", "files", lines=True) as on_progress:
        manifest = write_bitstreams(
            taken,
            clouds,
            folder,
            study=config.name,
            which="given" if arguments.on else "validation",
            progress=on_progress,
        )
    count, codecs = len(manifest.files), len(manifest.codecs)
    console.print(
        f"[bold]{escape(str(folder))}[/]  {count:,} file{'s' * (count != 1)} of {codecs} "
        f"codec{'s' * (codecs != 1)} of the front: `study verify {escape(str(folder))}` checks "
        "them, here or on another machine",
        soft_wrap=True,
    )
    if gone := [str(record.number) for record in front if record not in kept]:
        console.print(
            f"[yellow]note[/]   without trial{'s' * (len(gone) > 1)} {', '.join(gone)} of the "
            "front, whose codecs are not kept any more",
            soft_wrap=True,
        )
    return 0


def _without_folder(name: str, files: Sequence[Path]) -> str:
    """Return a cloud's name as others may see it: they need not know where it lay."""
    longest = max((str(f) for f in files if name.startswith(str(f))), key=len)
    return name[len(longest) - len(PurePath(longest).name) :]


def _chosen(arguments: argparse.Namespace, study: JudgedStudy) -> list[TrialRecord]:
    """Return the trials that are meant, each once."""
    if arguments.points and study.front:
        return list({record.number: record for record in study.named_points.values()}.values())
    # Of an empty front there is no knee either, and the sentence about that fits.
    is_knee = arguments.knee or arguments.points
    wish = Wish(arguments.trial, is_knee, arguments.max_bpp, arguments.min_psnr)
    return [choose(study, wish)]


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
    uri = tracking_uri(config, study)
    sync = next_command("mlflow sync", study.path)
    own = own_artifacts(config, study)
    registry = Registry(uri, config.tracking.model, config.name, store.identity, sync, own)
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
    worth = []
    for objective in config.objectives:
        name = objective.metric
        known_as = name if taken.is_measured else estimate_name(name)
        if known_as is not None and known_as in taken.metrics:
            told = MEASURES[name].phrase.format(taken.metrics[known_as])
            worth.append(told if known_as == name else f"~{told}")
    number = str(taken.record.number)
    if taken.is_measured and not taken.record.feasible:
        breach = told_of_breach(taken.metrics, constraints_of(config))
        return f"{', '.join([number, *worth])}; it {breach}, so it is not on the front"
    if taken.is_measured:
        return ", ".join([number, *worth])
    told = ", ".join([f"{number} after epoch {taken.epoch}", *worth])
    return f"{told} (estimated; `study evaluate` measures it)"
