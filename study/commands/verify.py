"""`study verify`: are bitstreams decoded here to what they were decoded to elsewhere?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from study.codecs.bitstream_manifest import read_bitstream_manifest, this_machine
from study.codecs.verifying import RARE, Checked, Outcome, as_promised, too_often, verify
from study.report.live import progress_view

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from rich.console import Console

_MOST_TOLD = 20
"""Files of which it is said what differs."""


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Decode all files of a folder, and say what differs: 0 where all is as promised, else 1."""
    manifest = read_bitstream_manifest(arguments.folder)
    with progress_view(console, "verifying", "files", lines=True) as on_progress:
        checked = verify(arguments.folder, manifest, on_progress)
    console.print(f"made   {escape(str(manifest.made_by))}", soft_wrap=True)
    console.print(f"here   {escape(str(this_machine()))}", soft_wrap=True)
    console.print(table_of(checked))
    odd = [each for each in checked if each.told]
    for each in odd[:_MOST_TOLD]:
        console.print(
            f"[{'red' if each.outcome.is_failure else 'yellow'}]{each.outcome.value}[/]   "
            f"{escape(each.entry.codec)}, {escape(each.entry.cloud)}: {escape(each.told[:500])}",
            soft_wrap=True,
        )
    if len(odd) > _MOST_TOLD:
        console.print(f"{len(odd) - _MOST_TOLD:,} more files differ")
    console.print(_verdict(checked), soft_wrap=True)
    return 0 if as_promised(checked) else 1


def _verdict(checked: list[Checked]) -> str:
    """Say in a line whether all is as promised."""
    failed = sum(each.outcome.is_failure for each in checked)
    files = f"{len(checked):,} file{'s' * (len(checked) != 1)}"
    if failed:
        return f"[bold red]not as promised[/]: {failed:,} of {files} failed"
    counts = sum(each.outcome is Outcome.COUNT for each in checked)
    if too_often(checked):
        return (
            f"[bold red]not as promised[/]: {counts:,} of {files} differ in a count or a tie, "
            f"and {RARE:.0%} may"
        )
    rare = (
        f"; {counts:,} with a count or a tie decided otherwise, which may be, rarely"
        if counts
        else ""
    )
    return f"[bold green]as promised[/]: {files}{rare}"


def table_of(checked: Sequence[Checked]) -> Table:
    """Return one row for each codec: its files by outcome, and the distances of their points."""
    table = Table(
        box=SIMPLE_HEAD,
        pad_edge=False,
        caption="distances from the recorded points, in longest sides of the cloud",
        caption_justify="left",
    )
    table.add_column("codec")
    for heading in ("files", *(outcome.value for outcome in Outcome), "largest", "mean"):
        table.add_column(heading, justify="right", no_wrap=True)
    for codec in dict.fromkeys(each.entry.codec for each in checked):
        mine = [each for each in checked if each.entry.codec == codec]
        found = [each.difference for each in mine if each.difference is not None]
        table.add_row(
            escape(codec[:60]),
            f"{len(mine):,}",
            *(f"{sum(e.outcome is outcome for e in mine):,}" for outcome in Outcome),
            f"{max(each.largest for each in found):.2g}" if found else "-",
            f"{sum(each.mean for each in found) / len(found):.2g}" if found else "-",
        )
    return table
