"""The end of a run: its chosen codec at work on an object that no trial has seen."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from model.errors import CodecError
from study.clouds import Cloud, read_cloud
from study.clouds.files import COMPRESSED_SUFFIX
from study.codecs.baseline import DEFAULT_BITS, Draco
from study.codecs.export import export
from study.codecs.operating_point import Wish
from study.commands.ending import short
from study.config.judging import judge
from study.data import open_data_set
from study.errors import StudyError
from study.metrics import PsnrConvention, d1_psnr_db

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from rich.console import Console

    from study.config import StudyConfig
    from study.driver.runner import Ended

_FRESH_PROCESS_TIMEOUT_S = 60.0
_SLOWEST_POINTS_PER_S = 10_000
CODEC, COMPRESSED, DECODED = "codec", f"test-object{COMPRESSED_SUFFIX}", "test-object.ply"
"""What is left in the study's folder."""


@dataclass(frozen=True)
class Shown:
    """One line of the comparison: what one codec made of the object."""

    name: str
    file_bytes: int
    bpp: float
    d1_psnr_db: float
    encode_s: float
    decode_s: float


def demonstrate(config: StudyConfig, ended: Ended, console: Console) -> None:
    """Export the knee of the front, compress a test object with it, and compare with Draco.

    The object is decoded once more by `study decompress` in a process of its own, and both must
    give the same points. It never fails the run that it ends: what goes wrong is told as a note.
    """
    if not judge(config, ended.records).front:
        return
    try:
        _demonstrate(ended, console)
    except (StudyError, CodecError, OSError, subprocess.SubprocessError) as error:
        console.print(f"[yellow]note[/]   no example: {escape(str(error))}", soft_wrap=True)


def _demonstrate(ended: Ended, console: Console) -> None:
    place = ended.folder.path
    # A study that went on has another knee, perhaps, than when it ended first.
    shutil.rmtree(place / CODEC, ignore_errors=True)
    exported = export(ended.folder, Wish(knee=True), place / CODEC)
    objects = open_data_set(exported.data).clouds("test")
    if not objects:
        raise StudyError("no object was held out to test on; let test_fraction be above 0")
    example = objects[0]
    console.print(f"\n[dim]compressing {escape(example.name)}, which no trial has seen …[/]")
    points = np.asarray(example.points)
    normals = example.normals if exported.codec.coder.config.compress_normal else None
    name = f"trial {exported.record.number}, the knee"
    ours, data, decoded = _code(
        name,
        points,
        lambda: exported.codec.compress(points, normals),
        lambda data: exported.codec.decompress(data).points,
    )
    (place / COMPRESSED).write_bytes(data)
    process_s = _decompress_elsewhere(place, len(points))
    if not np.array_equal(read_cloud(place / DECODED).points, decoded):
        raise StudyError(
            "a fresh process decoded other points from the same file; please report it"
        )
    console.print(_table(example.name, len(points), [ours, *_draco_near(points, ours, console)]))
    if normals is not None:
        console.print("[dim]The codec's file holds the normals too, Draco's does not.[/]")
    console.print(
        f"The same points came out of a process of its own, which took {process_s:.1f} s with its "
        f"start.\n[bold]{escape(short(place / CODEC))}[/]  the codec; `study export` takes others",
        soft_wrap=True,
    )


def _code(
    name: str,
    points: NDArray[np.float64],
    compress: Callable[[], bytes],
    decompress: Callable[[bytes], NDArray[np.float64]],
) -> tuple[Shown, bytes, NDArray[np.float64]]:
    """Compress and decompress, with a line about it; the file, and the points that came out."""
    started = time.perf_counter()
    data = compress()
    between = time.perf_counter()
    decoded = decompress(data)
    ended = time.perf_counter()
    psnr_db = d1_psnr_db(points, decoded, PsnrConvention().peak_of(points))
    rate = 8 * len(data) / len(points)
    shown = Shown(name, len(data), rate, psnr_db, between - started, ended - between)
    return shown, data, decoded


def _decompress_elsewhere(place: Path, points: int) -> float:
    """Let `study decompress` decode the file in a process of its own; return what that took."""
    started = time.perf_counter()
    words = ("decompress", place / CODEC, place / COMPRESSED, place / DECODED, "--force")
    done = subprocess.run(  # noqa: S603 (the command is ours)
        [sys.executable, "-m", "study", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=_FRESH_PROCESS_TIMEOUT_S + points / _SLOWEST_POINTS_PER_S,
        check=False,
    )
    if done.returncode:
        raise StudyError(f"the compressed object could not be decompressed: {done.stderr.strip()}")
    return time.perf_counter() - started


def _draco_near(points: NDArray[np.float64], ours: Shown, console: Console) -> list[Shown]:
    """Return Draco's lines at the rates next to ours; none where it is not installed."""
    # Draco computes in single precision, which is finest at the origin.
    cloud = Cloud(points - points.min(axis=0), None, ())
    try:
        sizes = sorted((len(Draco(bits).compress(cloud)), bits) for bits in DEFAULT_BITS)
    except StudyError as error:
        console.print(f"[yellow]note[/]   {escape(str(error))}", soft_wrap=True)
        return []
    smaller = [bits for size, bits in sizes if size <= ours.file_bytes]
    larger = [bits for size, bits in sizes if size > ours.file_bytes]
    return [_draco_line(Draco(bits), cloud) for bits in smaller[-1:] + larger[:1]]


def _draco_line(draco: Draco, cloud: Cloud) -> Shown:
    shown, _, _ = _code(
        f"Draco, {draco.bits} bits",
        cloud.points,
        lambda: draco.compress(cloud),
        lambda data: draco.decompress(data).points,
    )
    return shown


def _table(name: str, points: int, lines: Sequence[Shown]) -> Table:
    table = Table(
        title=f"One test object, {escape(name)}: {points:,} points",
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("codec", no_wrap=True)
    for heading in ("bytes", "bpp", "D1 PSNR dB", "encode s", "decode s"):
        table.add_column(heading, justify="right", no_wrap=True)
    for line in lines:
        table.add_row(
            line.name,
            f"{line.file_bytes:,}",
            f"{line.bpp:.3f}",
            f"{line.d1_psnr_db:.2f}",
            f"{line.encode_s:.3f}",
            f"{line.decode_s:.3f}",
        )
    return table
