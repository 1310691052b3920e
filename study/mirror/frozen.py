"""A study's folder as it is at one moment, while its driver and workers go on.

A worker may be one report ahead of the database, for it saves, reports, and waits for the answer
(decision 0017). Two are a gap that nothing fills. So the database is copied, and the files are
linked, while nobody can write into the database: milliseconds, and the driver's next write waits.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from study.base.addresses import SQLITE_JOURNALS
from study.storage.driver_lock import DRIVER_LOCK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from study.storage.folder import StudyFolder

STAGE = ".mirror"
"""Where the moment is kept, within the study's folder, until it is sent."""

_LEFT_OUT = frozenset({STAGE, DRIVER_LOCK, "ray"})
"""Of the study's folder: a lock means this machine; Ray's folder has logs, and pickles."""

_COPIED_BYTES = 2**18
"""Files up to this size are copied: lines may be added to them. Larger ones are written once."""

_WAIT_S = 10.0
_LOOKS = 5


class Sign(NamedTuple):
    """What tells a file from what it was before: while it is equal, so is the content."""

    inode: int
    size: int
    changed_ns: int


class Seen(NamedTuple):
    """A file at that moment.

    Attributes:
        sign: what tells it from what it was.
        staged: where its content is; None where the sign was known.
    """

    sign: Sign
    staged: Path | None


def freeze(folder: StudyFolder, known: Mapping[str, Sign]) -> dict[str, Seen]:
    """Keep a moment of a study's folder, in place of an earlier one.

    Files that are deleted meanwhile are left out, as they are where the moment was later.

    Args:
        folder: the study's.
        known: the signs of files whose content need not be kept.

    Returns:
        The files by their paths within the folder, the database among them.

    Raises:
        OSError: there is no room.
        sqlite3.Error: the database does not let itself be copied.
    """
    stage = folder.path / STAGE
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir(mode=0o700)
    places = (stage / str(number) for number in count())
    with _quiet(folder.database, stage) as database:
        # A checkpoint that gets its name meanwhile, and takes the place of an older one, might be
        # missed together with that. A worker does this once and then waits for the driver.
        for _ in range(_LOOKS):
            seen, is_whole = _look(folder, known, places)
            if is_whole:
                break
        if database is not None:
            seen[folder.database.name] = Seen(_sign(database), database)
    return seen


def thaw(folder: StudyFolder) -> None:
    """Forget the moment."""
    shutil.rmtree(folder.path / STAGE, ignore_errors=True)


@contextmanager
def _quiet(database: Path, stage: Path) -> Iterator[Path | None]:
    """Copy a SQLite database and let nobody write into it meanwhile; None where there is none."""
    if not database.exists():
        yield None
        return
    copy = stage / database.name
    with closing(sqlite3.connect(database, timeout=_WAIT_S, isolation_level=None)) as held:
        held.execute("BEGIN IMMEDIATE")
        try:
            with (
                closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as source,
                closing(sqlite3.connect(copy)) as target,
            ):
                source.backup(target)
            yield copy
        finally:
            held.execute("ROLLBACK")


def _look(
    folder: StudyFolder, known: Mapping[str, Sign], places: Iterator[Path]
) -> tuple[dict[str, Seen], bool]:
    """Keep the files that are there; tell whether none vanished meanwhile."""
    seen: dict[str, Seen] = {}
    gone: list[OSError] = []
    for path in _files(folder, gone):
        name = path.relative_to(folder.path).as_posix()
        try:
            sign = _sign(path)
            staged = None if known.get(name) == sign else _keep(path, next(places), sign.size)
        except FileNotFoundError as error:
            gone.append(error)
        else:
            seen[name] = Seen(sign, staged)
    return seen, not gone


def _files(folder: StudyFolder, gone: list[OSError]) -> Iterator[Path]:
    database = folder.database.name
    left_out = _LEFT_OUT | {f"{database}{end}" for end in ("", *SQLITE_JOURNALS)}
    for place, folders, files in os.walk(folder.path, onerror=gone.append):
        if Path(place) == folder.path:
            folders[:] = [name for name in folders if name not in left_out]
            files = [name for name in files if name not in left_out]  # noqa: PLW2901 (its head alone)
        yield from (path for name in files if not (path := Path(place, name)).is_symlink())


def _sign(path: Path) -> Sign:
    told = path.stat()
    return Sign(told.st_ino, told.st_size, told.st_mtime_ns)


def _keep(path: Path, place: Path, size: int) -> Path:
    if size > _COPIED_BYTES:
        with suppress(OSError):  # Not all file systems have links.
            os.link(path, place)
            return place
    shutil.copyfile(path, place)
    return place
