"""Write the tables and the picture of docs/chamfer.md anew.

python -m tools.chamfer            all; takes some minutes
python -m tools.chamfer line heaps these tables only
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from tools.chamfer.pictures import draw
from tools.chamfer.tables import TABLES

PAGE = Path(__file__).parents[2] / "docs" / "chamfer.md"
PICTURE = PAGE.parent / "images" / "chamfer.png"


def between(page: str, name: str) -> tuple[str, str, str]:
    """A page before, in and after the table of a name."""
    before, start, rest = page.partition(f"<!-- {name} -->\n")
    told, end, after = rest.partition(f"\n<!-- end of {name} -->")
    if not start or not end:
        raise SystemExit(f"{PAGE} has no place for the table {name}: give it one")
    return before + start, told, end + after


def main() -> None:
    """Compute the asked tables, and put them into the page."""
    parser = argparse.ArgumentParser(prog="python -m tools.chamfer", description=__doc__)
    parser.add_argument("tables", nargs="*", choices=[[], *TABLES], metavar="TABLE")
    names = parser.parse_args().tables or list(TABLES)
    torch.set_num_threads(1)  # The sets are small: threads would wait for each other.
    for name in names:
        before, _, after = between(PAGE.read_text(encoding="utf-8"), name)
        PAGE.write_text(f"{before}{TABLES[name]()}{after}", encoding="utf-8")
        print(f"{name}: written")
    draw(PICTURE)


if __name__ == "__main__":
    main()
