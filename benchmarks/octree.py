"""The octree codec against Draco and G-PCC: rates, where its bits go, speed and memory.

Clouds are the embedded objects of the test split, of which G-PCC's rates are recorded, or files of
the user's (`--clouds`). The tables are those that come with the package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import octree_clouds, octree_rates, octree_speed
from benchmarks.codec import sheet
from model.octree.general import general_tables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from benchmarks.octree_rates import Curves, Points

TEST_OBJECTS: int | None = None
"""How many embedded objects are used; None: the whole split."""
MOST_PERCENT = {"octree, tables, centres": -3.0, "octree, no tables, centres": 8.0}
"""The bars in BD-rate against G-PCC."""
MOST_EXCESS_PERCENT = 1.0
"""The bar of how much longer than their ideal code files are, from 1 KB on."""


def run(pairs: int, files: Sequence[Path] = (), points: int = 0) -> bool:
    """Measure and print; tell whether all bars hold.

    Args:
        pairs: rounds of what is timed, at most.
        files: clouds; none: the embedded objects.
        points: of each of the files' clouds.
    """
    few = TEST_OBJECTS
    chosen = octree_clouds.given(files, points) if files else octree_clouds.embedded(few)
    print("\n".join(chosen.lines()))
    held = where_bits_go(list(chosen.clouds.values()))
    held &= rates(chosen.clouds, is_recorded=not files)
    return speed(pairs) and held


def where_bits_go(clouds: Sequence[Points]) -> bool:
    """Print, depth by depth, what of files is code, and which levels of the tree it is for."""
    held = True
    for name, tables in (("no tables", None), ("tables", general_tables())):
        print(f"  bits per point, {name}: ideal code, stream, frame; by level, the last first")
        for depth in octree_rates.DEPTHS:
            bits = octree_rates.bits_at(clouds, depth, tables)
            levels = " ".join(f"{level:.4f}" for level in reversed(bits.levels) if level > 0)
            print(
                f"    depth {depth}: {bits.ideal:.4f} {bits.stream:.4f} {bits.frame:.4f}, file "
                f"{bits.excess_percent:+.2f} %; {levels}"
            )
            is_long = bits.file_bytes * sum(map(len, clouds)) / len(clouds) >= 1024
            held &= not is_long or bits.excess_percent <= MOST_EXCESS_PERCENT
    return held


def rates(clouds: Mapping[str, Points], *, is_recorded: bool) -> bool:
    """Print BD-rates of octrees against all anchors; tell whether the bars hold."""
    anchors: dict[str, Curves] = octree_rates.dracos(clouds)
    if is_recorded:
        anchors |= octree_rates.gpcc(clouds)
    held = True
    print(
        f"  BD-rate in D1, {octree_rates.LOW_DB:g} to {octree_rates.HIGH_DB:g} dB, whole files, "
        "paired by cloud"
    )
    for name, test in octree_rates.octrees(clouds, general_tables()).items():
        for anchor, of_anchor in anchors.items():
            found = octree_rates.difference(of_anchor, test)
            bar = MOST_PERCENT.get(name) if anchor == "G-PCC" else None
            told = "" if bar is None else f"; bar {bar:+g} %"
            print(f"    {name} against {anchor}: {found}{told}")
            held &= bar is None or found.percent <= bar
    return held


def speed(pairs: int) -> bool:
    """Print speed and memory; tell whether the bars of the coder's speed hold."""
    rounds = max(2, min(pairs, octree_speed.ROUNDS))
    bars = []
    for name, surface in (("sheet", sheet), ("closed surface", octree_speed.closed_surface)):
        bars += octree_speed.speed(name, surface(octree_speed.POINTS), rounds)
    for bar in bars:
        print(f"    {bar.name}: {bar.measured:,.0f} ({bar})")
    octree_speed.memory()
    return all(bar.held for bar in bars)
