"""Optuna's storage of a study: where it is, opening it, and making it anew."""

from __future__ import annotations

import errno
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import optuna
from optuna.exceptions import DuplicatedStudyError, StorageInternalError
from optuna.storages import InMemoryStorage, RDBStorage
from sqlalchemy import create_engine, inspect, make_url
from sqlalchemy.exc import SQLAlchemyError

from study.base.addresses import is_lost, masked, sqlite_file, told_safely
from study.base.errors import StudyError
from study.base.next_command import next_command
from study.storage.folder import StudyFolder
from study.storage.servers import POOL, wait_for_restarts
from study.storage.study_attributes import IDENTITY
from study.storage.traces import check_not_lost

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage

    from study.config import StudyConfig

_DAMAGE = (LookupError, ValueError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""What reading rows raises that no driver wrote: cells of other kinds, JSON that is none."""

_WAIT_S = 30
"""Readers such as `study status` may look in while the driver writes."""


def is_there(config: StudyConfig, database: Path) -> bool:
    """Tell whether a study is in its database, without making it there.

    Raises:
        StudyError: the database cannot be reached, or it is lost.
    """
    uri, folder = config.storage.uri, StudyFolder(database.parent)
    if uri is None:
        check_not_lost(folder)
        return database.exists()
    has_tables = not is_lost(uri) and _has_tables(uri)
    if has_tables and _holds(_reached(uri, masked(uri), is_there=True), config.name):
        return True
    check_not_lost(folder, masked(uri))
    return False


def check_new(config: StudyConfig) -> None:
    """Refuse to begin a study under a name that its storage knows already.

    Raises:
        StudyError: it does, or it cannot be reached.
    """
    uri, name = config.storage.uri, config.name
    if uri is None:  # The folder is new, and so is the file in it.
        return
    storage = _reached(uri, masked(uri))
    if _holds(storage, name):
        there = optuna.load_study(study_name=name, storage=storage)
        waiting = optuna.trial.TrialState.WAITING
        is_ours = IDENTITY in there.user_attrs  # Other programs make studies too.
        if is_ours and all(each.state == waiting for each in there.get_trials(deepcopy=False)):
            optuna.delete_study(study_name=name, storage=storage)  # It never began.
            return
        message = (
            f"a study's name must be new in its storage, but {masked(uri)} holds a study '{name}'; "
            "choose another name, or go on with that one by `study resume` where its folder is"
        )
        raise StudyError(message)


def open_study(
    config: StudyConfig, database: Path | None, sampler: BaseSampler
) -> tuple[optuna.Study, BaseStorage]:
    """Open a study, or make it where its database holds none.

    Args:
        config: the study; its `storage.uri`, where it has one, is used in place of the file.
        database: the file; None keeps everything in memory.
        sampler: proposes settings.

    Raises:
        StudyError: the database cannot be reached, is another's, or its file is lost.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage, is_new = _storage(config, database)
    uri, name = config.storage.uri, config.name
    try:
        if not is_new:
            # A file is one study's, under the name that it began with.
            held = name if uri else _only_name(storage, name)
            return optuna.load_study(study_name=held, storage=storage, sampler=sampler), storage
        directions = [objective.direction for objective in config.objectives]
        made = optuna.create_study(
            study_name=name, storage=storage, directions=directions, sampler=sampler
        )
    except KeyError as error:
        message = f"the database {database} must hold the study {name}, but does not"
        raise StudyError(message) from error
    except DuplicatedStudyError as error:
        place = masked(uri) if uri else database
        message = f"a study's name must be new in its storage, but {place} holds a study '{name}'"
        raise StudyError(message) from error
    return made, storage


def _storage(config: StudyConfig, database: Path | None) -> tuple[BaseStorage, bool]:
    """Return where a study's trials are kept, and whether it is still to be made there."""
    if database is None:
        return InMemoryStorage(), True
    uri = config.storage.uri
    if uri is None:
        is_new = not database.exists()
        if is_new:
            check_not_lost(StudyFolder(database.parent))
        else:
            _check_file(database, f"{database}")
        address = f"sqlite:///{database.resolve()}"
        return _reached(address, f"{database}", is_there=not is_new), is_new
    folder = StudyFolder(database.parent)
    if is_lost(uri):
        check_not_lost(folder, masked(uri))
    storage = _reached(uri, masked(uri))
    is_new = not _holds(storage, config.name)
    if is_new:
        check_not_lost(folder, masked(uri))
    return storage, is_new


def _only_name(storage: BaseStorage, otherwise: str) -> str:
    names = [each.study_name for each in storage.get_all_studies()]
    return names[0] if len(names) == 1 else otherwise


def _holds(storage: BaseStorage, name: str) -> bool:
    return name in {each.study_name for each in storage.get_all_studies()}


def _has_tables(uri: str) -> bool:
    """Tell whether a database is there and has Optuna's tables, without making either."""
    try:
        url = make_url(uri)
        if (file := sqlite_file(uri)) is not None:
            return file.exists() and _check_file(file, masked(uri))
        engine = create_engine(url)
        try:
            return inspect(engine).has_table("studies")
        finally:
            engine.dispose()
    except SQLAlchemyError as error:
        raise _unreachable(masked(uri), told_safely(_first_line(error), uri)) from error


def _check_file(file: Path, shown: str) -> bool:
    """Look whether a SQLite file is Optuna's, before Optuna writes its tables into it.

    Raises:
        StudyError: it is empty, damaged or another program's.
    """
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as database:
            found = database.execute("SELECT 1 FROM sqlite_master WHERE name = 'studies'")
            if found.fetchone():
                return True
    except sqlite3.Error as error:
        raise _unreachable(shown, _first_line(error)) from error
    empty = "it is empty" if file.stat().st_size == 0 else "it has other tables"
    raise _unreachable(shown, empty)


def _reached(uri: str, shown: str, *, is_there: bool = False) -> RDBStorage:
    """Open a database.

    Args:
        uri: where it is.
        shown: what sentences call it.
        is_there: Optuna's tables are in it, and none that is missing is made: it would be empty.

    Raises:
        StudyError: it cannot be opened.
    """
    options: dict[str, Any] = {}
    is_postgres = uri.startswith("postgresql")
    if uri.startswith("sqlite"):
        options = {"connect_args": {"timeout": _WAIT_S}}
    elif is_postgres:
        options = dict(POOL)
    try:
        storage = RDBStorage(uri, engine_kwargs=options, skip_table_creation=is_there)
    except Exception as error:
        raise _unreachable(shown, told_safely(_first_line(error), uri)) from error
    if is_postgres:
        wait_for_restarts(storage.engine)
    return storage


def _unreachable(shown: str, reason: str) -> StudyError:
    return StudyError(
        f"the study's database must be Optuna's, and {shown} cannot be opened as such "
        f"({reason[:200]}); restore it, or see to its address"
    )


@contextmanager
def reading(shown: str) -> Iterator[None]:
    """Turn what a damaged database makes Optuna raise, on the way to our records, into a sentence.

    Raises:
        StudyError: what it holds is not what a study writes.
    """
    try:
        yield
    except StudyError:
        raise
    except (*_DAMAGE, StorageInternalError, SQLAlchemyError) as error:
        message = (
            f"a study's database must hold what its drivers wrote, and {shown} does not "
            f"({type(error).__name__}: {_first_line(error)[:200]}); restore it from a copy"
        )
        raise StudyError(message) from error


def in_words(error: BaseException, folder: Path) -> StudyError | None:
    """Return what to tell the user of an error that stopped a study; None where it is ours.

    Args:
        error: as it arrived; what matters may be one of its causes.
        folder: the study's.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, StudyError):
            return cause
        if isinstance(cause, StorageInternalError) or _is_no_room(cause):
            root: BaseException = cause
            while root.__cause__ is not None:
                root = root.__cause__
            return StudyError(
                "a study must be able to write what it learns, but that failed "
                f"({_first_line(root)}); nothing that was finished is lost: make room or "
                f"mend the storage, and go on with `{next_command('resume', folder)}`"
            )
        cause = cause.__cause__ or cause.__context__
    return None


def _is_no_room(error: BaseException) -> bool:
    """Tell whether an error is the file system's refusal to keep what it is given."""
    refusals = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS}
    return isinstance(error, OSError) and error.errno in refusals


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
