"""Which code is running, for records that outlive it."""

from __future__ import annotations

import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_DISTRIBUTION = "dpcc-study"
_CHECKOUT = Path(__file__).parents[2]
_TIMEOUT_S = 10.0


@cache
def code_version() -> str:
    """`git describe` of the checkout, or the version of the installed package."""
    if (_CHECKOUT / ".git").exists():
        command = ["git", "-C", str(_CHECKOUT), "describe", "--always", "--dirty", "--tags"]
        try:
            done = subprocess.run(  # noqa: S603 - the command is fixed
                command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True
            )
        except (OSError, subprocess.SubprocessError):
            pass  # git is not installed, or refuses this checkout: the package's version stands in
        else:
            return done.stdout.strip()
    try:
        return version(_DISTRIBUTION)
    except PackageNotFoundError:
        return "unknown"
