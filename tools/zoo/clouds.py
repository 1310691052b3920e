"""Samples the objects that the shipped codecs are trained on.

    python -m tools.zoo.clouds FOLDER furniture.npz

FOLDER holds the archives of `tools.general_tables.LIBRARIES`: furniture of five libraries, of which
that one is left out that the embedded objects come from. It takes a minute, and the same archives
make the same clouds.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tools.general_tables import WHOLE, objects

if TYPE_CHECKING:
    from collections.abc import Sequence

SAMPLES = 1 << 15


def main(words: Sequence[str]) -> None:
    """Sample, and write the file."""
    parser = argparse.ArgumentParser(prog="python -m tools.zoo.clouds", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args(words)
    found = objects(given.folder, replace(WHOLE, samples=SAMPLES))
    named = {f"object-{number:03d}": points for number, points in enumerate(found)}
    np.savez(given.out, **{name: each.astype(np.float32) for name, each in named.items()})
    print(f"{given.out}: {len(named)} clouds of {SAMPLES:,} points")


if __name__ == "__main__":
    main(sys.argv[1:])
