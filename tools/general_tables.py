"""Trains the tables that come with the package (`model/octree/general.npz`) anew.

    python -m tools.general_tables FOLDER OUT.npz

FOLDER holds the archives of `LIBRARIES`, which the Debian package sweethome3d-furniture has in
`usr/share/sweethome3d/furniture`. It takes some minutes on one core, and the same archives make the
same tables.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from model.octree import coding
from model.octree.packed import KINDS, pack
from model.octree.tables import constants, untrained
from model.octree.training import settled
from model.octree.voxels import edge_of_share, voxels_of
from study.clouds.archives import ModelArchive
from study.clouds.sampling import Sampling

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from model.octree.coding import OctreeTables
    from model.octree.voxels import Voxels

    Points = NDArray[np.float64]

LIBRARIES = ("KatorLegaz", "Reallusion", "Scopia", "BlendSwap-CC-BY")
"""All that the package has but BlendSwap-CC-0, which the embedded objects were sampled from."""
LEFT_OUT = ("radiatorAndTowels", "ballonFoot")
"""Objects that may be an embedded one in other clothes: of all, turned and mirrored, only these are
as near to an embedded object (`radiator1`, `basketball`) as another sampling of it would be."""
SEED = 0
SAMPLES = 1 << 16
CODINGS = 2
"""Of each object, with another density and another edge every time."""
LEAST_POINTS_LOG2, LEAST_DEPTH, MOST_DEPTH = 11.0, 2.0, 9.5
PLACES = (0.3, 0.1, 0.6)
"""How often a cloud has its corner at the origin, its middle, or neither."""
JUDGED = 500
"""Codings that decide which slots are kept."""
KEPT = {"occupancy": 16_000, "count": 1_600}
"""Slots, by kind. With tables of another order of training, at 1/8, 1/16, 1/32 and 1/64 of the
longest side of 21 embedded objects, 8,000 (23 KB) saved 23, 19, 4 and 0.7 % of the stream, 16,000
(40 KB) 25, 20, 5 and 1.0, 24,000 (56 KB) 25, 20, 5.3 and 1.1, all 26, 20, 6 and 1.5."""
_FRAME_BITS, _FARTHEST_LOGIT = 100, 768


@dataclass(frozen=True)
class Plan:
    """How much is done; less of it makes other tables, for tests.

    Attributes:
        samples: points of each object.
        codings: of each object.
        judged: codings that decide which slots are kept.
        kept: slots of each kind.
    """

    samples: int
    codings: int
    judged: int
    kept: dict[str, int]


WHOLE = Plan(SAMPLES, CODINGS, JUDGED, KEPT)


def main(words: Sequence[str]) -> None:
    """Train, and write the file."""
    parser = argparse.ArgumentParser(prog="python -m tools.general_tables", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args(words)
    content = trained(objects(given.folder, WHOLE), WHOLE)
    given.out.write_bytes(content)
    print(f"{given.out}: {len(content):,} bytes")


def objects(folder: Path, plan: Plan) -> list[Points]:
    """Sample all objects of the libraries, in the order of their names; the longest side is 1."""
    found = {}
    for library in LIBRARIES:
        archive = ModelArchive(folder / f"{library}.sh3f")
        for name in archive.names:
            if name.split("/")[-2] not in LEFT_OUT:
                points = archive.read(name, Sampling(plan.samples, SEED)).points
                points = points - points.min(axis=0)
                found[name] = (points / points.max()).astype(np.float32).astype(np.float64)
    return [found[name] for name in sorted(found)]


def trained(clouds: Sequence[Points], plan: Plan) -> bytes:
    """Return packed tables of clouds."""
    random = np.random.default_rng(SEED)
    jobs = random.permutation(np.repeat(np.arange(len(clouds)), plan.codings))
    # What was seen last counts most: coarse trees, whose files are small, come last.
    depths = np.sort(random.uniform(LEAST_DEPTH, MOST_DEPTH, len(jobs)))[::-1]
    tables = settled(_averaged(_drawn(clouds, jobs, depths, random), len(jobs)))
    order = np.resize(random.permutation(len(clouds)), plan.judged)
    depths = random.uniform(LEAST_DEPTH, MOST_DEPTH, plan.judged)
    worth = _worth(tables, _drawn(clouds, order, depths, random))
    kept = {}
    for kind, most in plan.kept.items():
        lowest = np.sort(worth[kind], axis=None)[-most]
        kept[kind] = (worth[kind] >= lowest) & (worth[kind] > 0)
    return pack(tables, kept)


def _averaged(drawn: Iterator[Voxels], codings: int) -> OctreeTables:
    """Tables after all codings, with the means of the weights: these follow every single cloud."""
    tables: OctreeTables | None = None
    occupancy = np.zeros_like(untrained().occupancy_weights, dtype=np.int64)
    of_counts = np.zeros_like(untrained().count_weights, dtype=np.int64)
    number = 0
    for number, voxels in enumerate(drawn):
        tables = coding.learned(tables, *_given(voxels))
        if number >= codings // 4:
            occupancy += tables.occupancy_weights
            of_counts += tables.count_weights
    assert tables is not None, "there is an object"
    summed = number + 1 - codings // 4
    return replace(
        tables,
        occupancy_weights=(occupancy // summed).astype(np.int32),
        count_weights=(of_counts // summed).astype(np.int32),
    )


def _drawn(
    clouds: Sequence[Points],
    order: NDArray[np.int64],
    depths: NDArray[np.float64],
    random: np.random.Generator,
) -> Iterator[Voxels]:
    """Voxels of clouds, thinned out to any density, at any edge, and at usual places of the grid.

    Many clouds begin at the origin or lie around it, flat sides on the grid's own planes.
    """
    for number, depth in zip(order, depths, strict=True):
        points = clouds[number]
        most = np.log2(len(points))
        count = int(2.0 ** random.uniform(min(LEAST_POINTS_LOG2, most), most))
        some = points[random.permutation(len(points))[:count]]
        edge = edge_of_share(some, 2.0**-depth)
        low, high = some.min(axis=0), some.max(axis=0)
        places = (low, (low + high) / 2, low + edge * random.uniform(size=3))
        yield voxels_of(some - places[random.choice(3, p=PLACES)], edge)


def _worth(tables: OctreeTables, drawn: Iterator[Voxels]) -> dict[str, NDArray[np.float64]]:
    """What it saves that a slot is known: by its chance, and by which files use it.

    Each coding that uses a slot counts with the share that a bit has of its file.
    """
    uses = {kind: np.zeros(getattr(tables, f"{kind}_seen").shape) for kind in KINDS}
    for voxels in drawn:
        cells, counts, depth, box = _given(voxels)
        after = coding.learned(tables, cells, counts, depth, box)
        for kind, coded in zip(KINDS, (None, counts), strict=True):
            bits = coding.bits(cells, coded, depth, box, tables)
            seen = f"{kind}_seen"
            used = getattr(after, seen) != getattr(tables, seen)
            uses[kind] += used / (bits + _FRAME_BITS)
    logit = np.abs(constants().logit.astype(np.float64))
    return {
        kind: uses[kind]
        * (getattr(tables, f"{kind}_seen") > 0)
        * np.minimum(logit[getattr(tables, f"{kind}_chance") >> 4], _FARTHEST_LOGIT)
        for kind in KINDS
    }


def _given(
    voxels: Voxels,
) -> tuple[NDArray[np.int64], NDArray[np.int64], int, tuple[int, int, int]]:
    return voxels.cells, voxels.counts, (max(voxels.box) - 1).bit_length(), voxels.box


if __name__ == "__main__":
    main(sys.argv[1:])
