"""`study compress` and `study decompress`: files in, files out."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from rich.markup import escape

from model.bag.codec import BagCodec
from model.bag.mixed import CodedMixed
from model.file_head import head_of
from model.octree.contents import CodedOctree
from model.octree.frame import Counts
from study.base.errors import StudyError
from study.base.output import check_free, new_file, printable
from study.clouds import read_cloud, write_cloud
from study.clouds.cloud import unit_normals
from study.clouds.files import COMPRESSED_SUFFIX, require_cloud_file, unknown_suffix
from study.clouds.writing import WRITABLE
from study.codecs.opening import open_any, wish_of, writer_of
from study.report.live import progress_view
from study.zoo.catalog import DEFAULT

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from rich.console import Console

    from model.cloud_codec import CloudCodec
    from model.codec_folder import AnyCodec
    from study.clouds import Cloud

DECODED_SUFFIX = ".decoded.ply"
"""Of decoded clouds, where the user names no file: the original is often beside it as .ply."""


def compress(arguments: argparse.Namespace, console: Console) -> int:
    """Compress a cloud, and say how small it became."""
    source, force = arguments.cloud_file, arguments.force
    _require_codec_first("compress", arguments.codec, source)
    require_cloud_file(source)
    target = arguments.out or source.parent / f"{source.stem}{COMPRESSED_SUFFIX}"
    if target.exists() and source.exists() and target.samefile(source):
        raise StudyError(f"{source} would be replaced by its own compressed file; name another")
    read = read_cloud(source, arguments.cloud, samples=arguments.samples)
    check_free(target, force=force)
    wish = wish_of(arguments)
    codec = open_any(arguments.codec or Path(DEFAULT), wish, arguments.family)
    _warn_of_losses(read, codes_normals=codec.codes_normals)
    started = time.perf_counter()
    with progress_view(console, "compressing", "patches") as on_progress:
        data = codec.compress(
            read.points, read.normals if codec.codes_normals else None, on_progress
        )
    seconds = time.perf_counter() - started
    with new_file(target, force=force) as partial:
        partial.write_bytes(data)
    count = len(read.points)
    held, note = _contents(codec, data)
    console.print(
        f"[bold]{escape(str(target))}[/]  {_points(count)} in {len(data):,} bytes, "
        f"{8 * len(data) / count:.3f} bpp, {seconds:.2f} s ({held})",
        soft_wrap=True,
    )
    if note:
        console.print(f"[yellow]note[/]   {note}", soft_wrap=True)
    return 0


def _require_codec_first(command: str, codec: Path | None, source: Path) -> None:
    """Tell who names IN and OUT, but no codec, that the first of two words is taken for it."""
    if codec is not None and codec.is_file():
        raise StudyError(
            f"a codec is a folder or a name, and {codec} is a file; with IN and OUT the codec "
            f"comes first: study {command} {DEFAULT} {codec} {source}"
        )


def _contents(codec: AnyCodec, data: bytes) -> tuple[str, str]:
    """Say what a file holds, and what its user should know about it, if anything."""
    coded = codec.read(data)
    has_others = isinstance(codec, BagCodec)
    if isinstance(coded, CodedOctree):
        return _octree_contents(coded) + ", by the octree alone" * has_others, ""
    if isinstance(coded, CodedMixed):
        return _mixed_contents(coded), ""
    leaves = coded.leaves
    patches = int(leaves.is_patch.sum())
    voxels = len(leaves.is_patch) - patches
    held = f"{patches:,} patch{'es' * (patches != 1)}, {voxels:,} voxel{'s' * (voxels != 1)}"
    if has_others:
        return f"{held}, by the learned codec alone", ""
    if patches:
        return held, ""
    least = cast("CloudCodec", codec).partition.min_points
    return held, (
        "the network coded nothing: no cube of this cloud holds the "
        f"{least:,} points that a patch needs, so voxels stand for all of "
        "them; a codec that was trained with larger cubes (data.cube_size) suits sparse clouds"
    )


def _mixed_contents(coded: CodedMixed) -> str:
    learned, voxels = len(coded.learned.latents), len(coded.voxels)
    return (
        f"{learned:,} of {coded.patches:,} patches by the learned codec, "
        f"{_points(coded.header.by_octree)} by the octree, in {voxels:,} "
        f"voxel{'s' * (voxels != 1)}"
    )


def _octree_contents(coded: CodedOctree) -> str:
    voxels = len(coded.voxels)
    held = f"{voxels:,} voxel{'s' * (voxels != 1)} of edge {coded.frame.edge:.6g}"
    if coded.frame.counts == Counts.NONE:
        return held
    how = "coarse" if coded.frame.counts == Counts.COARSE else "exact"
    return f"{held}, with {how} numbers of points"


def decompress(arguments: argparse.Namespace, console: Console) -> int:
    """Decompress a file, and say what came out."""
    source, force = arguments.file, arguments.force
    _require_codec_first("decompress", arguments.codec, source)
    target = arguments.out or source.parent / f"{source.stem}{DECODED_SUFFIX}"
    if target.suffix.lower() not in WRITABLE:
        raise StudyError(unknown_suffix(target, "written", WRITABLE))
    try:
        data = source.read_bytes()
    except OSError as error:
        raise StudyError(
            f"the compressed file {source} cannot be read ({error.strerror}); check the path"
        ) from error
    head_of(data)  # What is no compressed file is told before anything of the output.
    check_free(target, force=force)
    codec = open_any(arguments.codec or Path(writer_of(data)), family=arguments.family)
    started = time.perf_counter()
    with progress_view(console, "decompressing", "patches") as on_progress:
        decoded = codec.decompress(data, on_progress, most_points=arguments.most_points)
    seconds = time.perf_counter() - started
    normals = decoded.normals
    if normals is not None:  # the network promises no length
        normals = np.nan_to_num(unit_normals(normals)[0])
    lost = write_cloud(target, decoded.points, normals)
    _warn(f"{target.suffix} files hold no", lost)
    console.print(
        f"[bold]{escape(str(target))}[/]  {_points(len(decoded.points))} (of "
        f"{decoded.original_points:,}) from {len(data):,} bytes, {seconds:.2f} s",
        soft_wrap=True,
    )
    return 0


def _points(count: int) -> str:
    return f"{count:,} point{'s' * (count != 1)}"


def _warn_of_losses(cloud: Cloud, *, codes_normals: bool) -> None:
    """Name on stderr what the file holds and the codec does not code."""
    normals = ("normals",) if cloud.normals is not None and not codes_normals else ()
    _warn("this codec does not code", (*normals, *cloud.uncoded))


def _warn(reason: str, lost: Sequence[str]) -> None:
    if lost:
        sys.stderr.write(f"warning: {reason} {printable(', '.join(lost))[:1000]}: left out\n")
