"""MLflow's database is there whole or not at all: real kills, two at once, a full disk."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import optuna
import pytest

from study.base.addresses import is_lost, sqlite_file
from study.tracking.client import connect, is_missing
from tests.study.tracked import database

if TYPE_CHECKING:
    from pathlib import Path

OPEN = """
import sys
from study.tracking.client import connect, quieten
quieten()
import mlflow.store.tracking.sqlalchemy_store
print("imported", flush=True)
client = connect(sys.argv[1])
print(client.create_experiment(sys.argv[2]), flush=True)
"""

ON_A_FULL_DISK = (
    """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
"""
    + OPEN
)


def opening(folder: Path, name: str, code: str = OPEN) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, database(folder), name],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONWARNINGS": "ignore"},
    )


def opens(folder: Path) -> None:
    """MLflow opens it and writes into it, and nothing of its making is left."""
    assert connect(database(folder)).create_experiment("after")
    assert not list(folder.glob(".mlflow.db.partial*"))


def tables(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {name for (name,) in connection.execute("select name from sqlite_master")}


def test_a_database_whose_making_is_killed_is_made_by_the_next(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311
    made_when_killed = 0
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        with opening(folder, "killed") as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "imported\n"
            partial = folder / ".mlflow.db.partial"
            latest_s = time.monotonic() + 60
            # Its tables are being made, until it is put in place.
            size = draw.randrange(1, 300_000)
            while not partial.exists() or partial.stat().st_size < size:
                if (folder / "mlflow.db").exists() or time.monotonic() > latest_s:
                    break
            made_when_killed += (folder / "mlflow.db").exists()
            process.kill()
        assert process.returncode == -signal.SIGKILL
        opens(folder)
    assert made_when_killed < 2, "none was killed while it was made"


def test_two_processes_that_make_it_at_once_both_write_into_one(tmp_path: Path) -> None:
    with opening(tmp_path, "first") as first, opening(tmp_path, "second") as second:
        told = [process.communicate(timeout=100) for process in (first, second)]
    assert [process.returncode for process in (first, second)] == [0, 0], told
    names = {each.name for each in connect(database(tmp_path)).search_experiments()}
    assert names == {"Default", "first", "second"}


def test_threads_that_make_two_at_once_both_do(tmp_path: Path) -> None:
    """Each while the other is at it, unless they take turns."""
    uris = [f"sqlite:///{tmp_path}/{name}/mlflow.db" for name in "abc"]
    with ThreadPoolExecutor(len(uris)) as threads:
        made = threads.map(lambda uri: connect(uri).create_experiment("mine"), uris)
        assert list(made) == ["1"] * len(uris)


def test_on_a_full_disk_there_is_none_and_later_there_is(tmp_path: Path) -> None:
    with opening(tmp_path, "full", ON_A_FULL_DISK) as process:
        _, errors = process.communicate(timeout=100)
    assert process.returncode == 1
    assert "disk" in errors
    assert [path.name for path in tmp_path.iterdir()] == [".mlflow.db.lock"]
    assert is_missing(database(tmp_path))
    opens(tmp_path)


@pytest.mark.parametrize("left", [0, 1, 3])
def test_one_that_an_earlier_version_left_half_made_is_made_anew(left: int, tmp_path: Path) -> None:
    """Killed after so many of MLflow's own steps, in the place itself."""
    path = tmp_path / "mlflow.db"
    if left == 0:
        path.touch()
    else:
        from mlflow.store.db.utils import _get_alembic_config
        from mlflow.store.tracking.dbmodels.initial_models import Base
        from sqlalchemy import create_engine

        engine = create_engine(database(tmp_path))
        Base.metadata.create_all(engine)
        with engine.begin() as connection:
            from alembic import command

            config = _get_alembic_config(database(tmp_path))
            config.attributes["connection"] = connection
            command.upgrade(config, f"+{left}")
        engine.dispose()
        # As a kill between a step and the note that it is done.
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("delete from alembic_version")
            connection.commit()
    opens(tmp_path)
    assert "alembic_version" in tables(path)
    assert (tmp_path / "mlflow.db.half-made").exists() == (left > 0)


def test_what_holds_records_or_is_no_database_is_never_replaced(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "mlflow.db").write_bytes(b"precious, and no database" * 99)
    recorded = tmp_path / "recorded"
    recorded.mkdir()
    opens(recorded)
    with closing(sqlite3.connect(recorded / "mlflow.db")) as connection:
        connection.execute("update alembic_version set version_num = 'older'")
        connection.commit()
    for folder in (damaged, recorded):
        before = (folder / "mlflow.db").read_bytes()
        from study.tracking.creating import make_anew

        assert not make_anew(folder / "mlflow.db")
        assert (folder / "mlflow.db").read_bytes() == before


def test_another_programs_database_is_never_replaced(tmp_path: Path) -> None:
    """`tracking.uri` may name Optuna's by a slip: both have tables of the same names."""
    path = tmp_path / "mlflow.db"
    storage = optuna.storages.RDBStorage(database(tmp_path))
    optuna.create_study(storage=storage, study_name="precious")
    storage.engine.dispose()
    with suppress(Exception):  # Whether MLflow can add its tables is its own affair.
        connect(database(tmp_path))
    assert not (tmp_path / "mlflow.db.half-made").exists()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("select study_name from studies").fetchall() == [("precious",)]


def test_a_journal_of_a_database_that_is_gone_does_not_mend_the_new_one(tmp_path: Path) -> None:
    """It was moved away after a kill, and its journal stayed: SQLite would roll that back."""
    path = tmp_path / "mlflow.db"
    other = tmp_path / "other.db"
    code = (
        "import sqlite3, os, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('pragma cache_size = 1'); c.execute('create table t (x)');"
        "c.executemany('insert into t values (?)', [('x' * 999,)] * 999);"
        "c.execute('begin'); c.execute('update t set x = 1 || x'); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(other)], check=False)
    (tmp_path / "other.db-journal").rename(tmp_path / "mlflow.db-journal")
    opens(tmp_path)
    assert "t" not in tables(path)
    assert (tmp_path / "mlflow.db.stray-journal").stat().st_size > 0
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)


def test_which_addresses_are_files() -> None:
    assert str(sqlite_file("sqlite:////a/b.db")) == "/a/b.db"
    assert str(sqlite_file("sqlite:///b.db?timeout=3")) == "b.db"
    assert str(sqlite_file("sqlite:////a/b#1.db")) == "/a/b#1.db"
    for uri in (
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:b.db?uri=true",
        "http://a/b.db",
        "postgresql:///b",
        "mlruns",
    ):
        assert sqlite_file(uri) is None
        assert not is_lost(uri)
