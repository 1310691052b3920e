"""Codecs of every kind, for the tools that ask what each metric rewards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from model.octree.codec import OctreeCodec, OctreeOptions
from study.checkpoints.export import take
from study.config import DataRecipe
from study.config.judging import judge
from study.data import open_data_set
from study.data.sources import EmbeddedObjects
from study.data.splits import assign_splits
from study.storage.progress import data_of_trial, read_progress
from study.yardsticks.draco import Draco

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from study.base.records import TrialRecord
    from study.clouds import Cloud
    from study.config import SplitName
    from study.data import StoredCloud
    from study.metrics.measurement import Coder
    from study.metrics.sample import Source
    from study.storage.folder import StudyFolder

    Settings = Sequence[tuple[str, Coder]]

DEPTHS = (3, 4, 5, 6, 7)
"""Of octrees: the longest side, halved so often, is a voxel's edge."""
DRACO_BITS = (3, 4, 5, 6, 7)
_FINEST, _HALVINGS = 14.0, 12
"""Of octrees tried for a rate: binary logarithm of the voxels over the longest side."""

Counts = Literal["none", "coarse", "exact"]
Placing = Literal["between", "centres"]


def objects(split: SplitName) -> dict[str, Cloud]:
    """Return the embedded objects of a split by name, as the default recipe splits them."""
    source = EmbeddedObjects()
    splits = assign_splits(source.point_counts, DataRecipe())
    return {name: source.read(name) for name, where in splits.items() if where == split}


def untrained() -> Mapping[str, Settings]:
    """Return codecs that need no training, by kind, each kind from its lowest rate on."""
    return {
        "octree": _octrees("none", "between"),
        "octree, coarse counts": _octrees("coarse", "between"),
        "octree, exact counts": _octrees("exact", "between"),
        "octree, centres": _octrees("none", "centres"),
        "Draco": [(f"{bits} bits", Draco(bits)) for bits in DRACO_BITS],
        "Draco, merged": [(f"{bits} bits", Draco(bits, merges=True)) for bits in DRACO_BITS],
    }


def learned(study: StudyFolder) -> list[tuple[TrialRecord, Coder]]:
    """Return the codecs of a study's front, from its lowest rate on."""
    config = study.config()
    progress = read_progress(study, config)
    assert progress.store is not None, "a study without a database has no codecs"
    best = sorted(judge(config, progress.records).front, key=lambda each: each.final["bpp"])
    return [(each, take(study, config, progress.store, each).codec) for each in best]


def test_objects(study: StudyFolder, trial: int) -> Sequence[StoredCloud]:
    """Return the whole clouds that nothing of a study was trained or validated on."""
    config = study.config()
    store = read_progress(study, config).store
    place = None if store is None else data_of_trial(study, config, store, trial)
    assert place is not None, "a finished trial has its data"
    return open_data_set(place).clouds("test")


def octree_within(cloud: Source, file_bytes: int, counts: Counts, placing: Placing) -> OctreeCodec:
    """Return the finest octree whose file of a cloud is no longer than wanted.

    Lengths need not rise with every step, so there may be a finer one yet.
    """
    low, high = 0.0, _FINEST
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        fits = len(_octree(middle, counts, placing).compress(cloud.points)) <= file_bytes
        low, high = (middle, high) if fits else (low, middle)
    return _octree(low, counts, placing)


def _octrees(counts: Counts, placing: Placing) -> Settings:
    return [(f"depth {depth}", _octree(depth, counts, placing)) for depth in DEPTHS]


def _octree(log_voxels: float, counts: Counts, placing: Placing) -> OctreeCodec:
    return OctreeCodec(
        OctreeOptions(edge_of_longest_side=2.0**-log_voxels, counts=counts, placing=placing)
    )
