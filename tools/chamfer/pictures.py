"""The picture of docs/chamfer.md: losses and their slopes where a nearest point changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from tools.chamfer.claims import along_a_line

if TYPE_CHECKING:
    from pathlib import Path

DRAWN = ("chamfer", "earth mover's (exact)", "Sinkhorn divergence", "density-aware chamfer")
PLACES = 801


def draw(path: Path) -> None:
    """Values above, slopes below, one column per loss."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    axes = figure.subplots(2, len(DRAWN), sharex=True, squeeze=False)
    for column, loss in enumerate(DRAWN):
        line = along_a_line(loss, PLACES)
        for row, values in enumerate((line.value, line.slope)):
            axes[row][column].plot(line.place, values, ".", markersize=1.5, color="tab:blue")
            axes[row][column].grid(alpha=0.3)
        axes[0][column].set_title(loss)
        axes[1][column].set_xlabel("place of the moving point")
    axes[0][0].set_ylabel("loss")
    axes[1][0].set_ylabel("its slope")
    figure.savefig(path, dpi=110)
