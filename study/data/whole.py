"""Folders that appear whole or not at all, whatever ends the process that writes them."""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PARTIAL = ".partial"


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Be the only process that makes folders in this one; the lock ends with the process."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (root / ".lock").open("a") as file:
        # Who can open it can hold it, and all others wait: nobody who may not write here anyway.
        mode = os.fstat(file.fileno()).st_mode
        with suppress(PermissionError):  # Another user's, who shares the folder.
            os.fchmod(file.fileno(), 0o660 if mode & 0o020 else 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def remove_stale(root: Path) -> None:
    """Remove what killed processes left. The caller holds the lock, so nobody works on it."""
    for partial in root.glob(f".*{_PARTIAL}"):
        shutil.rmtree(partial)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Yield a folder beside the final place; bring it to the disk and rename it in the end.

    An error in the block leaves nothing. The block brings its files to the disk itself.
    """
    partial = folder.with_name(f".{folder.name}{_PARTIAL}")
    partial.mkdir()
    try:
        yield partial
        _sync(partial)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    _sync(folder.parent)


def _sync(folder: Path) -> None:
    """Bring a folder's entries to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
