"""Options that several commands have, and how the words given with options are read."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.commands.declared.command import OneOf, Option
from study.zoo.catalog import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Callable


def whole_number(least: int, most: int | None = None) -> Callable[[str], int]:
    """Return what reads a whole number from `least` to `most`."""
    ends = f"from {least} on" if most is None else f"from {least} to {most:,}"

    def read(text: str) -> int:
        if text.isascii() and text.isdigit() and least <= int(text) <= (most or math.inf):
            return int(text)
        raise ArgumentTypeError(f"must be a whole number {ends}, not {text!r}")

    return read


def number_above(bound: float) -> Callable[[str], float]:
    """Return what reads a finite number above `bound`."""

    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if bound < number < math.inf:
            return number
        raise ArgumentTypeError(f"must be a number above {bound:g}, not {text!r}")

    return read


def list_of(read_one: Callable[[str], Any]) -> Callable[[str], tuple[Any, ...]]:
    """Return what reads a list with commas; what is in it twice counts once."""

    def read(text: str) -> tuple[Any, ...]:
        return tuple(dict.fromkeys(read_one(part.strip()) for part in text.split(",")))

    return read


def slices(text: str) -> tuple[tuple[str, int], ...]:
    """Read ``none`` or ``loss.bpp_lambda=8+loss.chamfer_coe=2``."""
    if text == "none":
        return ()
    pairs = [part.partition("=") for part in text.split("+")]
    if not all(name and count.isascii() and count.isdigit() for name, _, count in pairs):
        raise ArgumentTypeError(
            "must be none, or a range and a number of slices such as loss.bpp_lambda=8, not "
            f"{text!r}"
        )
    return tuple((name, int(count)) for name, _, count in pairs)


STUDY = Option("name", "the study's name", metavar="NAME")
ROOT = Option("--root", "where the studies are (%(default)s)", type=Path, default=Path("studies"))
STUDY_FILE = Option(
    "file",
    "the study file, or one that comes with the package: quickstart, voxel or vae, where no file "
    "or folder has that name; without it, the quick start",
    nargs="?",
    type=Path,
    metavar="STUDY.yaml",
)
ADDRESS = Option(
    "--address", "a running Ray cluster to join, instead of starting Ray on this machine"
)
CODEC = Option(
    "codec",
    "the codec's folder, or its address in MLflow's registry, such as models:/dpcc-codec@knee, or "
    "one that comes with the package (`study zoo`): `octree` needs no network; a folder of such a "
    "name comes first",
    type=Path,
    metavar="CODEC",
)
CODEC_OR_DEFAULT = replace(CODEC, nargs="?", help=f"{CODEC.help}; without it, {DEFAULT}")
CODEC_OR_WRITER = replace(
    CODEC, nargs="?", help=f"{CODEC.help}; without it, that of the package's which wrote the file"
)
FAMILY = Option(
    "--family",
    "of a codec that a family of your own wrote: where that is, as module:Class; its code is run",
    metavar="FAMILY",
)
EDGE = (
    OneOf(
        (
            Option(
                "--edge",
                "of an octree codec: the edge of a voxel, in the units of the cloud; points on a "
                "grid of that edge come back exactly (equal ones once, without --counts exact)",
                type=number_above(0),
                metavar="X",
            ),
            Option(
                "--depth",
                "of an octree codec: the edge is the cloud's longest side, halved so many times "
                "(6, or as the codec's folder says)",
                type=whole_number(0, 21),
                metavar="N",
            ),
        )
    ),
    Option(
        "--counts",
        "of an octree codec: whether files tell how many points each voxel has, exactly or in "
        "coarse steps (none, or as the codec's folder says)",
        choices=("none", "coarse", "exact"),
    ),
    Option(
        "--placing",
        "of an octree codec: whether points are decoded at the centres of voxels or, which is "
        "mostly nearer, between neighbouring ones (auto, or as the codec's folder says: at the "
        "centres where points lie there, or are alone in their voxels)",
        choices=("auto", "centres", "between"),
    ),
)
"""Options of octree codecs."""
FORCE = Option("--force", "replace a file that is there already", action="store_true")
FORMAT = Option(
    "--format",
    "of the numbers: compressai (JSON with means over clouds and the numbers of each) or mpeg (the "
    "sheet of MPEG's AI-PCC, a row for each cloud and rate)",
    choices=("compressai", "mpeg"),
)
