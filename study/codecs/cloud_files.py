"""A study's validation clouds as files: what its codecs were measured on, for other codecs."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING

from study.base.errors import StudyError
from study.clouds import write_cloud
from study.clouds.files import READABLE
from study.data import open_data_set
from study.storage.progress import data_of_trial, read_progress

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from study.config import StudyConfig
    from study.data.cloud_set import CloudSet
    from study.storage.folder import StudyFolder

_LONGEST_STEM = 100
"""Characters of a file's name: file systems end at 255 bytes."""


def write_validation_clouds(study: StudyFolder, config: StudyConfig, folder: Path) -> list[Path]:
    """Write each cloud that the study measures its codecs on as a PLY file of its own.

    The points are exactly those that were measured, so other codecs can be measured on them.

    Args:
        study: which study; it may have been moved.
        config: as it was started.
        folder: where the files are written; must not exist yet.

    Returns:
        The files, in the order of the clouds.

    Raises:
        StudyError: no trial has begun, its data are gone, or the folder exists.
    """
    clouds = validation_clouds(study, config)
    if folder.exists():
        raise StudyError(f"clouds are written into a new folder, and {folder} exists")
    files = [folder / f"{stem}.ply" for stem in file_stems([cloud.name for cloud in clouds])]
    for file, cloud in zip(files, clouds, strict=True):
        write_cloud(file, cloud.points, cloud.normals)
    return files


def validation_clouds(study: StudyFolder, config: StudyConfig) -> CloudSet:
    """Return the clouds that the study measures its codecs on.

    They are read from the data set of the first trial that has one; all hold the same clouds.

    Raises:
        StudyError: no trial has begun, or its data are gone.
    """
    progress = read_progress(study, config)
    for record in progress.records:
        store = progress.store
        if store and (data := data_of_trial(study, config, store, record.number)):
            return open_data_set(data).clouds("validation")
    raise StudyError(
        f"the clouds of a study are there once its first trial trains, and none of {config.name} "
        "does yet; wait for one"
    )


def file_stems(names: Sequence[str]) -> list[str]:
    """Return a file's name for each cloud, without the suffix that its source has."""
    stems: list[str] = []
    for number, name in enumerate(names):
        stem = re.sub(r"[^\w.-]+", "_", bare_name(name))[-_LONGEST_STEM:].strip("_.") or "cloud"
        while stem in stems:
            stem = f"{stem}-{number}"
        stems.append(stem)
    return stems


def bare_name(name: str) -> str:
    """Return a cloud's name without the suffix of the file that it is from."""
    path = PurePath(name)
    return str(path.with_suffix("")) if path.suffix.lower() in READABLE else name
