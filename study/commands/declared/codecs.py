"""Commands around one codec: code files with it, measure it, make another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from study.clouds.sampling import DEFAULT_SAMPLES, MOST_SAMPLES
from study.commands.declared.command import Command, Option
from study.commands.declared.options import (
    CODEC,
    CODEC_OR_DEFAULT,
    CODEC_OR_WRITER,
    EDGE,
    FAMILY,
    FORCE,
    FORMAT,
    list_of,
    whole_number,
)

PUBLISHED_CUBE_SIZE = 22.0
"""What D-PCC cut ShapeNet's objects with; SemanticKITTI's sweeps it cut with 12."""

COMPRESS = Command(
    "compress",
    "compress a point cloud with a codec",
    options=(
        CODEC_OR_DEFAULT,
        FAMILY,
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
        *EDGE,
    ),
    about="""\
examples:
  study compress chair.ply                     the codec that comes with the package; chair.dpcs
  study compress chair.ply --depth 5           ... in finer voxels, so better and longer
  study compress codec chair.ply               with a codec that was exported
  study compress codec sweep.bin small.dpcs    KITTI's format; also LAS, npy, OBJ, ...
  study compress codec chair.obj --samples 50000
                                               a mesh is sampled uniformly by area
  study compress codec sweeps.npz --cloud first
  study compress models:/dpcc-codec@knee chair.ply
                                               a codec that `study export --register` registered
  study compress octree chair.ply --depth 7    without a trained codec: voxels of 1/128 of the side
  study compress octree sweep.las --edge 0.001 --counts exact
                                               lossless, where coordinates are whole millimetres""",
    run="study.commands.coding:compress",
)

DECOMPRESS = Command(
    "decompress",
    "decompress what `compress` wrote",
    options=(
        CODEC_OR_WRITER,
        FAMILY,
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
  study decompress chair.dpcs                  what `study compress chair.ply` wrote
  study decompress codec chair.dpcs            writes chair.decoded.ply
  study decompress octree chair.dpcs           what `study compress octree` wrote
  study decompress codec chair.dpcs chair.npy  or .npz, or KITTI's .bin""",
    run="study.commands.coding:decompress",
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

YARDSTICKS = ("octree", "draco", "draco-merged", "gpcc")
"""What `study baseline` measures by itself."""

_CLOUDS = Option("clouds", "what to code", nargs="+", type=Path, metavar="CLOUD")
_NUMBERS = Option(
    "--out",
    "where the numbers go; without it, CODEC-evaluation.json, or .csv as a sheet",
    type=Path,
    metavar="FILE",
)

EVALUATE = Command(
    "evaluate",
    "measure a codec on clouds of yours",
    options=(CODEC, FAMILY, _CLOUDS, _NUMBERS, *EDGE, FORMAT, FORCE),
    about="""\
examples:
  study evaluate codec clouds/*.ply                     writes codec-evaluation.json
  study evaluate codec clouds/*.ply --out mine.json
  study evaluate octree clouds/*.ply --depth 5          the octree, without a trained codec
  study evaluate codec clouds/*.ply --format mpeg       writes codec-evaluation.csv""",
    run="study.commands.measuring:evaluate",
)

BASELINE = Command(
    "baseline",
    "measure another codec, to compare with",
    options=(
        Option(
            "codec",
            "octree (ours); draco (Google's); draco-merged (the same without equal "
            "points, fair for D1); gpcc (MPEG's); or a result file of others: CompressAI's JSON or "
            "a sheet of MPEG's AI-PCC",
            metavar="CODEC|FILE",
        ),
        replace(_CLOUDS, nargs="*"),
        Option(
            "--tmc3",
            "your copy of MPEG's program for G-PCC; without it, gpcc is what was recorded of the "
            "embedded objects",
            metavar="PATH",
        ),
        _NUMBERS,
        FORMAT,
        FORCE,
    ),
    about="""\
examples:
  study baseline octree clouds/*.ply                    writes octree-evaluation.json
  study baseline draco clouds/*.ply
  study front quickstart-001 --baseline draco-evaluation.json
                                                        draws it beside the front
  study baseline gpcc clouds/*.ply                      where the clouds are embedded objects
  study baseline gpcc clouds/*.ply --tmc3 ~/bin/tmc3    any clouds, by your own program
  study baseline theirs.csv clouds/*.ply                shows a sheet; the clouds tell how many
                                                        points its rates are over
  study baseline theirs.csv clouds/*.ply --out theirs.json
                                                        ... and writes it in the other format""",
    run="study.commands.measuring:baseline",
    check="study.commands.checks:check_baseline",
)

TRAIN_TABLES = Command(
    "train-tables",
    "make an octree codec that knows clouds like yours",
    options=(
        replace(_CLOUDS, help="what to learn from; `embedded`: the objects of the package"),
        Option("out", "the octree codec's folder, a new one", type=Path, metavar="OUT"),
        Option(
            "--depths",
            "voxels to learn from: edges of the longest side, halved so many times (3,4,5,6,7)",
            type=list_of(whole_number(0, 20)),
            default=(3, 4, 5, 6, 7),
            metavar="LIST",
        ),
        Option(
            "--seed",
            "of the order and of the exact edges (%(default)s)",
            type=whole_number(0),
            default=0,
            metavar="N",
        ),
    ),
    about="""\
Every cloud is coded with voxels of every depth, and what the coder has seen then is where later
files begin. It takes seconds. One cloud in five is kept aside first, to say what tables are worth;
the codec's own tables are of all clouds.

examples:
  study train-tables clouds/*.ply octree-codec
  study train-tables sweeps/*.bin sweeps-codec --depths 9,10,11,12,13
                                                        for voxels of centimetres in a street
  study train-tables embedded octree-codec              the package's own objects, those of the
                                                        default recipe's training split
  study compress octree-codec chair.ply --depth 5       and then as any codec""",
    run="study.commands.tables:train",
)

ZOO = Command(
    "zoo",
    "list the codecs that come with the package",
    options=(),
    about="""\
Each with what its files take and keep on objects that nobody trained on; `study compress` takes
their names in the place of a codec's folder.

example:
  study zoo""",
    run="study.commands.zoo:show",
)

COMMANDS = (COMPRESS, DECOMPRESS, ZOO, TRAIN_TABLES, IMPORT_CHECKPOINT, EVALUATE, BASELINE)
