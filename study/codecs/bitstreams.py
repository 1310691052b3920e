"""Bitstreams that others can check: the files of several codecs, with all that decoding needs."""

from __future__ import annotations

import hashlib
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from model.bag.codec import BagCodec
from model.cloud_codec import CloudCodec
from model.codec_folder import load_codec, save_codec
from study.base.errors import StudyError
from study.base.output import printable
from study.codecs.bitstream_manifest import (
    FORMAT,
    LONGEST_TEXT,
    MANIFEST,
    CodecEntry,
    FileEntry,
    Manifest,
    this_machine,
)
from study.codecs.cloud_files import file_stems

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from model.codec_folder import AnyCodec
    from study.checkpoints.taken import TakenCodec

    Progress = Callable[[int, int], None]


class NamedCloud(NamedTuple):
    """A cloud to code: (n, 3) points in its own units, and (n, 3) normals or None."""

    name: str
    points: NDArray[np.float64]
    normals: NDArray[np.float32] | None


def points_hash(points: NDArray[np.float64]) -> str:
    """Return the SHA-256 of (m, 3) coordinates, as little-endian float64, point after point."""
    return hashlib.sha256(np.ascontiguousarray(points, dtype="<f8").tobytes()).hexdigest()


def write_bitstreams(
    codecs: Sequence[TakenCodec],
    clouds: Sequence[NamedCloud],
    folder: Path,
    *,
    study: str,
    which: str,
    progress: Progress,
) -> Manifest:
    """Write the files of codecs for clouds into a new folder, whole or not at all.

    Each file is written and decoded by the codec as it is read from the folder.

    Args:
        codecs: of trials of a study.
        clouds: what they code.
        folder: must not exist yet; its parents are made.
        study: the study's name.
        which: what clouds they are.
        progress: told how many files are done, and of how many.

    Raises:
        StudyError: there is something at `folder`, or a cloud lacks normals.
        CodecError: a cloud cannot be coded.
    """
    if not clouds:
        raise StudyError("bitstreams are of one cloud or more, and there is none")
    stems = file_stems([cloud.name for cloud in clouds])
    entries: list[CodecEntry] = []
    files: list[FileEntry] = []
    with _new_folder(folder) as partial:
        for taken in codecs:
            name = f"trial-{taken.record.number:04}"
            save_codec(taken.codec, partial / "codecs" / name, taken.about)
            codec = load_codec(partial / "codecs" / name).codec
            entries.append(
                CodecEntry(
                    name=name,
                    folder=f"codecs/{name}",
                    id=codec.codec_id.hex(),
                    has_ties=_has_ties(codec),
                )
            )
            with_normals = codec.codes_normals
            for stem, cloud in zip(stems, clouds, strict=True):
                if with_normals and cloud.normals is None:
                    raise StudyError(
                        f"the codec of {name} codes normals, and {cloud.name} has none; name "
                        "clouds with normals"
                    )
                data = codec.compress(cloud.points, cloud.normals if with_normals else None)
                decoded = codec.decompress(data).points
                files.append(_write(partial, name, stem, cloud, data, decoded))
                progress(len(files), len(codecs) * len(clouds))
        manifest = Manifest(
            format=FORMAT,
            study=study,
            clouds=which,
            made_by=this_machine(),
            codecs=tuple(entries),
            files=tuple(files),
        )
        (partial / MANIFEST).write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return manifest


def _has_ties(codec: AnyCodec) -> bool:
    """Whether a codec searches neighbours among latents; codecs of other kinds do not."""
    learned = codec.learned if isinstance(codec, BagCodec) else codec
    return isinstance(learned, CloudCodec) and learned.has_ties


def _write(
    folder: Path,
    codec: str,
    stem: str,
    cloud: NamedCloud,
    data: bytes,
    decoded: NDArray[np.float64],
) -> FileEntry:
    """Write a file and its decoded points."""
    entry = FileEntry(
        codec=codec,
        cloud=printable(cloud.name)[:LONGEST_TEXT],
        longest_side=float(np.ptp(cloud.points, axis=0).max()) or 1.0,
        file=f"files/{codec}/{stem}.dpcs",
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        decoded=f"decoded/{codec}/{stem}.npy",
        points=len(decoded),
        points_sha256=points_hash(decoded),
    )
    for place in (entry.file, entry.decoded):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
    (folder / entry.file).write_bytes(data)
    np.save(folder / entry.decoded, np.ascontiguousarray(decoded, dtype="<f8"), allow_pickle=False)
    return entry


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """Yield a folder beside it, which takes its place when the block ends without an error."""
    require_new(folder)
    partial = folder.parent / f".{folder.name}.partial-{os.getpid()}"
    try:
        partial.mkdir(parents=True)
        yield partial
        for path in partial.rglob("*"):
            if path.is_file():
                with path.open("rb") as file:
                    os.fsync(file.fileno())
        partial.rename(folder)
    except OSError as error:
        raise StudyError(
            f"{folder} cannot be written: {error.strerror or error}; check the path, its "
            "permissions and the room on the disk"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def require_new(folder: Path) -> None:
    """Raise StudyError where something is at `folder` already."""
    if folder.exists() or folder.is_symlink():
        raise StudyError(
            f"bitstreams are written into a new folder, and {folder} exists; choose another, or "
            "remove it first"
        )
