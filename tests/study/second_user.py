"""A second user of this machine, who has no rights of the first one's."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

NOBODY = 65534
PATIENCE_S = 30.0


def as_second_user(script: str) -> str:
    """Run a Bash script as another user, in /; return what it says and complains of.

    The test that asks is skipped where there cannot be another user.
    """
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root and setpriv, to be a second user of this machine")
    user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    done = subprocess.run(
        [*user, "env", "-i", f"PATH={os.environ['PATH']}", "bash", "-c", script],
        cwd="/", check=False, timeout=PATIENCE_S, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    return done.stdout
