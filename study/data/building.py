"""The contents of a data set: read, choose, cut, collapse, write."""

from __future__ import annotations

import hashlib
import json
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from model.hierarchy import build_hierarchy
from study.data.cutting import cut, place
from study.data.dataset import FORMAT, split_path
from study.data.manifest import CloudEntry, Manifest, SplitCounts, hash_content, write_manifest
from study.data.recipe import SPLITS
from study.data.store import SplitWriter, bytes_per_point
from study.data.version import code_version
from study.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from study.data.manifest import FileEntry
    from study.data.recipe import DataRecipe, SplitName
    from study.data.sources import Source


@dataclass(frozen=True)
class Job:
    """Everything that decides what a data set holds.

    Attributes:
        source: where the clouds come from.
        recipe: how they are chosen and cut.
        splits: the chosen clouds and their splits, ordered by name.
        downsample_rate, k: parameters of the hierarchies.
    """

    source: Source
    recipe: DataRecipe
    splits: Mapping[str, SplitName]
    downsample_rate: tuple[float, ...]
    k: int

    @property
    def folder_name(self) -> str:
        """The source's name and a hash of everything else."""
        parameters = {
            "format": FORMAT,
            "fingerprint": self.source.fingerprint,
            "recipe": self.recipe.model_dump(),
            "downsample_rate": self.downsample_rate,
            "k": self.k,
        }
        text = json.dumps(parameters, sort_keys=True)
        return f"{self.source.name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    @property
    def estimated_bytes(self) -> int:
        """Room that the numbers take if no cube is dropped; file overhead not counted."""
        most = self.recipe.points_per_object
        counts = (self.source.point_counts[cloud] for cloud in self.splits)
        points = sum(count if most is None else min(count, most) for count in counts)
        return round(points * bytes_per_point(self.downsample_rate, self.k))

    def build(self, folder: Path, on_progress: Callable[[int, int], None] | None) -> None:
        """Write the data set's files into an empty folder.

        Raises:
            StudyError: a cloud is faulty, or a split is left without a patch.
        """
        with ExitStack() as stack:
            writers: dict[SplitName, SplitWriter] = {
                split: stack.enter_context(
                    SplitWriter(split_path(folder, split), len(self.downsample_rate))
                )
                for split in SPLITS
            }
            clouds: dict[SplitName, list[CloudEntry]] = {split: [] for split in SPLITS}
            for done, (cloud, split) in enumerate(self.splits.items(), start=1):
                index = sum(entry.patches > 0 for entry in clouds[split])
                clouds[split].append(self._add_cloud(cloud, split, index, writers[split]))
                if on_progress is not None:
                    on_progress(done, len(self.splits))
            for split in SPLITS:
                _require_patches(clouds[split], split, self.recipe)
            files = {split: writer.finish() for split, writer in writers.items()}
        write_manifest(self._manifest(clouds, files), folder)

    def _add_cloud(
        self, cloud: str, split: SplitName, index: int, writer: SplitWriter
    ) -> CloudEntry:
        """Cut a cloud and store its patches under this index."""
        points = _choose_points(self.source.read(cloud), cloud, self.recipe)
        placement = place(points, cloud)
        kept, dropped = [], []
        for cube in cut(placement.to_scaled(points), self.recipe.cube_size):
            if len(cube.points) < self.recipe.min_points_of(split):
                dropped.append(len(cube.points))
                continue
            kept.append(len(cube.points))
            writer.add(index, cube, build_hierarchy(cube.points, self.downsample_rate, self.k))
        return CloudEntry(
            name=cloud,
            split=split,
            points=sum(kept),
            patches=len(kept),
            dropped_cubes=len(dropped),
            dropped_points=sum(dropped),
            fullest_cube=max(kept + dropped),
            offset=placement.offset,
            scale=placement.scale,
        )

    def _manifest(
        self, clouds: Mapping[SplitName, list[CloudEntry]], files: dict[SplitName, FileEntry]
    ) -> Manifest:
        entries = tuple(entry for split in SPLITS for entry in clouds[split])
        return Manifest(
            format=FORMAT,
            source=self.source.name,
            fingerprint=self.source.fingerprint,
            recipe=self.recipe,
            downsample_rate=self.downsample_rate,
            k=self.k,
            splits={split: _count(clouds[split]) for split in SPLITS},
            clouds=entries,
            files=files,
            content_hash=hash_content(files, entries),
            code_version=code_version(),
        )


def _choose_points(
    points: NDArray[np.float64], cloud: str, recipe: DataRecipe
) -> NDArray[np.float64]:
    """A seeded choice of a cloud's points, in their order; each cloud has a choice of its own."""
    most = recipe.points_per_object
    if most is None or len(points) <= most:
        return points
    name = int.from_bytes(hashlib.sha256(cloud.encode()).digest()[:8])
    chosen = np.random.default_rng([recipe.seed, name]).choice(len(points), most, replace=False)
    return points[np.sort(chosen)]


def _require_patches(clouds: Sequence[CloudEntry], split: SplitName, recipe: DataRecipe) -> None:
    if not clouds or any(entry.patches for entry in clouds):
        return
    setting = "min_points" if split == "train" else "min_points_evaluation"
    fullest = max(entry.fullest_cube for entry in clouds)
    raise StudyError(
        f"every split needs patches, and no cube of the {len(clouds)} {split} objects has "
        f"{setting}={recipe.min_points_of(split):,} points: the fullest has {fullest:,}; lower "
        f"{setting} or raise cube_size (now {recipe.cube_size:g})"
    )


def _count(clouds: Sequence[CloudEntry]) -> SplitCounts:
    return SplitCounts(
        clouds=sum(entry.patches > 0 for entry in clouds),
        patches=sum(entry.patches for entry in clouds),
        points=sum(entry.points for entry in clouds),
        dropped_clouds=sum(entry.patches == 0 for entry in clouds),
        dropped_cubes=sum(entry.dropped_cubes for entry in clouds),
        dropped_points=sum(entry.dropped_points for entry in clouds),
    )
