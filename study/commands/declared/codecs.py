"""Commands around one codec: take it out of a study, code files with it, measure it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from study.clouds.sampling import DEFAULT_SAMPLES, MOST_SAMPLES
from study.commands.declared.command import Command, OneOf, Option
from study.commands.declared.options import CODEC, FORCE, ROOT, STUDY, whole_number

PUBLISHED_CUBE_SIZE = 22.0
"""What D-PCC cut ShapeNet's objects with; SemanticKITTI's sweeps it cut with 12."""

EXPORT = Command(
    "export",
    "take a codec out of a study",
    options=(
        STUDY,
        OneOf(
            (
                Option("--trial", "this trial", type=int, metavar="N"),
                Option(
                    "--knee",
                    "the point of the front farthest below the line between its two ends",
                    action="store_true",
                ),
                Option("--max-bpp", "the best D1 PSNR within a rate", type=float, metavar="X"),
                Option("--min-psnr", "the lowest rate for a D1 PSNR", type=float, metavar="X"),
                Option(
                    "--points",
                    "every point of the front that has a name, in folders OUT/knee, OUT/low-rate, "
                    "...",
                    action="store_true",
                ),
                Option(
                    "--clouds",
                    "no codec, but the validation clouds that all were measured on, as PLY files "
                    "in OUT",
                    action="store_true",
                ),
                Option(
                    "--bitstreams",
                    "the compressed files of the whole front, of the validation clouds or those of "
                    "--on, with all that `study verify` needs to check them elsewhere",
                    action="store_true",
                ),
            ),
            required=True,
        ),
        Option(
            "--on",
            "with --bitstreams: code this file's clouds, in place of the validation clouds; may be "
            "repeated",
            type=Path,
            action="append",
            metavar="CLOUD",
        ),
        Option(
            "--epoch",
            "with --trial: its codec after this epoch, where that is kept (after the last)",
            type=int,
            metavar="E",
        ),
        Option(
            "--register",
            "make it a version in MLflow's model registry, with the names of its point of the "
            "front as aliases; OUT may then be left out",
            action="store_true",
        ),
        Option(
            "--alias",
            "with --register: another alias for it; may be repeated",
            action="append",
            metavar="NAME",
        ),
        Option("out", "the codec's folder, a new one", nargs="?", type=Path, metavar="OUT"),
        ROOT,
    ),
    about="""\
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
                                                       ... as models:/dpcc-codec@chairs
  study export quickstart-001 --clouds clouds          the clouds that its codecs were measured on,
                                                       for `study baseline draco clouds/*.ply`
  study export quickstart-001 --bitstreams bits        the files of all codecs of the front, for
                                                       `study verify bits` on another machine""",
    run="study.commands.export:export",
    check="study.commands.checks:check_export",
)

COMPRESS = Command(
    "compress",
    "compress a point cloud with a codec",
    options=(
        CODEC,
        Option("cloud_file", "the cloud", type=Path, metavar="IN"),
        Option(
            "out",
            "the compressed file; without it, IN with the suffix .dpcs",
            nargs="?",
            type=Path,
            metavar="OUT",
        ),
        FORCE,
        Option("--cloud", "which cloud, where IN holds several", metavar="NAME"),
        Option(
            "--samples",
            "points to take from a mesh (%(default)s)",
            type=whole_number(1, MOST_SAMPLES),
            default=DEFAULT_SAMPLES,
            metavar="N",
        ),
    ),
    about="""\
examples:
  study compress codec chair.ply               writes chair.dpcs
  study compress codec sweep.bin small.dpcs    KITTI's format; also LAS, npy, OBJ, ...
  study compress codec chair.obj --samples 50000
                                               a mesh is sampled uniformly by area
  study compress codec sweeps.npz --cloud first
  study compress models:/dpcc-codec@knee chair.ply
                                               a codec that `study export --register` registered""",
    run="study.commands.coding:compress",
)

DECOMPRESS = Command(
    "decompress",
    "decompress what `compress` wrote",
    options=(
        CODEC,
        Option("file", "the compressed file", type=Path, metavar="IN"),
        Option(
            "out",
            "the cloud; without it, IN with the suffix .decoded.ply",
            nargs="?",
            type=Path,
            metavar="OUT",
        ),
        FORCE,
        Option(
            "--most-points",
            "refuse to make more points; without it, more than 16 for each that the cloud had",
            type=whole_number(1),
            metavar="N",
        ),
    ),
    about="""\
