"""What a prepared data set says about itself: `manifest.json`."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from typing import TYPE_CHECKING, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from model.placement import LONGEST_SIDE, Placement
from study.base.errors import StudyError
from study.config.data import SPLITS, DataRecipe, SplitName

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME = "manifest.json"
FORMAT = 2
"""Layout of the files. Raise it when the columns change or `build_hierarchy` gives other numbers:
data sets of another number are prepared anew."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CloudEntry(_Part):
    """One cloud: its split, how it was cut, and its place in the scaled frame.

    Attributes:
        name: as its source calls it.
        split: its split.
        points: number of points in patches.
        patches: number of patches; a training cloud without any is in no `PatchSet`.
        sparse_cubes: number of grid cubes with points in no patch: too few, or too many in one
            place.
        sparse_points: number of those points. Training drops them; elsewhere voxels stand for them.
        voxels: number of voxels that stand for them; 0 in training.
        fullest_sparse_cube: how many such points a cube has at most.
        side, centre: see `model.placement.Placement`.
        uncoded: what else its file holds and no codec codes, in words.
    """

    name: str
    split: SplitName
    points: int
    patches: int
    sparse_cubes: int
    sparse_points: int
    voxels: int
    fullest_sparse_cube: int
    side: float
    centre: tuple[int, int, int]
    uncoded: tuple[str, ...]

    @property
    def all_points(self) -> int:
        """Points of the source that the data set uses."""
        return self.points + self.sparse_points

    @property
    def placement(self) -> Placement:
        """Maps between the original and the scaled frame."""
        return Placement(self.side, self.centre)


class SplitCounts(_Part):
    """What one split holds; `CloudEntry` defines what is counted.

    `clouds` counts those with at least one patch, `sparse_clouds` those without.
    """

    clouds: int
    patches: int
    points: int
    sparse_clouds: int
    sparse_cubes: int
    sparse_points: int
    voxels: int


class FileEntry(_Part):
    """A file of the data set as it was written."""

    bytes: int
    sha256: str


