"""`study` as a user calls it, in a folder of the user's."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def study(folder: Path, *words: str) -> subprocess.Popen[str]:
    """Run a command in the folder with the family, which PYTHONPATH names."""
    path = os.pathsep.join([str(folder), os.environ["PYTHONPATH"]])
    return subprocess.Popen(
        [sys.executable, "-m", "study", *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def said(folder: Path, *words: str, code: int = 0) -> str:
    with study(folder, *words) as process:
        told, _ = process.communicate()
    assert process.returncode == code, told
    return told
