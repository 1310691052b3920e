"""Commands that a message advises: as they can be typed where the user is."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path


def next_command(verb: str, folder: Path, options: str = "") -> str:
    """Return a command on a study, as in `study resume toy --root else --trials 6`.

    Args:
        verb: the command's name, as in "mlflow sync".
        folder: the study's.
        options: what follows, quoted already.
    """
    words = f"{program()} {verb} {called(folder)}{root_option(folder.parent)}"
    return f"{words} {options}" if options else words


def program() -> str:
    """Return this command as the user can type it here: its path, unless it is on the PATH."""
    started = Path(sys.argv[0])
    found = shutil.which("study")
    if started.name != "study" or (found and Path(found).resolve() == started.resolve()):
        return "study"
    return short(started)


def called(folder: Path) -> str:
    """Return what a command calls a study: its folder, whatever name a database knows it by."""
    return shlex.quote(folder.name)


def root_option(root: Path) -> str:
    """Return the option that names the folder of all studies, unless it is the usual one."""
    usual = root.resolve() == Path("studies").resolve()
    return "" if usual else f" --root {shlex.quote(short(root))}"


def short(path: Path) -> str:
    """Return a path as the user would type it from here."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
