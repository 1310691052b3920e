"""`study train-tables`: an octree codec whose tables were trained on the user's clouds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape

from model.codec_folder import save_codec
from model.octree.codec import OctreeCodec, OctreeOptions
from study.base.errors import StudyError
from study.codecs.tables import HELD_OUT, embedded_training_clouds, train_tables
from study.commands.measuring import read_all
from study.config.data import EMBEDDED
from study.report.live import progress_view

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from rich.console import Console

    from study.codecs.tables import Worth


def train(arguments: argparse.Namespace, console: Console) -> int:
    """Train tables, write the codec's folder, and say what the tables are worth."""
    folder: Path = arguments.out
    if folder.exists():
        raise StudyError(
            f"a codec is written into a new folder, and {folder} exists; choose another"
        )
    clouds = _clouds(arguments.clouds)
    with progress_view(console, "training tables", "codings", lines=True) as on_progress:
        tables, worths = train_tables(clouds, arguments.depths, arguments.seed, on_progress)
    about = {
        "trained_on": {
            "clouds": sorted(clouds),
            "points": sum(map(len, clouds.values())),
            "depths": list(arguments.depths),
            "seed": arguments.seed,
        },
        "worth": [vars(worth) for worth in worths],
    }
    codec = OctreeCodec(OctreeOptions(tables=tables))
    save_codec(codec, folder, about)
    console.print(
        f"[bold]{escape(str(folder))}[/]  codec {codec.codec_id.hex()}: an octree, with tables of "
        f"{len(clouds):,} cloud{'s' * (len(clouds) != 1)}",
        soft_wrap=True,
    )
    for line in _told(worths):
        console.print(line, soft_wrap=True)
    return 0


def _clouds(given: list[Path]) -> dict[str, NDArray[np.float64]]:
    """Return the points of all clouds of all files, or of the embedded objects to train on."""
    if [str(path) for path in given] == [EMBEDDED] and not given[0].exists():
        return embedded_training_clouds()
    return {name: cloud.points for name, cloud in read_all(given).items()}


def _told(worths: list[Worth]) -> list[str]:
    if not worths:
        needed = f"that takes {HELD_OUT} clouds or more, some of which are kept aside"
        return [f"what the tables are worth is not known: {needed}"]
    lines = ["octrees of clouds that were kept aside, with tables of the others:"]
    for each in worths:
        change = each.with_bpp / each.without_bpp - 1
        lines.append(
            f"  depth {each.depth:2}  {each.with_bpp:.4f} bpp, {each.without_bpp:.4f} without "
            f"tables ({change:+.1%})"
        )
    return lines
