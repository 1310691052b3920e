"""Ctrl-C and SIGTERM while trials run: noted at once, obeyed when nothing is half-written."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

INTERRUPTED = 130
"""Exit code of an interrupted process: 128 + SIGINT, as shells have it."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_PATIENCE_S = 45.0
"""How long Ray may stay silent once a study is to stop; usually it answers within a second."""


@contextmanager
def noted_interrupts() -> Iterator[threading.Event]:
    """Yield an event that the first signal sets; a second one raises KeyboardInterrupt at once.

    Signals are left alone in other threads than the main one, which alone may handle them.
    """
    noted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return

    def note(number: int, frame: FrameType | None) -> None:
        if noted.is_set():
            signal.default_int_handler(number, frame)
        noted.set()

    before = {number: signal.signal(number, note) for number in _SIGNALS}
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def exit_when_stuck(
    patience_s: float = _PATIENCE_S, what: str = "interrupted; Ray did not answer any more"
) -> Iterator[None]:
    """End the process if the block takes too long, and say what happened.

    Ray's calls wait for minutes, deaf to signals, when its own processes were stopped by the same
    signal. Nothing is lost then: the store holds every finished epoch, and the kernel frees locks.
    """
    timer = threading.Timer(patience_s, _give_up, [what])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _give_up(what: str) -> None:
    sys.stderr.write(f"{what}. Every finished epoch was kept.\n")
    sys.stderr.flush()
    os._exit(INTERRUPTED)
