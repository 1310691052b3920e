"""Files of a snapshot are one report ahead of its database at most (decision 0050)."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING

from study.mirror.frozen import freeze, thaw

if TYPE_CHECKING:
    from study.storage.folder import StudyFolder


def test_files_are_one_report_ahead_of_the_database_at_most(folder: StudyFolder) -> None:
    ended = threading.Event()
    checkpoint = folder.path / "cohorts" / "checkpoint"
    checkpoint.write_text("0")
    with closing(sqlite3.connect(folder.database)) as database:
        database.execute("CREATE TABLE reports (number INTEGER)")
        database.execute("INSERT INTO reports VALUES (0)")
        database.commit()
    for number in range(500):  # So that looking takes some time.
        (folder.path / "codecs" / str(number)).write_text("codec")

    def work() -> None:
        with closing(sqlite3.connect(folder.database, timeout=30)) as database:
            number = 0
            while not ended.is_set():
                number += 1
                partial = checkpoint.with_suffix(".partial")
                partial.write_text(str(number))
                partial.rename(checkpoint)
                database.execute("UPDATE reports SET number = ?", (number,))
                database.commit()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(20):
            seen = freeze(folder, {})
            kept, saved = seen["optuna.db"].staged, seen["cohorts/checkpoint"].staged
            assert kept is not None
            assert saved is not None
            with closing(sqlite3.connect(kept)) as database:
                ((reported,),) = database.execute("SELECT number FROM reports")
            assert int(saved.read_text()) - reported in {0, 1}
            thaw(folder)
    finally:
        ended.set()
        thread.join()
