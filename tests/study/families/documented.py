"""The family that docs/families.md is about, as a module of a user's."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "families.md"


def block(kind: str) -> str:
    """The page's first block of a kind, such as python."""
    return blocks(kind)[0]


def blocks(kind: str) -> list[str]:
    """All of the kind, in order."""
    found: list[str] = re.findall(
        rf"```{kind}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL
    )
    assert found, f"{PAGE} has no block of {kind}"
    return found
