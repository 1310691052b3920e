"""Markdown for the descriptions of runs and experiments, which MLflow's pages show."""

from __future__ import annotations

import hashlib
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from study.tracking.facts import StudyFacts

NOTE = "mlflow.note.content"
"""The tag that holds a description. Its user may edit it on the page."""

HOUSEKEEPING = "mlflow.study."
"""Prefix of tags that are for the study's own use: MLflow's pages do not show `mlflow.` tags."""

_WRITTEN = f"{HOUSEKEEPING}note"
"""The tag that holds the digest of the description as the study wrote it last."""

_LONGEST = 5000
"""Characters of a description: MLflow refuses a run's tag of more than 8,000 bytes."""


def code(text: str) -> str:
    """Return text as code."""
    return f"`{text}`"


def command(facts: StudyFacts, words: str, last: str = "") -> str:
    """Return a command as a block to copy: ``study WORDS --root ROOT LAST``."""
    root = "" if facts.folder is None else f" --root {shlex.quote(str(facts.folder.parent))}"
    if facts.folder is not None and facts.folder.parent == Path("studies").resolve():
        root = ""
    return f"```\nstudy {words}{root}{f' {last}' if last else ''}\n```"


def note_tags(ours: str) -> dict[str, str]:
    """Return the tags of a description."""
    ours = ours[:_LONGEST]
    return {NOTE: ours, _WRITTEN: digest(ours)}


def is_edited(tags: Mapping[str, str]) -> bool:
    """Say whether somebody has edited a run's description, which is then left as it is."""
    return NOTE in tags and digest(tags[NOTE]) != tags.get(_WRITTEN)


def digest(content: str | bytes) -> str:
    """Return a short hash, to tell whether something has changed."""
    data = content.encode() if isinstance(content, str) else content
    return hashlib.sha256(data).hexdigest()[:16]
