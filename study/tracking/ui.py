"""MLflow's user interface over the studies of one root, for this machine only."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NoReturn

from study.errors import StudyError

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console


def serve(root: Path, port: int, console: Console) -> NoReturn:
    """Become MLflow's server, until Ctrl-C.

    Raises:
        StudyError: nothing was recorded under the root yet.
    """
    database = root.resolve() / "mlflow.db"
    if not database.exists():
        message = f"MLflow has nothing to show: there is no {database}; `study run` records one"
        raise StudyError(message)
    from study.tracking.observer import ui_command

    console.print(f"MLflow is at [bold]http://127.0.0.1:{port}[/] in a few seconds; Ctrl-C ends it")
    command = ui_command(f"sqlite:///{database}", port)
    os.execvp(command[0], command)  # noqa: S606 (no shell is wanted)
