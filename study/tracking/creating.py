"""MLflow's database, made aside and put in its place when it is whole.

MLflow makes its tables where the database shall be, in many steps that are not one transaction. A
process that is killed meanwhile, a full disk or a second process that does the same leaves some of
them, and no later MLflow can open that. So one process at a time makes a database, under another
name; what an earlier version left half-made, and so without a record, is made anew.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, contextmanager, suppress
from threading import Lock
from typing import TYPE_CHECKING

from study.base.addresses import SQLITE_JOURNALS, journals, sqlite_file
from study.base.errors import StudyError
from study.base.locks import lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PATIENCE_S = 120.0
"""How long another process may take to make it: 3 s on an idle machine."""

_ROWS_WHILE_MADE = {"alembic_version", "workspaces"}
"""Tables into which MLflow writes before all are made. The first row elsewhere, of an experiment
called Default, says that it came to the end; other rows are records, or another program's."""

_MAKING = Lock()
"""Alembic, which makes MLflow's tables, keeps its state in globals: one at a time in a process."""


def make_database(path: Path) -> None:
    """Make MLflow's database where there is none, whatever else is doing so.

    Raises:
        StudyError: another process does not come to an end with it.
        OSError: the disk is full, or the folder cannot be written.
    """
    with _alone(path):
        if is_missing_or_empty(path):
            _make(path)


def make_anew(path: Path) -> bool:
    """Make a database anew that was left half-made; say whether it was that."""
    with _alone(path):
        if is_missing_or_empty(path):
            _make(path)
            return True
        if not is_half_made(path):
            return False
        path.replace(path.with_name(f"{path.name}.half-made"))
        _make(path)
        return True


def is_missing_or_empty(path: Path) -> bool:
    """Tell whether there is no database, or a file into which nothing was written yet."""
    try:
        return path.stat().st_size == 0
    except FileNotFoundError:
        return True


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Be the only process that makes this database; the lock ends with the process."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = path.with_name(f".{path.name}.lock")
    # Who can open it can hold it.
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        if not lock(descriptor, patience_s=_PATIENCE_S):
            raise StudyError(
                f"one process makes MLflow's database, and another has held {file} for "
                f"{_PATIENCE_S:g} s; see what it is (`lslocks`), and end it if it hangs"
            )
        yield
    finally:
        os.close(descriptor)


def _make(path: Path) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    partial = path.with_name(f".{path.name}.partial")
    _remove(partial)  # What a killed process left.
    artifacts = (path.resolve().parent / "mlartifacts").as_uri()
    try:
        with _MAKING:
            SqlAlchemyStore(f"sqlite:///{partial}", artifacts)
        _close(partial)
        # Of a database that is gone: SQLite would mend the new one with them.
        for end, stray in zip(SQLITE_JOURNALS, journals(path), strict=True):
            with suppress(FileNotFoundError):
                stray.replace(path.with_name(f"{path.name}.stray{end}"))
        _close(path)
        partial.replace(path)
    finally:
        _close(partial)
        _remove(partial)


def _close(path: Path) -> None:
    """Have MLflow let go of a database, which it keeps open for later, also after a failure."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    engines = SqlAlchemyStore._engine_map  # noqa: SLF001 (no other way)
    for uri in [uri for uri in engines if sqlite_file(uri) == path]:
        engines.pop(uri).dispose()


def _remove(database: Path) -> None:
    for file in (database, *journals(database)):
        file.unlink(missing_ok=True)


def is_half_made(path: Path) -> bool:
    """Tell whether MLflow never came to the end of making a database, so that it has no record.

    One with a row of any other program's, such as Optuna's, is that program's.
    """
    try:
        with closing(sqlite3.connect(path, timeout=20)) as connection:
            tables = {
                name.replace('"', '""')
                for (name,) in connection.execute(
                    "select name from sqlite_master where type='table'"
                )
                if name not in _ROWS_WHILE_MADE
            }
            return not any(
                connection.execute(f'select 1 from "{table}" limit 1').fetchone()  # noqa: S608 (a name that the file itself has, quoted)
                for table in tables
            )
    except sqlite3.Error:  # No database at all, or a damaged one: not ours to replace.
        return False
