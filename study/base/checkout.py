"""What git says of the checkout that the code runs from."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

CHECKOUT = Path(__file__).parents[2]
"""Where this code lies: a checkout, or where it was installed to."""

TIMEOUT_S = 10.0


class NoAnswerError(Exception):
    """There is no checkout, or git is missing, refuses or takes too long; it says which."""


class Answer(NamedTuple):
    """What git wrote.

    Attributes:
        text: at most as many bytes of it as were asked for.
        is_cut: whether there was more.
    """

    text: str
    is_cut: bool


def git(checkout: Path, *words: str, most_bytes: int = 2**20) -> Answer:
    """Ask git about a checkout.

    Raises:
        NoAnswerError: see there.
    """
    if not (checkout / ".git").exists():
        raise NoAnswerError(f"the code is not in a checkout of git ({checkout})")
    try:
        said = _first_bytes(["git", "-C", str(checkout), *words], most_bytes + 1)
    except (OSError, subprocess.SubprocessError) as error:
        message = f"git does not answer: {error}"
        raise NoAnswerError(message) from error
    return Answer(said[:most_bytes].decode(errors="replace"), len(said) > most_bytes)


def _first_bytes(command: list[str], most_bytes: int) -> bytes:
    """Run a command until it ends or has written so much; what it started ends with it."""
    with subprocess.Popen(  # noqa: S603 (git, with words of ours)
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        # A child that outlives it would hold the pipe open.
        timer = threading.Timer(TIMEOUT_S, _end_group, [process])
        timer.start()
        try:
            assert process.stdout is not None
            said = process.stdout.read(most_bytes)
            is_enough = len(said) == most_bytes
            if is_enough:
                _end_group(process)
        finally:
            timer.cancel()
    if process.returncode and not is_enough:
        if process.returncode == -signal.SIGKILL:
            raise subprocess.TimeoutExpired(command, TIMEOUT_S)
        raise subprocess.CalledProcessError(process.returncode, command)
    return said


def _end_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
