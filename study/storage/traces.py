"""What only a study that had trials holds: a lost database is told by it from none yet."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from study.base.addresses import journals
from study.base.errors import StudyError
from study.config.yaml_file import STUDY_YAML

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from study.storage.folder import StudyFolder


def check_not_lost(folder: StudyFolder, elsewhere: str | None = None) -> None:
    """Refuse a study whose trials were in a database that is gone.

    An empty database in its place would have its report overwritten, and its codecs by trials of
    the same numbers.

    Args:
        folder: the study's.
        elsewhere: the address, as it may be shown, of a database outside the folder that does not
            hold the study; None: its database is the folder's.

    Raises:
        StudyError: the folder holds what only a study with trials has, and there is no database.
    """
    if elsewhere is None and folder.database.exists():
        return
    found = list(_traces(folder))
    if not found:
        return
    holds = f"{folder.path} still holds {', '.join(found)}"
    anew = "; to begin anew, run it under another name"
    if elsewhere is not None:
        raise StudyError(
            f"a study's trials are in its database, but {elsewhere} (storage.uri) holds no study "
            f"of this name, while {holds}; mount it or put it back from a backup, or, where it has "
            f"moved, write its address into {folder.path / STUDY_YAML}{anew}"
        )
    raise StudyError(
        f"a study's trials are in its database, but {folder.database} is missing, while {holds}; "
        f"put {folder.database.name} back from a backup, or from where it was moved{anew}"
    )


def _traces(folder: StudyFolder) -> Iterator[str]:
    """Name what only a study that had trials holds."""
    if any(path.is_file() for path in folder.codecs.rglob("*")):
        yield "codecs"
    if any(folder.cohorts.glob("*/*/step-*")):
        yield "checkpoints"
    if _has_rows(folder.report.with_suffix(".csv")):
        yield "a report"
    # Ray Tune works on trials only.
    if any(folder.ray.glob("driver-*")):
        yield "workers' logs"
    if folder.database.is_symlink():
        yield f"a link to {folder.database.readlink()}"
    # They hold the last trials, and a new database of that name would be mended with them.
    if left := [path.name for path in journals(folder.database) if path.exists()]:
        yield f"the database's {' and '.join(left)}"


def _has_rows(table: Path) -> bool:
    """Tell whether a report has trials: `study front` of a study without any writes one too."""
    try:
        with table.open(encoding="utf-8", errors="replace") as file:
            return len(list(islice(file, 2))) > 1
    except FileNotFoundError:
        return False
