"""The MLflow server of the kill drill, started by the command that users are given."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING

from study.tracking.server import answers, client_uri, server_command, server_environment

if TYPE_CHECKING:
    from pathlib import Path

_PATIENCE_S = 120.0


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port: int = unused.getsockname()[1]
    return port


class Server:
    """A server that can be killed, and comes back.

    Args:
        folder: holds its database and its log.
        port: where it listens.
    """

    KINDS = ("driver", "worker", "server")

    def __init__(self, folder: Path, port: int) -> None:
        secret = secrets.token_urlsafe(32)
        self.uri = client_uri(port, secret)
        self.database = folder / "server.db"
        self._log = folder / "server.log"
        uri = f"sqlite:///{self.database}"
        self._command = server_command(port)
        self._environment = server_environment(uri, folder / "mlartifacts", port, secret)
        self._place = (port, secret)
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._again_s = float("inf")

    @property
    def is_running(self) -> bool:
        """Whether its process lives, though it may not answer yet."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it; it answers some seconds later."""
        self._again_s = float("inf")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self._folder, env=self._environment,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def kill(self, again_in_s: float) -> int:
        """Kill it with all of its processes; it is started again after so many seconds."""
        assert self._process is not None
        pid = self._process.pid
        os.killpg(pid, signal.SIGKILL)
        self._process.wait()
        self._again_s = time.monotonic() + again_in_s
        return pid

    def look(self) -> None:
        """Start it again if it is time to."""
        if time.monotonic() > self._again_s:
            self.start()

    def wait_until_up(self) -> None:
        """Wait until it answers."""
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            self.look()
            if answers(*self._place):
                return
            time.sleep(0.3)
        message = f"the MLflow server does not come up, see {self._log}"
        raise TimeoutError(message)

    def end(self) -> None:
        """Leave nothing behind."""
        if self.is_running:
            self.kill(float("inf"))
