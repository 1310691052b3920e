"""Refusals: what commands are given and cannot use, told before anything heavy is imported.

Each takes a command's parsed arguments and raises a StudyError, or returns nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from study.base.errors import StudyError
from study.base.output import check_free
from study.base.spelling import did_you_mean
from study.commands.declared.codecs import YARDSTICKS
from study.mirror.restoring import check_restorable
from study.registry.aliases import check_alias
from study.storage.folder import check_name, find_study, next_free_name
from study.storage.study_file import EMBEDDED, QUICKSTART, load_study

if TYPE_CHECKING:
    import argparse

    from study.config import StudyConfig


def read_study_file(file: Path | None) -> StudyConfig:
    """Read a study file; without one it is the quick start.

    An embedded study takes the next free name.

    Raises:
        StudyError: it cannot be read or used.
    """
    embedded = _embedded(file)
    if embedded is None:
        assert file is not None, "without a file it is the quick start"
        return load_study(file)
    config = load_study(embedded)
    return config.model_copy(update={"name": next_free_name(Path(config.root), config.name)})


def _embedded(file: Path | None) -> Path | None:
    """Return the embedded study that is meant, if one is: a file or folder of its name is not."""
    if file is None:
        return QUICKSTART
    return None if file.exists() else EMBEDDED.get(str(file))


def check_study_file(arguments: argparse.Namespace) -> None:
    """Refuse a study file that cannot be used, and a name that no study may have."""
    check_name(read_study_file(arguments.file).name)


def check_run(arguments: argparse.Namespace) -> None:
    """Refuse to go on with a study that nobody has named."""
    if arguments.resume and (embedded := _embedded(arguments.file)) is not None:
        raise StudyError(
            "--resume goes on with the study that a file names; give the file, or name the study "
            f"that was interrupted, as in `study resume {embedded.stem}-001`"
        )
    check_study_file(arguments)


def check_study(arguments: argparse.Namespace) -> None:
    """Refuse a study that is not there or damaged; without a name there is nothing to check."""
    if arguments.name is not None:
        find_study(arguments.root, arguments.name).config()


def check_resume(arguments: argparse.Namespace) -> None:
    """Refuse a study that is not there, or that is there and shall be made again from a mirror."""
    if arguments.mirror is None:
        check_study(arguments)
    else:
        check_restorable(arguments.mirror, arguments.name, arguments.root)


def check_export(arguments: argparse.Namespace) -> None:
    """Refuse options that do not go together."""
    if arguments.epoch is not None and arguments.trial is None:
        raise StudyError(
            "--epoch takes an earlier codec of one trial: name it too, as in "
            f"`study export {arguments.name} --trial 7 --epoch {arguments.epoch} OUT`"
        )
    _check_what_is_no_codec(arguments)
    if arguments.alias and not arguments.register:
        raise StudyError("--alias names a version in MLflow's registry: give --register with it")
    if arguments.alias and arguments.points:
        raise StudyError("--alias names one codec: give it with --knee or --trial, not --points")
    if arguments.out is None and not arguments.register:
        raise StudyError("a codec is written into a new folder: name it, or give --register")
    if arguments.points and arguments.out is not None and arguments.out.exists():
        raise StudyError(f"codecs are written into a new folder, and {arguments.out} exists")
    for name in arguments.alias:
        check_alias(name)
    check_study(arguments)


def _check_what_is_no_codec(arguments: argparse.Namespace) -> None:
    """Refuse what goes with codecs only, where clouds or bitstreams are exported."""
    if arguments.on and not arguments.bitstreams:
        raise StudyError("--on names clouds for --bitstreams: give that too, or leave --on out")
    for what in ("clouds", "bitstreams"):
        if not getattr(arguments, what):
            continue
        if arguments.members:
            raise StudyError(f"--{what} writes {what}, and --members is for codecs; leave one out")
        if arguments.register:
            raise StudyError(f"--{what} writes {what}, and --register is for codecs; leave one out")
        if arguments.out is None:
            raise StudyError(
                f"{what} are written into a new folder: name it, as in `--{what} {what}`"
            )


def check_import(arguments: argparse.Namespace) -> None:
    """Refuse what is for the other way, from a codec to a checkpoint or back."""
    if arguments.export and arguments.cube_size is not None:
        raise StudyError("a checkpoint says nothing of cubes: leave --cube-size out with --export")
    if not arguments.export and arguments.arguments is None:
        raise StudyError(
            "a checkpoint does not say how it was trained: give its arguments too, as in "
            "`study import-checkpoint ckpt-best.pth args.json OUT`"
        )
    if not arguments.export and arguments.force:
        raise StudyError("--force is for --export: a codec's folder is never replaced; remove it")


def check_baseline(arguments: argparse.Namespace) -> None:
    """Refuse a yardstick that there is none of, and a program for another one."""
    name = arguments.codec
    if name not in YARDSTICKS and not Path(name).is_file():
        raise StudyError(
            f"a yardstick is one of {', '.join(YARDSTICKS)} or a result file, and '{name}' is "
            f"neither; {did_you_mean(name, YARDSTICKS)}"
        )
    if arguments.tmc3 is not None and name != "gpcc":
        raise StudyError(
            f"--tmc3 is a program for gpcc, and the yardstick is '{name}'; leave it out"
        )


def check_record(arguments: argparse.Namespace) -> None:
    """Refuse a table that cannot be written, and studies that are not there."""
    if arguments.table.suffix != ".parquet":
        raise StudyError(
            "a recording is a Parquet file, so its name must end in .parquet, but "
            f"{arguments.table} does not; call it {arguments.table.with_suffix('.parquet').name}"
        )
    check_free(arguments.table, force=arguments.force)
    for name in arguments.names:
        find_study(arguments.root, name)


def check_simulate(arguments: argparse.Namespace) -> None:
    """Refuse a picture that cannot be written, and a study file that cannot be used."""
    check_free(arguments.out, force=arguments.force)
    if arguments.study is not None:
        load_study(arguments.study)
