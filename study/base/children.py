"""Python processes that are started here, and where they find modules.

``python -m`` and ``python -c`` look into the current folder first, and so would run a file that
lies there under the name of a module of ours or of a library: a study may be started in any folder.
What the user's PYTHONPATH names is meant, and is kept.
"""

from __future__ import annotations

import os
import site
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_ROOT = str(Path(__file__).resolve().parents[2])


def module_command(module: str, *words: str) -> list[str]:
    """Return the command that runs a module as a script; `child_variables` go with it."""
    return [sys.executable, "-P", "-m", module, *words]


def own_folders() -> list[str]:
    """Return the folder of this package, or nothing where every Python finds the package anyway.

    Before the standard library, where PYTHONPATH puts it, a folder of installed packages would
    shadow modules of that library.
    """
    installed = [*site.getsitepackages(), site.getusersitepackages()]
    return [] if _ROOT in map(os.path.realpath, installed) else [_ROOT]


def child_variables() -> dict[str, str]:
    """Return the variables of a Python process that finds this package, and nothing by accident.

    They hold for what that process starts in turn, too. An empty entry of PYTHONPATH is left out,
    for Python takes it for the current folder; whoever means that writes a dot.
    """
    named = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    folders = list(dict.fromkeys([*named, *own_folders()]))
    return {"PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join(folders)}


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables of this process for a block, for libraries that start others."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
