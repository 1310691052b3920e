"""The clouds that the octree is measured on: embedded objects, or files of the user's.

Of a library that embedded objects were cut from, those of the default recipe's test split are
taken: tables trained on others stay honest, and densities are compared on the same objects.

Legend: n points of a cloud.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from model.octree.voxels import edge_of_share, voxels_of
from study.base.errors import StudyError
from study.clouds.files import open_cloud_file
from study.clouds.sampling import Sampling
from study.config import DataRecipe
from study.data.sources import EmbeddedObjects
from study.data.splits import assign_splits

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Points = NDArray[np.float64]

LIBRARY = "blendswap-cc-0"
"""The folder, within its archive, of the models that embedded objects were sampled from (see
`study/data/NOTICE`). The folder of each bears the object's name."""
SEED = 0
"""Of the sampling, and of the draw where there are more clouds than are measured."""
MOST_CLOUDS = 40
"""Measured of other files. Their log rates differ by 0.26: an interval of +-8 %."""
FEWEST_VOXELS, SHARE = 150, 1 / 32
"""A cloud that fills fewer voxels of this share of its longest side is nearly empty: a rod fills
32, a square 1,024. Rates of such clouds are headers'."""


@dataclass(frozen=True)
class Chosen:
    """What is measured, and what is not.

    Attributes:
        clouds: (n, 3) points by name.
        left_out: names of the others, by why they are left out.
    """

    clouds: dict[str, Points]
    left_out: dict[str, list[str]]

    def lines(self) -> list[str]:
        """Say what was taken and what was not."""
        sizes = sorted({len(points) for points in self.clouds.values()})
        told = f"{sizes[0]:,}" + (f" to {sizes[-1]:,}" if len(sizes) > 1 else "")
        found = [f"  {len(self.clouds)} clouds of {told} points"]
        for why, names in self.left_out.items():
            some = ", ".join(names[:3]) + ", ..." * (len(names) > 3)
            found.append(f"  left out, {why}: {len(names)} ({some})")
        return found


def of_test_split() -> list[str]:
    """Names of the embedded objects of the test split."""
    splits = assign_splits(EmbeddedObjects().point_counts, DataRecipe())
    return [name for name, split in splits.items() if split == "test"]


def embedded(most: int | None = None) -> Chosen:
    """Take the embedded objects of the test split, or the first of them."""
    source = EmbeddedObjects()
    return Chosen({name: source.read(name).points for name in of_test_split()[:most]}, {})


def given(files: Sequence[Path], points: int) -> Chosen:
    """Take clouds of files, meshes sampled at so many points, always the same ones.

    Raises:
        StudyError: a file cannot be read, or nothing is left to measure.
    """
    named = {name: (file, name) for file in map(open_cloud_file, files) for name in file.names}
    clouds: dict[str, Points] = {}
    left_out: dict[str, list[str]] = {}
    wanted = _wanted(list(named), left_out)
    for name in wanted:
        file, member = named[name]
        try:
            found = file.read(member, Sampling(points, SEED)).points
        except StudyError:
            left_out.setdefault("cannot be read", []).append(name)
            continue
        if len(found) > points:
            found = found[np.sort(np.random.default_rng(SEED).permutation(len(found))[:points])]
        if _is_nearly_empty(found):
            left_out.setdefault("nearly empty", []).append(name)
        elif len(found) < points:
            left_out.setdefault(f"fewer than {points:,} points", []).append(name)
        else:
            clouds[name] = found
    if not clouds:
        raise StudyError("octrees are measured on clouds, and none of these files can be used")
    return Chosen(clouds, left_out)


def _wanted(names: Sequence[str], left_out: dict[str, list[str]]) -> list[str]:
    """Choose by name: test objects of the library of embedded ones, and some of all others."""
    test, wanted, others = set(of_test_split()), [], []
    for name in names:
        parts = PurePosixPath(name).parts
        if parts[0].lower() != LIBRARY:
            others.append(name)
        elif len(parts) > 1 and parts[-2] in test:
            wanted.append(name)
        else:
            left_out.setdefault("not of the test split", []).append(name)
    if len(others) > MOST_CLOUDS:
        kept = np.random.default_rng(SEED).permutation(len(others))[:MOST_CLOUDS]
        chosen = {others[i] for i in kept}
        left_out["beyond what is measured"] = [name for name in others if name not in chosen]
        others = [name for name in others if name in chosen]
    return wanted + others


def _is_nearly_empty(points: Points) -> bool:
    if not len(points) or not np.ptp(points, axis=0).max() > 0.0:
        return True
    return len(voxels_of(points, edge_of_share(points, SHARE)).cells) < FEWEST_VOXELS
