"""The nearest valid name to one that was misspelt."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


_MOST_NAMED = 40
_LONGEST = 100
"""Names and characters of a name that are compared and listed: a file may have any."""


def did_you_mean(name: str, valid: Iterable[str]) -> str:
    """Return ``did you mean 'x'?``, or the list of valid names where none is near."""
    names = list(valid)
    near = nearest(name, names)
    if near:
        return f"did you mean '{near}'?"
    more = f", and {len(names) - _MOST_NAMED:,} more" * (len(names) > _MOST_NAMED)
    listed = ", ".join(each[:_LONGEST] for each in names[:_MOST_NAMED])
    return f"valid: {listed or 'none'}{more}"


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """Return the valid name that is nearest to one that was misspelt; None where none is near.

    Dotted names are also compared by their last part, so that ``bpp_lamda`` finds
    ``loss.bpp_lambda``.
    """
    names = [each for each in valid if len(each) <= _LONGEST]
    if len(name) > _LONGEST:
        return None
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if not near:
        by_last_part = {full.rpartition(".")[2]: full for full in names}
        last = difflib.get_close_matches(name.rpartition(".")[2], by_last_part, n=1, cutoff=0.6)
        near = [by_last_part[part] for part in last]
    return near[0] if near else None
