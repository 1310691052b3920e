"""Ports of this machine that nobody listens at."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that refuses all, and that nobody else can take meanwhile."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield int(unused.getsockname()[1])


def unused_port() -> int:
    """Return a port that nobody has at this moment.

    Not the first one that is free, for which others may be looking right now.
    """
    with silent_port() as port:
        return port
