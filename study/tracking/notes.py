"""Markdown for the descriptions of runs and experiments, which MLflow's pages show."""

from __future__ import annotations

import hashlib
import html
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from study.base.output import printable

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


_MARKUP = re.compile(r"[\\`\[\]!|]")


def code(text: str) -> str:
    """Return text as code, in which nothing is markup."""
    whole = " ".join(printable(text).split())
    return f"`{whole.replace('`', chr(39)).replace('|', chr(92) + '|')}`"


def plain(text: str) -> str:
    """Return text that Markdown shows as it is: no tag, no picture and no link comes of it.

    Outcomes quote errors, which quote files; MLflow's pages show HTML among Markdown.
    """
    whole = html.escape(" ".join(printable(text).split()), quote=False)
    return _MARKUP.sub(r"\\\g<0>", whole)


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
