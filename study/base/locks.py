"""Locks of files, which are the kernel's (flock): they end with the process, however that ends."""

from __future__ import annotations

import fcntl
import time

_PAUSE_S = 0.05
"""Between two tries."""


def lock(descriptor: int, *, patience_s: float, shared: bool = False) -> bool:
    """Lock an open file, until its descriptor is closed; wait for whoever else holds it.

    Args:
        descriptor: the open file.
        patience_s: how long the lock is tried for; 0: once.
        shared: whether others may hold it at the same time who share it too.

    Returns:
        Whether it is held now.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    latest_s = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= latest_s:
                return False
            time.sleep(_PAUSE_S)
        else:
            return True