class Manifest(_Part):
    """Everything about a data set but its patches.

    Attributes:
        format: number of the files' layout.
        source: short name of the recipe's source.
        fingerprint: the source's when it was read.
        recipe: what the data set was made from.
        geometry: the parameters of the form of its patches (`study.data.patch_form`); in the file
            they stand beside the rest, under their own names.
        peak: length of the longest side of every cloud in the scaled frame.
        peak_name: the peak in words.
        splits: counts per split.
        clouds: ordered by split, then by name.
        files: by name.
        content_hash: sha256 over `files` and `clouds`; the same for equal recipes on equal files.
        code_version: the code that prepared it.
    """

    format: int
    source: str
    fingerprint: str
    recipe: DataRecipe
    geometry: dict[str, Any]
    peak: float = LONGEST_SIDE
    peak_name: str = "longest side"
    splits: dict[SplitName, SplitCounts]
    clouds: tuple[CloudEntry, ...]
    files: dict[str, FileEntry]
    content_hash: str
    code_version: str

    @model_validator(mode="before")
    @classmethod
    def _gather_geometry(cls, given: Any) -> Any:  # noqa: ANN401  anything that JSON holds
        if not isinstance(given, dict) or "geometry" in given:
            return given
        known = {name: value for name, value in given.items() if name in cls.model_fields}
        others = {name: value for name, value in given.items() if name not in known}
        return {**known, "geometry": others}

    @model_serializer(mode="wrap")
    def _spread_geometry(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        spread: dict[str, Any] = {}
        for name, value in dump(self).items():
            spread |= value if name == "geometry" else {name: value}
        return spread

    def clouds_of(self, split: SplitName) -> tuple[CloudEntry, ...]:
        """Clouds of a split, in the order of its files; of `train`, only those with patches."""
        return tuple(c for c in self.clouds if c.split == split and (c.patches or split != "train"))


def hash_content(files: dict[str, FileEntry], clouds: tuple[CloudEntry, ...]) -> str:
    """Hash what the data set holds: its files (by their own hashes) and its clouds."""
    content = {
        "files": {name: entry.model_dump() for name, entry in files.items()},
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
        content = path.read_bytes()
        _check_format(content, folder)
        manifest = Manifest.model_validate_json(content)
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


def _check_format(content: bytes, folder: Path) -> None:
    """Refuse another layout before its fields are checked, whose names may differ."""
    try:
        described = json.loads(content)
    except (ValueError, RecursionError):
        return  # the check of the fields refuses it
    given = described.get("format") if isinstance(described, dict) else None
    if isinstance(given, int) and given != FORMAT:
        raise StudyError(
            f"this code reads data sets of format {FORMAT}, and {folder} is of format {given}; "
            f"{delete_it(folder)}"
        )


def delete_it(folder: Path) -> str:
    """The way out of a damaged data set, for the end of a sentence."""
    return f"delete the folder {folder} and prepare the data again"


def describe(manifest: Manifest) -> str:
    """One paragraph for the user: what the data set holds, and what became of the rest."""
    recipe, splits = manifest.recipe, manifest.splits
    train, validation, test = (splits[name] for name in SPLITS)
    clouds = len(manifest.clouds) - train.sparse_clouds
    patches = train.patches + validation.patches + test.patches
    points = train.points + validation.points + test.points
    return (
        f"{manifest.source}: {_some(clouds, 'object')}, {_some(patches, 'patch', 'patches')}, "
        f"{points:,} points "
        f"(cubes of {recipe.cube_size:g}, the longest side is {manifest.peak:g}"
        f"{', with normals' * recipe.normals}). "
        f"To train on: {_share(train)}; to validate on: {_share(validation)}; to test on: "
        f"{_share(test)}. {_dropped(manifest)}{_voxels(manifest)}{_uncoded(manifest)}"
    )


def _some(count: int, one: str, more: str | None = None) -> str:
    """Return a number and what is counted, such as ``1 patch``."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"


def _share(split: SplitCounts) -> str:
    clouds = split.clouds + split.sparse_clouds
    return f"{_some(split.patches, 'patch', 'patches')} of {_some(clouds, 'object')}"


def _dropped(manifest: Manifest) -> str:
    train = manifest.splits["train"]
    share = 100 * train.sparse_points / (train.points + train.sparse_points)
    lost = [c.name for c in manifest.clouds if c.split == "train" and not c.patches]
    some = f"{', '.join(lost[:5])}{', …' * (len(lost) > 5)}"
    nothing = f"; nothing is left of {_some(len(lost), 'object')} ({some})" if lost else ""
    return (
        f"Dropped in training for having too few points (below {manifest.recipe.min_points}): "
        f"{_some(train.sparse_cubes, 'cube')} with {_some(train.sparse_points, 'point')}, "
        f"{share:.1f} % of what there was to train on{nothing}."
    )


def _voxels(manifest: Manifest) -> str:
    held_out = [manifest.splits["validation"], manifest.splits["test"]]
    sparse = sum(split.sparse_points for split in held_out)
    if not sparse:
        return ""
    share = 100 * sparse / sum(split.points + split.sparse_points for split in held_out)
    return (
        f" Sent as voxels elsewhere (below {manifest.recipe.min_points_evaluation}): "
        f"{_some(sparse, 'point')} in {_some(sum(split.voxels for split in held_out), 'voxel')}, "
        f"{share:.1f} % of theirs."
    )


def _uncoded(manifest: Manifest) -> str:
    counts = Counter(what for cloud in manifest.clouds for what in cloud.uncoded)
    if not counts:
        return ""
    named = ", ".join(f"{what} ({_some(count, 'object')})" for what, count in counts.most_common(8))
    return f" Left out, for no codec codes it: {named}{', …' * (len(counts) > 8)}."
