"""Ends a worker whose step hangs, whatever it hangs in."""

from __future__ import annotations

import faulthandler
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FIRST_S = 6 * 3600.0
"""For the first step of a kind, whose pace is unknown."""

BEGINNING = "beginning"
"""The kind of step that reads code and data, whose duration says nothing of an epoch's."""

_LEAST_S = 600.0
_FACTOR = 20.0


class Patience:
    """How long a worker's steps may take.

    The clock is Python's `faulthandler`: a thread that needs no interpreter, so that it works too
    where native code never returns. It writes every thread's stack and ends the process, which Ray
    sees as a lost worker.

    Args:
        note: file for the stacks; empty unless a step hung.
        longest_s: the limit of every step, though a beginning may always take ten minutes; None:
            by the pace of earlier steps.
        before: of the same worker's previous cohort, for its pace.
    """

    def __init__(self, note: Path, longest_s: float | None, before: Patience | None = None) -> None:
        self._note = note
        self._fixed_s = longest_s
        self.longest_s_by_kind: dict[str, float] = dict(before.longest_s_by_kind) if before else {}

    def limit_s(self, kind: str) -> float:
        """Seconds that the next step of a kind may take."""
        if self._fixed_s is not None:
            return max(self._fixed_s, _LEAST_S) if kind == BEGINNING else self._fixed_s
        if kind not in self.longest_s_by_kind:
            return _FIRST_S
        return max(_LEAST_S, _FACTOR * self.longest_s_by_kind[kind])

    @contextmanager
    def limit(self, kind: str) -> Iterator[None]:
        """End the process if the block, a step of this kind, takes too long."""
        started = time.monotonic()
        self._note.parent.mkdir(parents=True, exist_ok=True)
        with self._note.open("w", encoding="utf-8") as file:
            faulthandler.dump_traceback_later(self.limit_s(kind), exit=True, file=file)
            try:
                yield
            finally:
                faulthandler.cancel_dump_traceback_later()
        seconds = time.monotonic() - started
        self.longest_s_by_kind[kind] = max(seconds, self.longest_s_by_kind.get(kind, 0.0))
