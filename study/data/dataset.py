"""Opening a prepared data set."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from study.base.errors import StudyError
from study.config.data import SPLITS, SplitName
from study.data.cloud_set import CloudSet
from study.data.manifest import Manifest, delete_it, read_manifest
from study.data.patch_set import PatchSet

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from study.data.manifest import FileEntry
    from study.data.patch_form import PatchForm

EVALUATED: tuple[SplitName, ...] = ("validation", "test")
"""The splits whose clouds are kept whole, to judge files by."""


class DataSet:
    """A prepared data set, mapped into memory: processes that open it share its pages.

    Attributes:
        folder: where it lies.
        manifest: what it says about itself.
    """

    def __init__(self, folder: Path, manifest: Manifest, form: PatchForm | None) -> None:
        self.folder = folder
        self.manifest = manifest
        normals = manifest.recipe.normals
        entries = {split: manifest.clouds_of(split) for split in SPLITS}
        self._splits = {
            split: PatchSet(
                folder / patches_file(split),
                {entry.name: entry.patches for entry in entries[split]},
                form,
                normals=normals,
            )
            for split in SPLITS
        }
        self._clouds = {
            split: CloudSet(folder / clouds_file(split), entries[split], normals=normals)
            for split in EVALUATED
        }

    def split(self, name: SplitName) -> PatchSet:
        """The patches to train on, to validate on, or to test on."""
        return self._splits[name]

    def clouds(self, name: SplitName) -> CloudSet:
        """The whole clouds to validate on or to test on, in the order of `PatchSet.clouds`."""
        if name not in self._clouds:
            raise KeyError(f"whole clouds are kept of {EVALUATED}, and {name!r} was asked for")
        return self._clouds[name]


def patches_file(split: SplitName) -> str:
    """Name of the Arrow file of a split's patches."""
    return f"{split}.arrow"


def clouds_file(split: SplitName) -> str:
    """Name of the Arrow file of an evaluation split's whole clouds."""
    return f"{split}-clouds.arrow"


FILES = (*map(patches_file, SPLITS), *map(clouds_file, EVALUATED))
"""All files of a data set but its manifest."""


def open_data_set(folder: Path, form: PatchForm | None = None, *, verify: bool = False) -> DataSet:
    """Open a folder that `prepare` made.

    Args:
        folder: the data set.
        form: of its patches; None: of any, and their points alone are read.
        verify: read the files whole and compare their hashes. `prepare` does so once for a study;
            its trials then check sizes and columns only.

    Raises:
        StudyError: something is missing, damaged or of another layout, or the patches are of
            another form; says what to do.
    """
    manifest = read_manifest(folder)
    if sorted(manifest.files) != sorted(FILES):
        raise StudyError(
            f"a data set must have the files {', '.join(FILES)}, and the manifest of {folder} "
            f"names {', '.join(manifest.files) or 'none'}; {delete_it(folder)}"
        )
    for name, entry in manifest.files.items():
        _check_file(folder / name, entry, verify=verify)
    if form is not None:
        check_form(form, manifest, folder)
    return DataSet(folder, manifest, form)


def check_form(form: PatchForm, manifest: Manifest, folder: Path) -> None:
    """Refuse patches that were prepared for another model.

    Raises:
        StudyError: it names both.
    """
    wanted: dict[str, object] = json.loads(json.dumps(form.parameters))
    if wanted != manifest.geometry:
        raise StudyError(
            f"data must be prepared with the model's {_told(wanted)}, and {folder} has "
            f"{_told(manifest.geometry)}; prepare it anew"
        )


def _told(geometry: Mapping[str, object]) -> str:
    return " and ".join(f"{name} = {value}" for name, value in geometry.items()) or "none of that"


def _check_file(path: Path, entry: FileEntry, *, verify: bool) -> None:
    folder = path.parent
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
