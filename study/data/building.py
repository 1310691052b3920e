"""The contents of a data set: read, choose, cut, collapse, write."""

from __future__ import annotations

import hashlib
import json
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from model.errors import CodecError
from model.partition import partition
from model.placement import place
from study.base.errors import StudyError
from study.config.data import SPLITS
from study.data.cloud_set import BYTES_PER_POINT, cloud_row
from study.data.cloud_set import LAYOUT as CLOUD_LAYOUT
from study.data.dataset import EVALUATED, clouds_file, patches_file
from study.data.manifest import (
    FORMAT,
    CloudEntry,
    Manifest,
    SplitCounts,
    hash_content,
    write_manifest,
)
from study.data.patch_set import bytes_per_point, patch_columns, patch_row
from study.data.store import TableWriter
from study.data.version import code_version

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from model.partition import Partition, PartitionConfig
    from model.placement import Placement
    from study.clouds import Cloud
    from study.config.data import DataRecipe, SplitName
    from study.data.manifest import FileEntry
    from study.data.patch_form import PatchForm
    from study.data.sources import Source


@dataclass(frozen=True)
class Job:
    """Everything that decides what a data set holds.

    Attributes:
        source: where the clouds come from.
        recipe: how they are chosen and cut.
        splits: the chosen clouds and their splits, ordered by name.
        form: what is stored of a patch.
    """

    source: Source
    recipe: DataRecipe
    splits: Mapping[str, SplitName]
    form: PatchForm

    @property
    def folder_name(self) -> str:
        """The source's name and a hash of everything else."""
        parameters = {
            "format": FORMAT,
            "fingerprint": self.source.fingerprint,
            "recipe": self.recipe.model_dump(),
            **self.form.parameters,
        }
        text = json.dumps(parameters, sort_keys=True)
        return f"{self.source.name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    @property
    def estimated_bytes(self) -> int:
        """Size of the numbers if no cube is dropped, without the files' overhead."""
        most, normals = self.recipe.points_per_object, self.recipe.normals
        of_patch = bytes_per_point(self.form, normals=normals)
        of_cloud = BYTES_PER_POINT + 12.0 * normals
        needed = 0.0
        for cloud, split in self.splits.items():
            count = self.source.point_counts[cloud]
            points = count if most is None else min(count, most)
            needed += points * (of_patch + of_cloud * (split in EVALUATED))
        return round(needed)

    def build(self, folder: Path, on_progress: Callable[[int, int], None] | None) -> None:
        """Write the data set's files into an empty folder.

        Raises:
            StudyError: a cloud is faulty, or a split is left without a patch.
        """
        layout = patch_columns(self.form, normals=self.recipe.normals)
        layouts = {patches_file(split): layout for split in SPLITS}
        layouts |= {clouds_file(split): CLOUD_LAYOUT for split in EVALUATED}
        with ExitStack() as stack:
            writers = {
                name: stack.enter_context(TableWriter(folder / name, layout))
                for name, layout in layouts.items()
            }
            clouds: dict[SplitName, list[CloudEntry]] = {split: [] for split in SPLITS}
            for done, (cloud, split) in enumerate(self.splits.items(), start=1):
                # A training cloud without patches takes no index.
                index = sum(entry.patches > 0 or split != "train" for entry in clouds[split])
                clouds[split].append(self._add_cloud(cloud, split, index, writers))
                if on_progress is not None:
                    on_progress(done, len(self.splits))
            for split in SPLITS:
                _require_patches(clouds[split], split, self.recipe)
            files = {name: writer.finish() for name, writer in writers.items()}
        write_manifest(self._manifest(clouds, files), folder)

    def _add_cloud(
        self, name: str, split: SplitName, index: int, writers: Mapping[str, TableWriter]
    ) -> CloudEntry:
        """Cut a cloud and store its patches under this index; store evaluated clouds whole too."""
        cloud = _choose_points(self.source.read(name), name, self.recipe)
        try:
            placement = place(cloud.points, name)
        except CodecError as error:
            raise StudyError(str(error)) from error
        config = self.recipe.partition(split)
        cut = partition(placement.to_scaled(cloud.points), config)
        for cube in cut.patches:
            normals = None if cloud.normals is None else cloud.normals[cube.members]
            writers[patches_file(split)].add(patch_row(index, cube, normals, self.form))
        if split in EVALUATED:
            overhead = self.form.overhead_bits(cut, placement, config)
            row = cloud_row(cloud.points, cloud.normals, cut.voxels, overhead)
            writers[clouds_file(split)].add(row)
        return _entry(name, split, cloud, cut, placement, config)

    def _manifest(
        self, clouds: Mapping[SplitName, list[CloudEntry]], files: dict[str, FileEntry]
    ) -> Manifest:
        entries = tuple(entry for split in SPLITS for entry in clouds[split])
        return Manifest(
            format=FORMAT,
            source=self.source.name,
            fingerprint=self.source.fingerprint,
            recipe=self.recipe,
            geometry=dict(self.form.parameters),
            splits={split: _count(clouds[split]) for split in SPLITS},
            clouds=entries,
            files=files,
            content_hash=hash_content(files, entries),
            code_version=code_version(),
        )


