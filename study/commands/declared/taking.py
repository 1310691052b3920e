"""Commands that take codecs out of a study, and check what was taken."""

from __future__ import annotations

from pathlib import Path

from study.commands.declared.command import Command, OneOf, Option
from study.commands.declared.options import ROOT, STUDY

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
            "--members",
            "who codes its files: `learned`, or `learned,octree`, whichever is cheaper (as "
            "codec.members of the study says)",
            choices=("learned", "learned,octree"),
            metavar="MEMBERS",
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
  study export quickstart-001 --knee --members learned,octree codec
                                                       ... whose files the octree writes where that
                                                       is cheaper at equal quality
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
  study verify bits        bits: from `study export quickstart-001 --bitstreams bits` elsewhere""",
    run="study.commands.verify:run",
)

COMMANDS = (EXPORT, VERIFY)
