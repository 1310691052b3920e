"""The commands around one codec: take it from a study, code files with it, weigh it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from study.errors import StudyError

if TYPE_CHECKING:
    from rich.console import Console

    from model.cloud_codec import CloudCodec
    from study.codecs.export import TakenCodec
    from study.config import StudyConfig

_SHAPE = argparse.RawDescriptionHelpFormatter

_EXPORT = """\
The folder holds everything that compressing and decompressing need: copy it whole.

examples:
  study export quickstart-001 --knee chair-codec       the best bargain on the front
  study export quickstart-001 --max-bpp 0.8 codec      the best quality within 0.8 bits per point
  study export quickstart-001 --min-psnr 36 codec      the lowest rate that reaches 36 dB
  study export quickstart-001 --trial 3 codec          trial 3 of `study status quickstart-001`
  study export quickstart-001 --trial 3 --epoch 4 codec
                                                       ... as it was after its fourth epoch, if
                                                       `study front` still names that one"""

_COMPRESS = """\
examples:
  study compress codec chair.ply               writes chair.dpcs
  study compress codec sweep.bin small.dpcs    KITTI's format; also LAS, npy, OBJ, ...
  study compress codec chair.obj --samples 50000
                                               a mesh is sampled uniformly by area
  study compress codec sweeps.npz --cloud first"""

_DECOMPRESS = """\
Needs the codec that compressed the file, on this machine or any other; the file says which it was.

examples:
  study decompress codec chair.dpcs            writes chair.ply
  study decompress codec chair.dpcs chair.npy  or .npz, or KITTI's .bin"""

_IMPORT = """\
examples:
  study import-checkpoint ckpt-best.pth args.json codec
                                   makes a codec of a checkpoint of the published D-PCC code
  study import-checkpoint ckpt-best.pth args.json codec --cube-size 12
                                   ... that was trained on SemanticKITTI
  study import-checkpoint --export codec out.pth
                                   the way back: any codec as a checkpoint for the published code
  study import-checkpoint --export codec args.json out.pth
                                   ... with the arguments it has to be loaded with"""

_EVALUATE = """\
examples:
  study evaluate codec clouds/*.ply                     writes codec-evaluation.json
  study evaluate codec clouds/*.ply --out mine.json"""

_BASELINE = """\
examples:
  study baseline draco clouds/*.ply                     writes draco-evaluation.json
  study front quickstart-001 --baseline draco-evaluation.json
                                                        draws it beside the front"""

_PUBLISHED_CUBE_SIZE = 22.0
"""What D-PCC cut ShapeNet's objects with; SemanticKITTI's sweeps it cut with 12."""


def add_commands(commands: Any) -> None:  # noqa: ANN401 (argparse names no type for it)
    """Add the commands of this module to the whole command line's."""
    _add_export(commands)
    compress = _add(commands, "compress", "compress a point cloud with a codec", _COMPRESS)
    compress.add_argument("codec", type=Path, metavar="CODEC", help="the codec's folder")
    compress.add_argument("cloud_file", type=Path, metavar="IN", help="the cloud")
    _add_output(compress, "the compressed file; without it, IN with the suffix .dpcs")
    compress.add_argument("--cloud", metavar="NAME", help="which cloud, where IN holds several")
    compress.add_argument(
        "--samples", type=_count, metavar="N", help="points to take from a mesh (100000)"
    )
    decompress = _add(commands, "decompress", "decompress what `compress` wrote", _DECOMPRESS)
    decompress.add_argument("codec", type=Path, metavar="CODEC", help="the codec's folder")
    decompress.add_argument("file", type=Path, metavar="IN", help="the compressed file")
    _add_output(decompress, "the cloud; without it, IN with the suffix .ply")
    _add_import(commands)
    _add_weighing(commands)


def _add(commands: Any, name: str, what: str, examples: str) -> argparse.ArgumentParser:  # noqa: ANN401
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=what, description=f"{what[0].upper()}{what[1:]}.", epilog=examples,
        formatter_class=_SHAPE,
    )  # fmt: skip
    return parser


def _add_output(parser: argparse.ArgumentParser, meaning: str) -> None:
    parser.add_argument("out", nargs="?", type=Path, metavar="OUT", help=meaning)
    _add_force(parser)


