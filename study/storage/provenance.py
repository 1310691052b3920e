"""What opened a study: code, packages, command and machine, in a file for each opening."""

from __future__ import annotations

import json
import platform
import shlex
import sys
from datetime import UTC, datetime
from importlib.metadata import distributions
from typing import TYPE_CHECKING, Any, NamedTuple

from study.base.addresses import masked
from study.base.checkout import CHECKOUT, NoAnswerError, git
from study.base.machine import processor_name
from study.base.output import new_file

if TYPE_CHECKING:
    from pathlib import Path

    from study.storage.folder import StudyFolder

FOLDER = "provenance"
MOST_BYTES = 2**20
"""Of a diff: what is longer is cut."""

_MOST_READ = 8 * MOST_BYTES
"""Of a file: a diff is longer where its characters are written out."""

_SECRET = ("*.env", "*.pem", "*.key", "*token*", "*secret*", "*password*", "*credential*")
"""Tracked files, and folders of such, whose changes are not written down; those of untracked files
never are."""


class Code(NamedTuple):
    """The code that runs.

    Attributes:
        commit: of its checkout, or None.
        diff: what differs from that, at most `MOST_BYTES` of it.
        diff_is_cut: whether there was more.
        why_not: why there is no commit, or no diff.
    """

    commit: str | None = None
    diff: str = ""
    diff_is_cut: bool = False
    why_not: str | None = None


def keep_provenance(folder: StudyFolder, *, checkout: Path = CHECKOUT) -> Path:
    """Write down what opens a study now, beside what opened it before, and return the file.

    Raises:
        StudyError: the file cannot be written.
    """
    found: dict[str, Any] = {
        "opened": datetime.now(UTC).isoformat(timespec="seconds"),
        **_code(checkout)._asdict(),
        "command": shlex.join(map(masked, sys.argv)),
        "machine": platform.node(),
        "system": platform.platform(),
        "processor": processor_name(),
        "python": platform.python_version(),
        "packages": sorted({f"{each.name}=={each.version}" for each in distributions()}),
    }
    numbers = [int(path.stem) for path in provenance_files(folder)]
    file = folder.path / FOLDER / f"{max(numbers, default=0) + 1:03d}.json"
    with new_file(file, force=False) as partial:
        partial.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return file


def provenance_files(folder: StudyFolder) -> list[Path]:
    """Return the files of all openings, oldest first; studies of earlier versions have none.

    A folder may be somebody else's: links are not followed, and nothing large is taken.
    """
    place = folder.path / FOLDER
    found = [] if place.is_symlink() else [*place.glob("*.json")]
    plain = (path for path in found if path.is_file() and not path.is_symlink())
    kept = (path for path in plain if path.stem.isdecimal() and path.stat().st_size <= _MOST_READ)
    return sorted(kept, key=lambda path: int(path.stem))


def last_opened(folder: StudyFolder) -> str | None:
    """Say in a line what opened a study last; None where that is not known."""
    try:
        found = json.loads(provenance_files(folder)[-1].read_bytes())
        versions = dict(each.split("==") for each in found["packages"])
        commit = found["commit"]
        code = "code of no known commit"
        if commit is not None:
            code = f"commit {commit[:10]}" + " with local changes" * bool(found["diff"])
        at, machine = found["opened"], found["machine"]
        return f"opened {at} on {machine} by {code}, torch {versions.get('torch', 'unknown')}"
    except (IndexError, OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _code(checkout: Path) -> Code:
    hidden = [f":(exclude,icase,glob)**/{name}{end}" for name in _SECRET for end in ("", "/**")]
    plain = ("--no-ext-diff", "--no-textconv")
    commit = None
    try:
        commit = git(checkout, "rev-parse", "HEAD").text.strip()
        diff = git(checkout, "diff", *plain, "HEAD", "--", ".", *hidden, most_bytes=MOST_BYTES)
    except NoAnswerError as error:
        return Code(commit, why_not=str(error))
    return Code(commit, diff.text, diff.is_cut)
