"""MLflow's own server behind a gate (`study.tracking.gate`), run for one user on one machine."""

from __future__ import annotations

import base64
import os
import re
import secrets
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING

from study.base.children import child_variables, module_command
from study.base.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOST = "127.0.0.1"

FIRST_PORT = 5000

_PORTS = range(FIRST_PORT, 5060)
"""Where a free port is looked for: MLflow's usual one and what follows, up to SIP's."""

_REFUSED_PORTS = {
    *(*range(1, 1024), 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566),
    *(*range(6665, 6670), 6679, 6697, 10080),
}
"""Ports that browsers block (the Fetch standard, section "Port blocking"), or that need root."""

SETTINGS = {
    # The gate shuts all of this. Servers have been taken over through their jobs, a pickle runs
    # whatever is in it, and MLflow's assistant runs commands unless it must do so in Docker.
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_ENABLE_ASSISTANT_SANDBOX": "true",
    "MLFLOW_ENABLE_REMOTE_ASSISTANT": "false",
    "MLFLOW_ENABLE_AI_GATEWAY": "false",
    # A database may name webhooks, which are told of every change: no address is of this scheme.
    "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "none",
    # Refuses what a web page elsewhere would send here through the user's browser.
    "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": "false",
    "MLFLOW_SERVER_X_FRAME_OPTIONS": "SAMEORIGIN",
    "MLFLOW_ENABLE_WORKSPACES": "false",
    # What `mlflow server` tells its workers of themselves.
    "_MLFLOW_SGI_NAME": "uvicorn",
    "_MLFLOW_IN_JOB_EXECUTOR": "false",
    "_MLFLOW_SERVER_SERVE_ARTIFACTS": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # Only the log tells why a server cannot start; `quieten` would silence that too.
    "MLFLOW_LOGGING_LEVEL": "INFO",
    # MLflow 3.17 imports a deprecated module of Starlette's; the user can do nothing about it.
    "PYTHONWARNINGS": "ignore:starlette.middleware.wsgi is deprecated",
}
"""The server's environment; it overrides what the user has set."""

BACKEND, ARTIFACTS = "_MLFLOW_SERVER_FILE_STORE", "_MLFLOW_SERVER_ARTIFACT_ROOT"
"""Where MLflow 3.17's application reads what `mlflow server` was told."""

SECRET = "STUDY_UI_SECRET"  # noqa: S105 (the variable's name)

_EXCEPTION = re.compile(r"^(?:[\w.]+(?:Error|Exception): |.*\bERROR: +)(.+)$", re.MULTILINE)

_LISTENING = b"Uvicorn running on"
"""What the server writes when the port is its own."""

_START_S = 180.0
"""How long a server may take to answer: 7 s on an idle machine, more beside a study in training."""

_END_S = 10.0


def free_port(wanted: int | None) -> int:
    """Return a port that the server can have: the wanted one, else the first that is free.

    Raises:
        StudyError: the wanted one is taken or of no use, or none is free.
    """
    if wanted is None:
        found = next(filter(_is_free, _PORTS), None)
        if found is None:
            raise StudyError(
                f"no port from {_PORTS[0]} to {_PORTS[-1]} is free; name one: --port P"
            )
        return found
    if not 0 < wanted < 2**16 or wanted in _REFUSED_PORTS:
        raise StudyError(
            f"--port must be one that browsers open, from 1024 to 65535, and they refuse {wanted}; "
            f"leave it out, or take one such as {FIRST_PORT}"
        )
    if not _is_free(wanted):
        raise StudyError(
            f"the port must be free, and something on this machine answers at {wanted} already, "
            "another `study ui` perhaps; name another, or leave --port out"
        )
    return wanted


def _is_free(port: int) -> bool:
    with socket.socket() as trial:
        # As servers do: a port that a closed connection holds for another minute is free.
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((HOST, port))
        except OSError:
            return False
    return True


def server_command(port: int) -> list[str]:
    """Return the command of a server that only this machine reaches, with `server_environment`.

    All users of a machine can read a command line. So it says nothing but where the server listens.

    Args:
        port: where it listens.
    """
    return module_command("study.tracking.serving", str(port))


