"""Pickles that do something when they are read, planted where they would be."""

from __future__ import annotations

import json
import pickle
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Touches:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.mark,)


def bomb(mark: Path) -> bytes:
    return pickle.dumps(Touches(mark))


def plant_state(database: Path, mark: Path) -> int:
    """Put such a pickle where Optuna's CMA-ES keeps its state: with each of so many trials."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("delete from trial_system_attributes where key like '%:optimizer:%'")
        trials = [number for (number,) in connection.execute("select trial_id from trials")]
        for trial in trials:
            for kind in ("cma", "sepcma", "cmawm"):
                row = (trial, f"{kind}:optimizer:0", json.dumps(bomb(mark).hex()))
                into = "insert into trial_system_attributes (trial_id, key, value_json)"
                connection.execute(f"{into} values (?, ?, ?)", row)
        connection.commit()
    return len(trials)
