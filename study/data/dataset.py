"""Opening a prepared data set."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from study.data.manifest import Manifest, delete_it, read_manifest
from study.data.recipe import SPLITS, SplitName
from study.data.store import PatchSet
from study.errors import StudyError

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = 1
"""Layout of the files. Raise it when the columns change or `build_hierarchy` gives other numbers:
data sets of another number are prepared anew."""


class DataSet:
    """A prepared data set, mapped into memory: processes that open it share its pages.

    Attributes:
        folder: where it lies.
        manifest: what it says about itself.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self.manifest = manifest
        stages = len(manifest.downsample_rate)
        self._splits = {
            split: PatchSet(split_path(folder, split), manifest.clouds_of(split), stages)
            for split in SPLITS
        }

    def split(self, name: SplitName) -> PatchSet:
        """The patches to train on, to validate on, or to test on."""
        return self._splits[name]


def split_path(folder: Path, split: SplitName) -> Path:
    """The Arrow file of a split."""
    return folder / f"{split}.arrow"


def open_data_set(folder: Path, *, verify: bool = False) -> DataSet:
    """Open a folder that `prepare` made.

    Args:
        folder: the data set.
        verify: read the files whole and compare their hashes. `prepare` does so once for a study;
            its trials then check sizes and columns only.

    Raises:
        StudyError: something is missing, damaged or of another layout; says what to delete.
    """
    manifest = read_manifest(folder)
    if manifest.format != FORMAT:
        raise StudyError(
            f"this code reads data sets of format {FORMAT}, and {folder} is of format "
            f"{manifest.format}; {delete_it(folder)}"
        )
    for split in SPLITS:
        _check_file(folder, split, manifest, verify=verify)
    return DataSet(folder, manifest)


def _check_file(folder: Path, split: SplitName, manifest: Manifest, *, verify: bool) -> None:
    path, entry = split_path(folder, split), manifest.files[split]
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest() if verify else entry.sha256
    except OSError as error:
        raise StudyError(
            f"{path} cannot be read ({error.strerror}); {delete_it(folder)}"
        ) from error
    if size != entry.bytes:
        raise StudyError(
            f"{path} must have {entry.bytes:,} bytes and has {size:,}; {delete_it(folder)}"
        )
    if digest != entry.sha256:
        raise StudyError(f"the contents of {path} are damaged; {delete_it(folder)}")
