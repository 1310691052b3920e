"""The commands around one codec: code files with it, weigh it, exchange it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from study.base.errors import StudyError
from study.commands import export as export_cli

if TYPE_CHECKING:
    from rich.console import Console

    from model.cloud_codec import CloudCodec

_SHAPE = argparse.RawDescriptionHelpFormatter
_CODEC = "the codec's folder, or its address in MLflow's registry, such as models:/dpcc-codec@knee"

_COMPRESS = """\
examples:
  study compress codec chair.ply               writes chair.dpcs
  study compress codec sweep.bin small.dpcs    KITTI's format; also LAS, npy, OBJ, ...
  study compress codec chair.obj --samples 50000
                                               a mesh is sampled uniformly by area
  study compress codec sweeps.npz --cloud first
  study compress models:/dpcc-codec@knee chair.ply
                                               a codec that `study export --register` registered"""

_DECOMPRESS = """\
Needs the codec that compressed the file, on this machine or any other; the file says which it was.

examples:
  study decompress codec chair.dpcs            writes chair.decoded.ply
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
    export_cli.add_command(commands)
    compress = _add(commands, "compress", "compress a point cloud with a codec", _COMPRESS)
    compress.add_argument("codec", type=Path, metavar="CODEC", help=_CODEC)
    compress.add_argument("cloud_file", type=Path, metavar="IN", help="the cloud")
    _add_output(compress, "the compressed file; without it, IN with the suffix .dpcs")
    compress.add_argument("--cloud", metavar="NAME", help="which cloud, where IN holds several")
    compress.add_argument(
        "--samples", type=_count, metavar="N", help="points to take from a mesh (100000)"
    )
    decompress = _add(commands, "decompress", "decompress what `compress` wrote", _DECOMPRESS)
    decompress.add_argument("codec", type=Path, metavar="CODEC", help=_CODEC)
    decompress.add_argument("file", type=Path, metavar="IN", help="the compressed file")
    _add_output(decompress, "the cloud; without it, IN with the suffix .decoded.ply")
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
    evaluate.add_argument("codec", type=Path, metavar="CODEC", help=_CODEC)
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


def _print_codec(folder: Path, codec: CloudCodec, console: Console) -> None:
    console.print(f"[bold]{escape(str(folder))}[/]  codec {codec.codec_id.hex()}", soft_wrap=True)


def _evaluate(arguments: argparse.Namespace, console: Console) -> int:
    from study.codecs.weighing import evaluate_files

    evaluate_files(arguments.codec, arguments.clouds, arguments.out, console, force=arguments.force)
    return 0


def _baseline(arguments: argparse.Namespace, console: Console) -> int:
    from study.codecs.weighing import draco_files

    draco_files(arguments.clouds, arguments.out, console, force=arguments.force)
    return 0


COMMANDS = {
    "export": export_cli.export,
    "compress": _compress,
    "decompress": _decompress,
    "import-checkpoint": _import_checkpoint,
    "evaluate": _evaluate,
    "baseline": _baseline,
}
