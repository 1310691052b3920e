"""Takes an exported codec into the package, and measures what `study zoo` shows of it.

python -m tools.zoo.ship studies/zoo-voxel/codec voxel
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.zoo import write_curve
from study.commands.zoo import CURVE

if TYPE_CHECKING:
    from collections.abc import Sequence

ZOO = Path(__file__).parents[2] / "study" / "zoo"
FILES = ("codec.json", "weights.safetensors")


def main(words: Sequence[str]) -> None:
    """Copy, and measure."""
    parser = argparse.ArgumentParser(prog="python -m tools.zoo.ship", description=__doc__)
    parser.add_argument("codec", type=Path)
    parser.add_argument("name")
    given = parser.parse_args(words)
    folder = ZOO / given.name
    folder.mkdir(exist_ok=True)
    for file in FILES:
        shutil.copy(given.codec / file, folder / file)
    write_curve(folder / CURVE)


if __name__ == "__main__":
    main(sys.argv[1:])
