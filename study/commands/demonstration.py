"""The end of a run: its chosen codec at work on an object that no trial has seen."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from model.errors import CodecError
from study.base.children import child_variables, module_command
from study.base.errors import StudyError
from study.base.next_command import short
from study.checkpoints.export import export
from study.checkpoints.operating_point import Wish
from study.clouds import read_cloud
from study.clouds.files import COMPRESSED_SUFFIX
from study.commands.near import draco_near, gpcc_near, measured, octree_near
from study.config.judging import judge
from study.data import open_data_set
from study.metrics.table import MEASURES, SECONDS, SHOWN, WORK, as_number, why_lacking, work_told

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rich.console import Console

    from study.config import StudyConfig
    from study.driver.runner import Ended
    from study.metrics.measurement import CloudResult
    from study.metrics.sample import Source

_FRESH_PROCESS_TIMEOUT_S = 60.0
_SLOWEST_POINTS_PER_S = 10_000
CODEC, COMPRESSED, DECODED = "codec", f"test-object{COMPRESSED_SUFFIX}", "test-object.ply"
"""What is left in the study's folder."""


_SHOWN = (*SHOWN, *SECONDS)
"""Metrics beside each codec's bytes."""
_MOST_FOR_DENSITY = 50_000
"""Points of an object; of larger ones the density metric takes longer than all the rest."""


def demonstrate(config: StudyConfig, ended: Ended, console: Console) -> None:
    """Export the knee of the front, compress a test object with it, and compare with others.

    The object is decoded once more by `study decompress` in a process of its own, and both must
    give the same points. It never fails the run that it ends: what goes wrong is told as a note.
    """
    if not judge(config, ended.records).front:
        return
    try:
        _demonstrate(config, ended, console)
    except (StudyError, CodecError, OSError, subprocess.SubprocessError) as error:
        console.print(f"[yellow]note[/]   no example: {escape(str(error))}", soft_wrap=True)


def _demonstrate(config: StudyConfig, ended: Ended, console: Console) -> None:
    place = ended.folder.path
    # A study that went on has another knee, perhaps, than when it ended first.
    shutil.rmtree(place / CODEC, ignore_errors=True)
    exported = export(ended.folder, Wish(knee=True), place / CODEC)
    objects = open_data_set(exported.data).clouds("test")
    if not objects:
        raise StudyError("no object was held out to test on; let test_fraction be above 0")
    example = objects[0]
    console.print(f"\n[dim]compressing {escape(example.name)}, which no trial has seen …[/]")
    shown = [m for m in _SHOWN if m != "density" or len(example.points) <= _MOST_FOR_DENSITY]
    ours, coded = measured(exported.codec, example, [*shown, *WORK])
    (place / COMPRESSED).write_bytes(coded.file)
    process_s = _decompress_elsewhere(place, len(example.points), config.family)
    if not np.array_equal(read_cloud(place / DECODED).points, coded.decoded.points):
        raise StudyError(
            "a fresh process decoded other points from the same file; please report it"
        )
    others = _others(example, ours, shown, console)
    console.print(
        _table(example.name, {f"trial {exported.record.number}, the knee": ours, **others})
    )
    for line in work_told(ours.values):
        console.print(f"[dim]our network: {line}[/]", soft_wrap=True, highlight=False)
    console.print(_told(ours, others), soft_wrap=True, highlight=False)
    if exported.codec.codes_normals:
        console.print("[dim]The codec's file holds the normals too, the others' do not.[/]")
    console.print(
        f"A fresh process decoded the same points in {process_s:.1f} s, its start included.\n"
        f"[bold]{escape(short(place / CODEC))}[/]  the codec; `study export` takes others",
        soft_wrap=True,
    )


def _decompress_elsewhere(place: Path, points: int, family: str) -> float:
    """Let `study decompress` decode the file in a process of its own; return what that took."""
    started = time.perf_counter()
    words = ["decompress", place / CODEC, place / COMPRESSED, place / DECODED, "--force"]
    words += ["--family", family]
    done = subprocess.run(  # noqa: S603 (the command is ours)
        module_command("study", *map(str, words)),
        env=os.environ | child_variables(),
        capture_output=True,
        text=True,
        timeout=_FRESH_PROCESS_TIMEOUT_S + points / _SLOWEST_POINTS_PER_S,
        check=False,
    )
    if done.returncode:
        raise StudyError(f"the compressed object could not be decompressed: {done.stderr.strip()}")
    return time.perf_counter() - started


def _others(
    cloud: Source, ours: CloudResult, shown: Sequence[str], console: Console
) -> dict[str, CloudResult]:
    """Return other codecs beside ours, by name: those that are to be had here."""
    lines = octree_near(cloud, ours, shown) | gpcc_near(cloud, ours)
    if not any(name.startswith("G-PCC") for name in lines):
        told = "G-PCC is recorded of the embedded objects with all their points, not of this cloud"
        console.print(f"[dim]{told}[/]", soft_wrap=True)
    try:
        lines |= draco_near(cloud, ours, shown)
    except StudyError as error:
        console.print(f"[yellow]note[/]   {escape(str(error))}", soft_wrap=True)
    return lines


def _told(ours: CloudResult, others: Mapping[str, CloudResult]) -> str:
    """Say plainly what our quality costs elsewhere."""
    octree = next((line for name, line in others.items() if name.startswith("octree")), None)
    if octree is None:
        return "[dim]The octree reaches no such quality.[/]"
    share = octree.file_bytes / ours.file_bytes
    return (
        f"The octree, which needs no training, reaches that D1 PSNR with {share:.0%} of the bytes."
    )


def _table(name: str, lines: Mapping[str, CloudResult]) -> Table:
    points = next(iter(lines.values())).points
    shown = [m for m in _SHOWN if any(line.values.get(m) is not None for line in lines.values())]
    table = Table(
        title=f"One test object, {escape(name)}: {points:,} points",
        title_justify="left",
        title_style="bold",
        caption="\n".join(why_lacking(shown)) or None,
        caption_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("codec", no_wrap=True, vertical="bottom")
    for words in ("bytes", *(MEASURES[metric].heading for metric in shown)):
        table.add_column(words.replace(" ", "\n", 1), justify="right", no_wrap=True)
    for codec, line in lines.items():
        values = (as_number(metric, line.values.get(metric)) for metric in shown)
        table.add_row(codec, f"{line.file_bytes:,}", *values)
    return table
