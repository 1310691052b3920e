"""Training the octree codec's tables on clouds, and measuring what they are worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from model.octree.training import learned_at, settled, stream_bits
from study.base.errors import StudyError
from study.config.data import DataRecipe
from study.data.sources import EmbeddedObjects
from study.data.splits import assign_splits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from model.octree.coding import OctreeTables

    Points = NDArray[np.float64]
    Progress = Callable[[int, int], None]

HELD_OUT = 5
"""Of so many clouds one is kept aside, to measure on."""


@dataclass(frozen=True)
class Worth:
    """What tables save at one edge, on clouds that they were not trained on.

    Attributes:
        depth: the edge is the longest side, halved so many times.
        without_bpp: of the octree alone, from no tables.
        with_bpp: the same from tables.
    """

    depth: int
    without_bpp: float
    with_bpp: float


def embedded_training_clouds() -> dict[str, Points]:
    """Return the embedded objects that the default recipe trains on: no codec is measured there."""
    objects = EmbeddedObjects()
    splits = assign_splits(objects.point_counts, DataRecipe())
    return {name: objects.read(name).points for name, split in splits.items() if split == "train"}


def train_tables(
    clouds: Mapping[str, Points], depths: Sequence[int], seed: int, progress: Progress
) -> tuple[OctreeTables, list[Worth]]:
    """Train tables on all clouds, and measure how good tables of four fifths are on the rest.

    Args:
        clouds: by name.
        depths: the edges: the longest side, halved so often, and moved by up to half an octave.
        seed: of the edges and of the order.
        progress: called with how many codings are done, and of how many.

    Returns:
        The tables, and for each depth their worth; no worths where there are too few clouds to keep
        one aside.

    Raises:
        StudyError: no clouds.
        CodecError: a cloud cannot be coded.
    """
    if not clouds:
        raise StudyError("tables are trained on clouds, and none is given; name one or more")
    # A seeded order of the names, so that neighbours in a list are not all kept aside.
    names = [sorted(clouds)[i] for i in np.random.default_rng(seed).permutation(len(clouds))]
    aside = names[::HELD_OUT] if len(names) >= HELD_OUT else []
    kept = [clouds[name] for name in names if name not in set(aside)] if aside else []
    total = len(depths) * (len(names) + len(kept))
    done = 0

    def on_progress() -> None:
        nonlocal done
        done += 1
        progress(done, total)

    worths = []
    if aside:
        of_others = trained_on(kept, depths, seed, on_progress)
        worths = [_worth([clouds[name] for name in aside], depth, of_others) for depth in depths]
    return trained_on([clouds[name] for name in names], depths, seed, on_progress), worths


def trained_on(
    clouds: Sequence[Points],
    depths: Sequence[int],
    seed: int,
    on_progress: Callable[[], None] = lambda: None,
) -> OctreeTables:
    """Return tables of all clouds at all depths; see `train_tables`.

    Args:
        clouds: one or more.
        depths: the edges, as there.
        seed: likewise.
        on_progress: called after each coding.
    """
    draw = np.random.default_rng(seed)
    jobs = [(number, depth) for number in range(len(clouds)) for depth in depths]
    order = [jobs[job] for job in draw.permutation(len(jobs))]
    tables = None
    # What was seen last counts most: coarse trees, whose files are small, come last.
    for number, depth in sorted(order, key=lambda job: -job[1]):
        share = 2.0 ** -(depth + draw.uniform(-0.5, 0.5))
        tables = learned_at(tables, clouds[number], share)
        on_progress()
    assert tables is not None, "there is a cloud and a depth"
    return settled(tables)


def _worth(clouds: Sequence[Points], depth: int, tables: OctreeTables) -> Worth:
    points = sum(map(len, clouds))

    def bpp(of: OctreeTables | None) -> float:
        return sum(stream_bits(of, cloud, 2.0**-depth, counted=False) for cloud in clouds) / points

    return Worth(depth, bpp(None), bpp(tables))
