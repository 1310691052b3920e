"""Connections to a database server, which may be idle for long, or be restarted beneath a study."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from sqlalchemy import event

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.engine import Dialect
    from sqlalchemy.engine.interfaces import DBAPIConnection

POOL = {"pool_pre_ping": True, "pool_recycle": 1800}
"""Each connection is tried before it is used, and is made anew after half an hour: servers and what
stands between end idle ones. Optuna sets this for MySQL only."""

_CONNECT_S = 10
"""One attempt: a machine that is off does not answer at all."""

_PAUSE_S = 0.5


def wait_for_restarts(engine: Engine, longest_s: float = 60.0) -> None:
    """Let an engine try again where the server does not take a new connection.

    Only connecting is repeated, never a statement: so nothing is written twice. What the server
    was doing when it went fails, as on a full disk, and the study goes on by `study resume`.

    Args:
        engine: of a server that was reached already, so that a wrong address is told at once.
        longest_s: after that, the last refusal is raised.
    """

    @event.listens_for(engine, "do_connect")
    def connect(
        dialect: Dialect, _record: object, arguments: list[Any], options: dict[str, Any]
    ) -> DBAPIConnection:
        options.setdefault("connect_timeout", _CONNECT_S)
        ends = time.monotonic() + longest_s
        while True:
            try:
                return dialect.connect(*arguments, **options)
            except dialect.loaded_dbapi.OperationalError:
                if time.monotonic() >= ends:
                    raise
                time.sleep(_PAUSE_S)
