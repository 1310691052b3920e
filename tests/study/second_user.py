"""A second user of this machine, who has no rights of the first one's."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

NOBODY = 65534
"""The number of the second user, and of the group."""
SECOND_USER = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
"""Before a command: runs it as another user."""

needs_second_user = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None,
    reason="needs root and setpriv, to be a second user of this machine",
)
_PATIENCE_S = 30.0


def as_second_user(script: str) -> str:
    """Run a Bash script as another user, in /; return what it says and complains of."""
    done = subprocess.run(
        [*SECOND_USER, "env", "-i", f"PATH={os.environ['PATH']}", "bash", "-c", script],
        cwd="/", check=False, timeout=_PATIENCE_S, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    return done.stdout
