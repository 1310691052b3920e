"""What only a study that had trials holds: a lost database is told by it from none yet."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from study.base.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from study.storage.folder import StudyFolder


def check_not_lost(folder: StudyFolder) -> None:
    """Refuse a study whose trials were in a database of its folder that is gone.

    An empty database in its place would have its report overwritten, and its codecs by trials of
    the same numbers.

    Raises:
        StudyError: the folder holds codecs, checkpoints or a report of trials, and no database.
    """
    if folder.database.exists():
        return
    if found := list(_traces(folder)):
        raise StudyError(
            f"a study's trials are in its database, but {folder.database} is missing, while "
            f"{folder.path} still holds {', '.join(found)}; put {folder.database.name} back from "
            "a backup"
        )


def _traces(folder: StudyFolder) -> Iterator[str]:
    """Name what only a study that had trials holds."""
    if any(path.is_file() for path in folder.codecs.rglob("*")):
        yield "codecs"
    if any(folder.cohorts.glob("*/*/step-*")):
        yield "checkpoints"
    if _has_rows(folder.report.with_suffix(".csv")):
        yield "a report"


def _has_rows(table: Path) -> bool:
    """Tell whether a report has trials: `study front` of a study without any writes one too."""
    try:
        with table.open(encoding="utf-8", errors="replace") as file:
            return len(list(islice(file, 2))) > 1
    except FileNotFoundError:
        return False