def server_environment(uri: str, artifacts: Path, port: int, secret: str) -> dict[str, str]:
    """Return the server's environment, which only its own user can read.

    Args:
        uri: the database's address.
        artifacts: where new experiments keep files, and below which files are shown.
        port: where it listens.
        secret: who knows it is let in.
    """
    return {
        **os.environ,
        **child_variables(),
        **SETTINGS,
        "MLFLOW_SERVER_ALLOWED_HOSTS": f"{HOST}:{port}",
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": f"http://{HOST}:{port}",
        BACKEND: uri,
        ARTIFACTS: artifacts.resolve().as_uri(),
        SECRET: secret,
    }


def client_uri(port: int, secret: str) -> str:
    """Return the address of such a server as programs take it, MLflow's client among them."""
    return f"http://study:{secret}@{HOST}:{port}"


def answers(port: int, secret: str) -> bool:
    """Say whether such a server answers."""
    password = base64.b64encode(f"study:{secret}".encode()).decode()
    request = urllib.request.Request(
        f"http://{HOST}:{port}/health", headers={"Authorization": f"Basic {password}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=5):  # noqa: S310 (our own)
            return True
    except (urllib.error.URLError, OSError):
        return False


class Server:
    """A server that was started here.

    Attributes:
        address: where it listens.
        link: opens its pages in a browser: the address with the secret. More may be added to it by
            the functions of `study.tracking.links`.
        client_uri: for programs.
    """

    def __init__(self, process: subprocess.Popen[bytes], port: int, secret: str, log: Path) -> None:
        """Take note of its process, its port, its secret and its log."""
        self.address = f"http://{HOST}:{port}"
        self.link = f"{self.address}/?key={secret}"
        self.client_uri = client_uri(port, secret)
        self._port, self._secret = port, secret
        self._process = process
        self._log = log

    def wait_until_up(self) -> None:
        """Return once it answers.

        Raises:
            StudyError: it ended, or took too long.
        """
        deadline = time.monotonic() + _START_S
        while not self._answers():
            if self._process.poll() is not None:
                raise self._failure("ended before it answered")
            if time.monotonic() > deadline:
                raise self._failure(f"did not answer within {_START_S:g} s")
            time.sleep(0.1)

    def wait(self) -> None:
        """Return when it was told to end.

        Raises:
            StudyError: it ended by itself.
        """
        if code := self._process.wait():
            raise self._failure(f"ended with exit code {code}")

    def _answers(self) -> bool:
        # Another server may have taken the port meanwhile: it would answer too.
        return _LISTENING in self._log.read_bytes() and answers(self._port, self._secret)

    def _failure(self, what: str) -> StudyError:
        said = self._log.read_text(encoding="utf-8", errors="replace")
        why = [*_EXCEPTION.findall(said), *said.strip().splitlines()[-1:], "it said nothing"][0]
        return StudyError(f"MLflow's server {what}: {why}; all that it said is in {self._log}")


@contextmanager
def running_server(uri: str, artifacts: Path, port: int, log: Path) -> Iterator[Server]:
    """Start a server; it ends with the block.

    It has a session of its own, so that Ctrl-C reaches only this process, which then ends it.

    Args:
        uri: the database's address.
        artifacts: where new experiments keep files; none from elsewhere is shown.
        port: a free one, where it listens.
        log: receives its output; overwritten, and readable by this user only.

    Raises:
        StudyError: the log cannot be written.
    """
    secret = secrets.token_urlsafe(32)
    with _private(log) as written:
        process = subprocess.Popen(  # noqa: S603 (our own command)
            server_command(port), env=server_environment(uri, artifacts, port, secret),
            start_new_session=True, stdin=subprocess.DEVNULL, stdout=written, stderr=written,
        )  # fmt: skip
    try:
        yield Server(process, port, secret, log)
    finally:
        _end(process)


def _private(log: Path) -> IO[bytes]:
    """Open a new file for writing that only this user can read: errors name the database."""
    try:
        log.unlink(missing_ok=True)
        return os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
    except OSError as error:
        raise StudyError(
            f"MLflow's server needs a log, and {log} cannot be written ({error.strerror}); see to "
            "the folder's permissions and the room on the disk"
        ) from error


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a server and everything that it started, gently at first."""
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_END_S)
    # What is left of its session, if it was stuck.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