def _add_force(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--force", action="store_true", help="replace a file that is there already")


def _add_export(commands: Any) -> None:  # noqa: ANN401
    export = _add(commands, "export", "take a codec out of a study, as a folder", _EXPORT)
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
    export.add_argument(
        "--epoch",
        type=int,
        metavar="E",
        help="with --trial: its codec after this epoch, where it is kept; without, after the last",
    )
    export.add_argument("out", type=Path, metavar="OUT", help="the codec's folder, a new one")
    export.add_argument(
        "--root", type=Path, default=Path("studies"), help="where the studies are (%(default)s)"
    )


def _add_import(commands: Any) -> None:  # noqa: ANN401
    parser = _add(
        commands, "import-checkpoint", "make a codec of a published D-PCC checkpoint", _IMPORT
    )
    parser.add_argument("source", type=Path, metavar="CKPT.pth", help="the state_dict")
    parser.add_argument(
        "arguments", nargs="?", type=Path, metavar="ARGS.json", help="what it was trained with"
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="the codec's folder, a new one")
    parser.add_argument(
        "--cube-size",
        type=float,
        metavar="X",
        help="edge of a patch where the longest side of a cloud is 100, as it was in training "
        f"({_PUBLISHED_CUBE_SIZE:g}, which is D-PCC's for ShapeNet)",
    )
    parser.add_argument(
        "--export", action="store_true", help="the way back: from a codec's folder to a checkpoint"
    )
    parser.add_argument(
        "--force", action="store_true", help="with --export: replace files that are there already"
    )


def _add_weighing(commands: Any) -> None:  # noqa: ANN401
    evaluate = _add(commands, "evaluate", "measure a codec on clouds of yours", _EVALUATE)
    evaluate.add_argument("codec", type=Path, metavar="CODEC", help="the codec's folder")
    baseline = _add(commands, "baseline", "measure another codec, to compare with", _BASELINE)
    baseline.add_argument("codec", choices=["draco"], help="draco (Google's)")
    for parser in (evaluate, baseline):
        parser.add_argument("clouds", nargs="+", type=Path, metavar="CLOUD", help="what to code")
        parser.add_argument(
            "--out",
            type=Path,
            metavar="FILE.json",
            help="where the numbers go; without it, CODEC-evaluation.json",
        )
        _add_force(parser)


def _count(text: str) -> int:
    """Return a number of points; argparse tells what is wrong with another."""
    from study.clouds.cloud import MOST_SAMPLES

    if text.isascii() and text.isdigit() and 0 < int(text) <= MOST_SAMPLES:
        return int(text)
    raise argparse.ArgumentTypeError(
        f"must be a whole number from 1 to {MOST_SAMPLES:,}, not {text}"
    )


def _export(arguments: argparse.Namespace, console: Console) -> int:
    from study.codecs.export import export
    from study.codecs.operating_point import Wish
    from study.storage.folder import find_study

    wish = Wish(arguments.trial, arguments.knee, arguments.max_bpp, arguments.min_psnr)
    if arguments.epoch is not None and arguments.trial is None:
        raise StudyError(
            "--epoch takes an earlier codec of one trial: name it too, as in "
            f"`study export {arguments.name} --trial 7 --epoch {arguments.epoch} OUT`"
        )
    study = find_study(arguments.root, arguments.name)
    taken = export(study, wish, arguments.out, arguments.epoch)
    told = _told(taken, study.config())
    _print_codec(arguments.out, taken.codec, console, f": trial {told}")
    return 0


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


def _compress(arguments: argparse.Namespace, console: Console) -> int:
    from study.codecs.coding import compress_file

    compress_file(
        arguments.codec,
        arguments.cloud_file,
        arguments.out,
        console,
        force=arguments.force,
        cloud=arguments.cloud,
        samples=arguments.samples,
    )
    return 0


def _decompress(arguments: argparse.Namespace, console: Console) -> int:
    from study.codecs.coding import decompress_file

    decompress_file(arguments.codec, arguments.file, arguments.out, console, force=arguments.force)
    return 0


def _import_checkpoint(arguments: argparse.Namespace, console: Console) -> int:
    from model.partition import PartitionConfig, usual_voxel_depth
    from study.codecs.published_checkpoint import import_checkpoint

    if arguments.export:
        return _export_checkpoint(arguments, console)
    if arguments.arguments is None:
        raise StudyError(
            "a checkpoint does not say how it was trained: give its arguments too, as in "
            "`study import-checkpoint ckpt-best.pth args.json OUT`"
        )
    if arguments.force:
        raise StudyError("--force is for --export: a codec's folder is never replaced; remove it")
    given = arguments.cube_size
    cube_size = _PUBLISHED_CUBE_SIZE if given is None else given
    partition = PartitionConfig(cube_size, voxel_depth=usual_voxel_depth(cube_size))
    codec = import_checkpoint(arguments.source, arguments.arguments, arguments.out, partition)
    _print_codec(arguments.out, codec, console)
    return 0


def _export_checkpoint(arguments: argparse.Namespace, console: Console) -> int:
    from study.codecs.published_checkpoint import export_checkpoint

    if arguments.cube_size is not None:
        raise StudyError("a checkpoint says nothing of cubes: leave --cube-size out with --export")
    export_checkpoint(arguments.source, arguments.out, arguments.arguments, force=arguments.force)
    console.print(f"[bold]{escape(str(arguments.out))}[/]", soft_wrap=True)
    return 0


def _print_codec(folder: Path, codec: CloudCodec, console: Console, told: str = "") -> None:
    console.print(
        f"[bold]{escape(str(folder))}[/]  codec {codec.codec_id.hex()}{told}", soft_wrap=True
    )


def _evaluate(arguments: argparse.Namespace, console: Console) -> int:
    from study.codecs.weighing import evaluate_files

    evaluate_files(arguments.codec, arguments.clouds, arguments.out, console, force=arguments.force)
    return 0


def _baseline(arguments: argparse.Namespace, console: Console) -> int:
    from study.codecs.weighing import draco_files

    draco_files(arguments.clouds, arguments.out, console, force=arguments.force)
    return 0


COMMANDS = {
    "export": _export,
    "compress": _compress,
    "decompress": _decompress,
    "import-checkpoint": _import_checkpoint,
    "evaluate": _evaluate,
    "baseline": _baseline,
}
