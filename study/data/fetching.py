"""Data sets on machines that do not see the driver's disk: fetched once, kept by their content."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from study.base.errors import StudyError
from study.data.dataset import open_data_set
from study.data.manifest import FILE_NAME, read_manifest
from study.data.whole import locked, new_folder, remove_stale

if TYPE_CHECKING:
    from collections.abc import Iterator

_CACHE = "dpcc-study/data"


class Reader(Protocol):
    """Reads files of another disk."""

    def __call__(self, file: str, offset: int, /) -> bytes:
        """Return some bytes of a file from an offset on; none at its end."""


def cache_root() -> Path:
    """Return where this machine keeps what it has fetched: below XDG_CACHE_HOME or ~/.cache."""
    usual = Path.home() / ".cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or usual) / _CACHE


def fetched(folder: Path, read: Reader, root: Path | None = None) -> Path:
    """Return a data set on this machine: where it lies if it is seen, or a copy.

    A copy has the hash of the data set's manifest in its name, which has those of all its files. It
    appears when it is whole, every file was compared with its hash, and the disk has it. Several
    processes may call this at once: one fetches, the others wait.

    Args:
        folder: where the driver has it.
        read: reads the driver's files.
        root: of all copies; None: `cache_root`.

    Raises:
        StudyError: it is damaged, or this machine's disk refuses.
        OSError: the driver has no such data set.
    """
    manifest = b"".join(_parts(f"{folder}/{FILE_NAME}", read))
    if _has(folder, manifest):
        return folder
    root = root or cache_root()
    digest = hashlib.sha256(manifest).hexdigest()
    copy = root / f"{folder.name}-{digest[:16]}"
    if not copy.exists():
        try:
            with locked(root):
                remove_stale(root)
                if not copy.exists():  # else another process fetched it while this one waited
                    _fetch(folder, manifest, read, copy)
        except OSError as error:
            raise StudyError(
                f"a machine that does not see the driver's disk keeps a copy of the data set in "
                f"{root}, but cannot write it there ({error.strerror or error}); make room, or let "
                "XDG_CACHE_HOME name another folder"
            ) from error
    return copy


def _has(folder: Path, manifest: bytes) -> bool:
    """Tell whether a folder here is the driver's, or a true copy."""
    try:
        return (folder / FILE_NAME).read_bytes() == manifest
    except OSError:
        return False


def _fetch(folder: Path, manifest: bytes, read: Reader, copy: Path) -> None:
    with new_folder(copy) as partial:
        (partial / FILE_NAME).write_bytes(manifest)
        for name in read_manifest(partial).files:
            with (partial / name).open("wb") as file:
                for part in _parts(f"{folder}/{name}", read):
                    file.write(part)
                file.flush()
                os.fsync(file.fileno())
        open_data_set(partial, verify=True)


def _parts(file: str, read: Reader) -> Iterator[bytes]:
    offset = 0
    while part := read(file, offset):
        yield part
        offset += len(part)
