"""`study zoo`: the codecs that come with the package."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from model.folder_files import read_description
from study.codecs.opening import BUILT_IN
from study.zoo.catalog import DEFAULT, shipped

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from rich.console import Console

CURVE = "curve.json"
"""Beside a codec: its rates and qualities, and those of the octree, as `benchmarks.zoo` writes."""


def show(_arguments: argparse.Namespace, console: Console) -> int:
    """List them, each with its curve."""
    for name, folder in shipped().items():
        described = read_description(folder)
        size = sum(file.stat().st_size for file in folder.iterdir())
        is_default = "; what `study compress` takes where none is named" * (name == DEFAULT)
        console.print(
            f"[bold]{escape(name)}[/]  {escape(str(described['about'].get('family', '')))} "
            f"{described['id']}, {size / 1e3:,.0f} kB{is_default}",
            soft_wrap=True,
        )
        console.print(_curve(folder))
    console.print(
        f"[bold]{BUILT_IN}[/]  an octree without a network, beside it; `study compress {BUILT_IN} "
        "IN`. How they were made and measured: docs/zoo.md",
        soft_wrap=True,
    )
    return 0


def _curve(folder: Path) -> Table:
    curve = json.loads((folder / CURVE).read_text(encoding="utf-8"))
    table = Table(title=curve["of"], title_justify="left", show_edge=False)
    for heading in ("edge", "bpp", "D1 dB", "octree bpp", "octree D1 dB"):
        table.add_column(heading, justify="right")
    octree = curve["octree"]
    for at, depth in enumerate(curve["depth"]):
        table.add_row(
            f"1/{2**depth:.3g}",
            *(f"{curve[key][at]:.{digits}f}" for key, digits in _DIGITS.items()),
            *(f"{octree[key][at]:.{digits}f}" for key, digits in _DIGITS.items()),
        )
    return table


_DIGITS = {"bpp": 3, "d1_psnr_db": 2}
