"""Codecs of every kind at many rates, for the tools that ask what each metric rewards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.octree.codec import OctreeCodec, OctreeOptions
from study.checkpoints.export import take
from study.config import DataRecipe
from study.config.judging import judge
from study.data.sources import EmbeddedObjects
from study.data.splits import assign_splits
from study.storage.progress import read_progress
from study.yardsticks.draco import Draco

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from study.clouds import Cloud
    from study.config import SplitName
    from study.metrics.measurement import Coder
    from study.storage.folder import StudyFolder

    Settings = Sequence[tuple[str, Coder]]

DEPTHS = (3, 4, 5, 6, 7)
"""Of octrees: the longest side, halved so often, is a voxel's edge."""
DRACO_BITS = (3, 4, 5, 6, 7)


def objects(split: SplitName) -> dict[str, Cloud]:
    """Return the embedded objects of a split by name, as the default recipe splits them."""
    source = EmbeddedObjects()
    splits = assign_splits(source.point_counts, DataRecipe())
    return {name: source.read(name) for name, where in splits.items() if where == split}


def families(study: StudyFolder | None) -> Mapping[str, Settings]:
    """Return codecs by kind, each kind from its lowest rate on.

    Args:
        study: the codecs of its front are a kind too, its rates as measured there.
    """
    found: dict[str, Settings] = {
        "octree": _octrees("none"),
        "octree, coarse counts": _octrees("coarse"),
        "octree, exact counts": _octrees("exact"),
        "octree, centres": _octrees("none", "centres"),
        "Draco": [(f"{bits} bits", Draco(bits)) for bits in DRACO_BITS],
        "Draco, merged": [(f"{bits} bits", Draco(bits, merges=True)) for bits in DRACO_BITS],
    }
    return found if study is None else found | {"D-PCC": _learned(study)}


def _octrees(counts: str, placing: str = "between") -> Settings:
    return [
        (
            f"depth {depth}",
            OctreeCodec(
                OctreeOptions(edge_of_longest_side=2.0**-depth, counts=counts, placing=placing)  # type: ignore[arg-type]
            ),
        )
        for depth in DEPTHS
    ]


def _learned(study: StudyFolder) -> Settings:
    """Return the codecs of a study's finished trials, whether on its front or not."""
    config = study.config()
    progress = read_progress(study, config)
    assert progress.store is not None, "a study without a database has no codecs"
    finished = sorted(judge(config, progress.records).front, key=lambda each: each.final["bpp"])
    return [
        (f"trial {each.number}", take(study, config, progress.store, each).codec)
        for each in finished
    ]
