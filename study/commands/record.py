"""`study record`: the learning curves of finished trials, as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape

from study.simulation.recorder import record_studies
from study.simulation.table_file import write_recording

if TYPE_CHECKING:
    import argparse

    from rich.console import Console


def record(arguments: argparse.Namespace, console: Console) -> int:
    """Write the table, and say what is in it."""
    recording, told = record_studies(arguments.root, arguments.names)
    write_recording(recording, arguments.table, force=arguments.force)
    console.print(
        f"[bold]{escape(str(arguments.table))}[/]  {len(recording.trials)} trials of "
        f"{recording.epochs} epochs{told}, {arguments.table.stat().st_size / 1e3:.0f} kB",
        soft_wrap=True,
    )
    return 0