def _choose_points(cloud: Cloud, name: str, recipe: DataRecipe) -> Cloud:
    """The points of a cloud that the recipe asks for, with normals if it asks for them.

    The recipe's seed and the cloud's name decide the choice. It keeps the points' order.

    Raises:
        StudyError: the recipe wants normals, and the cloud has none.
    """
    if recipe.normals and cloud.normals is None:
        held = f" (it has {', '.join(cloud.uncoded)})" if cloud.uncoded else ""
        raise StudyError(
            f"every cloud must have normals where the data are prepared with them, and {name} has "
            f"none{held}; compute them, or set data.normals to false"
        )
    if not recipe.normals:
        cloud = replace(cloud, normals=None)
    most = recipe.points_per_object
    if most is None or len(cloud.points) <= most:
        return cloud
    of_name = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
    drawn = np.random.default_rng([recipe.seed, of_name])
    chosen = np.sort(drawn.choice(len(cloud.points), most, replace=False))
    normals = None if cloud.normals is None else cloud.normals[chosen]
    return replace(cloud, points=cloud.points[chosen], normals=normals)


def _entry(
    name: str,
    split: SplitName,
    cloud: Cloud,
    cut: Partition,
    placement: Placement,
    config: PartitionConfig,
) -> CloudEntry:
    sparse = _sparse_cubes(cut, config)
    return CloudEntry(
        name=name,
        split=split,
        points=sum(len(cube.points) for cube in cut.patches),
        patches=len(cut.patches),
        sparse_cubes=len(sparse),
        sparse_points=int(sparse.sum()),
        voxels=len(cut.voxels) if split in EVALUATED else 0,
        fullest_sparse_cube=int(sparse.max(initial=0)),
        side=placement.side,
        centre=placement.centre,
        uncoded=cloud.uncoded,
    )


def _sparse_cubes(cut: Partition, config: PartitionConfig) -> NDArray[np.int64]:
    """(c,) numbers of points in no patch, of each cube of the grid that has such points."""
    voxels = ~cut.leaves.is_patch
    depth = cut.leaves.level[voxels] - config.cube_level
    cube = np.unique(cut.leaves.key[voxels] >> 3 * depth, return_inverse=True)[1]
    in_voxel = np.diff(cut.voxel_starts, append=len(cut.voxel_members))
    return np.bincount(cube, weights=in_voxel).astype(np.int64)


def _require_patches(clouds: Sequence[CloudEntry], split: SplitName, recipe: DataRecipe) -> None:
    if not clouds or any(entry.patches for entry in clouds):
        return
    setting = "min_points" if split == "train" else "min_points_evaluation"
    fewest = recipe.partition(split).min_points
    fullest = max(entry.fullest_sparse_cube for entry in clouds)
    raise StudyError(
        f"every split needs patches, and no cube of the {len(clouds)} {split} objects has "
        f"{setting}={fewest:,} points: the fullest has {fullest:,}; lower {setting} or raise "
        f"cube_size (now {recipe.cube_size:g})"
    )


def _count(clouds: Sequence[CloudEntry]) -> SplitCounts:
    return SplitCounts(
        clouds=sum(entry.patches > 0 for entry in clouds),
        patches=sum(entry.patches for entry in clouds),
        points=sum(entry.points for entry in clouds),
        sparse_clouds=sum(entry.patches == 0 for entry in clouds),
        sparse_cubes=sum(entry.sparse_cubes for entry in clouds),
        sparse_points=sum(entry.sparse_points for entry in clouds),
        voxels=sum(entry.voxels for entry in clouds),
    )
