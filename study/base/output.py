"""What goes out: files that a user named, whole or not at all, and text that others wrote."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from study.base.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


CONTROLS = "\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff"
"""For a set in a regular expression: control characters but for tabs and line ends, and halves of
characters, which no encoding can hold (of a file's name that is no UTF-8)."""

# A sentence has no place either for what turns the direction of writing, or ends lines unseen.
_UNPRINTABLE = re.compile(f"[{CONTROLS}\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """Return text as a terminal may show it: what would command it is written out in ASCII.

    Names of studies, clouds and files, and the sentences that quote them, come from anywhere.
    """
    return _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], text)


@contextmanager
def new_file(path: Path, *, force: bool) -> Iterator[Path]:
    """Yield a path to write to, which takes its real place when the block ends without an error.

    Args:
        path: where the file shall be. What is yielded lies beside it and has the same suffix.
        force: whether a file that is there already may be replaced.

    Raises:
        StudyError: there is a file already, or it cannot be written.
    """
    check_free(path, force=force)
    partial = path.with_name(f".{path.stem}.partial-{os.getpid()}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield partial
            with partial.open("rb") as file:
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise StudyError(
            f"{path} cannot be written: {error.strerror or error}; check the path, its permissions "
            "and the room on the disk"
        ) from error


def check_free(path: Path, *, force: bool) -> None:
    """Raise StudyError if `path` is taken: best before work that takes long."""
    if path.is_dir():
        raise StudyError(f"a file is written to {path}, and that is a folder; name a file")
    if path.exists() and not force:
        raise StudyError(f"{path} exists; name another file, or allow to replace it with --force")
