"""What a prepared data set says about itself: `manifest.json`."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from study.data.cutting import Placement
from study.data.recipe import LONGEST_SIDE, SPLITS, DataRecipe, SplitName
from study.errors import StudyError

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME = "manifest.json"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CloudEntry(_Part):
    """One cloud: its split, what was kept and dropped, and its place in the scaled frame.

    `points` and `patches` are those kept; a cloud without any patch is in no `PatchSet`.
    `fullest_cube` is the number of points of the cube that has most, dropped or not.
    """

    name: str
    split: SplitName
    points: int
    patches: int
    dropped_cubes: int
    dropped_points: int
    fullest_cube: int
    offset: tuple[float, float, float]
    scale: float

    @property
    def placement(self) -> Placement:
        """Maps between the original and the scaled frame."""
        return Placement(self.offset, self.scale)


class SplitCounts(_Part):
    """What one split holds and what was dropped from it.

    `clouds` counts those with at least one patch, `dropped_clouds` those without.
    """

    clouds: int
    patches: int
    points: int
    dropped_clouds: int
    dropped_cubes: int
    dropped_points: int


class FileEntry(_Part):
    """A file of the data set as it was written."""

    bytes: int
    sha256: str


class Manifest(_Part):
    """Everything about a data set but its patches.

    Attributes:
        format: layout of the files; another number is another layout.
        source: what the recipe named, as a short name.
        fingerprint: of the source's files when they were read.
        recipe: what the data set was made from.
        downsample_rate, k: parameters of the hierarchies.
        peak: length of the longest side of every cloud in the scaled frame.
        peak_name: the peak in words.
        splits: counts per split.
        clouds: ordered by split, then by name.
        files: per split.
        content_hash: sha256 over `files` and `clouds`; the same for equal recipes on equal files.
        code_version: the code that prepared it.
    """

    format: int
    source: str
    fingerprint: str
    recipe: DataRecipe
    downsample_rate: tuple[float, ...]
    k: int
    peak: float = LONGEST_SIDE
    peak_name: str = "longest side"
    splits: dict[SplitName, SplitCounts]
    clouds: tuple[CloudEntry, ...]
    files: dict[SplitName, FileEntry]
    content_hash: str
    code_version: str

    def clouds_of(self, split: SplitName) -> tuple[str, ...]:
        """Names of the clouds with patches in a split, in the order of its file."""
        return tuple(c.name for c in self.clouds if c.split == split and c.patches)


def hash_content(files: dict[SplitName, FileEntry], clouds: tuple[CloudEntry, ...]) -> str:
    """Hash what the data set holds: its files (by their own hashes) and its clouds."""
    content = {
        "files": {split: files[split].model_dump() for split in SPLITS},
        "clouds": [cloud.model_dump() for cloud in clouds],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Write `manifest.json` into a folder and on to the disk."""
    with (folder / FILE_NAME).open("w", encoding="utf-8") as file:
        file.write(manifest.model_dump_json(indent=1) + "\n")
        file.flush()
        os.fsync(file.fileno())


def read_manifest(folder: Path) -> Manifest:
    """Read `manifest.json` of a prepared folder.

    Raises:
        StudyError: it is missing, damaged, or was changed by hand.
    """
    path = folder / FILE_NAME
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise StudyError(
            f"a data set must have a manifest, and {path} cannot be read ({error.strerror}); "
            f"{delete_it(folder)}"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the text"
        raise StudyError(
            f"{path} is damaged ({where}: {first['msg']}); {delete_it(folder)}"
        ) from error
    if hash_content(manifest.files, manifest.clouds) != manifest.content_hash:
        raise StudyError(
            f"{path} does not agree with its own content hash: it was changed after it was "
            f"written; {delete_it(folder)}"
        )
    return manifest


def delete_it(folder: Path) -> str:
    """The way out of a damaged data set, for the end of a sentence."""
    return f"delete the folder {folder} and prepare the data again"


def describe(manifest: Manifest) -> str:
    """One paragraph for a person: what the data set holds and what was dropped."""
    recipe, splits = manifest.recipe, manifest.splits
    train, validation, test = (splits[name] for name in SPLITS)
    clouds = train.clouds + validation.clouds + test.clouds
    patches = train.patches + validation.patches + test.patches
    points = train.points + validation.points + test.points
    cubes = sum(split.dropped_cubes for split in splits.values())
    lost = sum(split.dropped_points for split in splits.values())
    return (
        f"{manifest.source}: {clouds} objects, {patches:,} patches, {points:,} points "
        f"(cubes of {recipe.cube_size:g}, the longest side is {manifest.peak:g}). "
        f"To train on: {_share(train)}; to validate on: {_share(validation)}; to test on: "
        f"{_share(test)}. Dropped for having too few points (below {recipe.min_points} in "
        f"training, {recipe.min_points_evaluation} elsewhere): {cubes:,} cubes with {lost:,} "
        f"points, {100 * lost / (points + lost):.1f} % of all{_lost_clouds(manifest)}."
    )


def _share(split: SplitCounts) -> str:
    return f"{split.patches:,} patches of {split.clouds} objects"


def _lost_clouds(manifest: Manifest) -> str:
    lost = [cloud.name for cloud in manifest.clouds if not cloud.patches]
    if not lost:
        return ""
    return (
        f"; nothing is left of {len(lost)} objects ({', '.join(lost[:5])}{', …' * (len(lost) > 5)})"
    )