It needs the codec that compressed the file, on this machine or any other; the file says which one
that was.

examples:
  study decompress codec chair.dpcs            writes chair.decoded.ply
  study decompress codec chair.dpcs chair.npy  or .npz, or KITTI's .bin""",
    run="study.commands.coding:decompress",
)

VERIFY = Command(
    "verify",
    "check that bitstreams are decoded here to what they were elsewhere",
    options=(Option("folder", "what `export --bitstreams` wrote", type=Path, metavar="FOLDER"),),
    about="""\
It decodes every file and compares the points with the recorded ones. Files are the same everywhere,
points but for rounding: at most 1e-4 of the cloud's longest side. A count of points that differs
rarely is told, and is no failure; docs/codecs.md has the rule.

Exit code: 0 all is as promised, 1 it is not, 2 the folder cannot be used.

examples:
  study verify bits       what `study export quickstart-001 --bitstreams bits` wrote elsewhere""",
    run="study.commands.verify:run",
)

IMPORT_CHECKPOINT = Command(
    "import-checkpoint",
    "make a codec of a published D-PCC checkpoint",
    options=(
        Option("source", "the state_dict", type=Path, metavar="CKPT.pth"),
        Option("arguments", "what it was trained with", nargs="?", type=Path, metavar="ARGS.json"),
        Option("out", "the codec's folder, a new one", type=Path, metavar="OUT"),
        Option(
            "--cube-size",
            "edge of a patch where the longest side of a cloud is 100, as it was in training "
            f"({PUBLISHED_CUBE_SIZE:g}, which is D-PCC's for ShapeNet)",
            type=float,
            metavar="X",
        ),
        Option(
            "--export",
            "the way back: from a codec's folder to a checkpoint",
            action="store_true",
        ),
        replace(FORCE, help="with --export: replace files that are there already"),
    ),
    about="""\
examples:
  study import-checkpoint ckpt-best.pth args.json codec
                                   makes a codec of a checkpoint of the published D-PCC code
  study import-checkpoint ckpt-best.pth args.json codec --cube-size 12
                                   ... that was trained on SemanticKITTI
  study import-checkpoint --export codec out.pth
                                   the way back: any codec as a checkpoint for the published code
  study import-checkpoint --export codec args.json out.pth
                                   ... with the arguments it has to be loaded with""",
    run="study.commands.published:convert",
    check="study.commands.checks:check_import",
)

_CLOUDS = Option("clouds", "what to code", nargs="+", type=Path, metavar="CLOUD")
_NUMBERS = Option(
    "--out",
    "where the numbers go; without it, CODEC-evaluation.json",
    type=Path,
    metavar="FILE.json",
)

EVALUATE = Command(
    "evaluate",
    "measure a codec on clouds of yours",
    options=(CODEC, _CLOUDS, _NUMBERS, FORCE),
    about="""\
examples:
  study evaluate codec clouds/*.ply                     writes codec-evaluation.json
  study evaluate codec clouds/*.ply --out mine.json""",
    run="study.commands.measuring:evaluate",
)

BASELINE = Command(
    "baseline",
    "measure another codec, to compare with",
    options=(
        Option("codec", "draco (Google's)", choices=("draco",)),
        _CLOUDS,
        _NUMBERS,
        FORCE,
    ),
    about="""\
examples:
  study baseline draco clouds/*.ply                     writes draco-evaluation.json
  study front quickstart-001 --baseline draco-evaluation.json
                                                        draws it beside the front""",
    run="study.commands.measuring:baseline",
)

COMMANDS = (EXPORT, VERIFY, COMPRESS, DECOMPRESS, IMPORT_CHECKPOINT, EVALUATE, BASELINE)
