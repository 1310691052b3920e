"""From a recipe to a data set on the disk, whole or not at all."""

from __future__ import annotations

import errno
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from study.base.errors import StudyError
from study.data.building import Job
from study.data.dataset import open_data_set
from study.data.sources import open_source
from study.data.splits import assign_splits
from study.data.whole import locked, new_folder, remove_stale

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from study.config.data import DataRecipe
    from study.data.patch_form import PatchForm

_OVERHEAD_FACTOR = 1.05
"""Offsets and padding, on top of the numbers themselves; measured: below 1 %."""
_OVERHEAD_BYTES = 1 << 17
"""Headers, footers and the manifest of a small data set."""


def prepare(
    recipe: DataRecipe,
    *,
    form: PatchForm,
    root: Path,
    on_progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Find or make the data set of a recipe.

    It appears under its name when it is whole and on the disk; an error, Ctrl-C or a kill leaves
    nothing of that name behind, and the next call removes what a kill left. Several processes may
    call this at once: one works, the others wait and take its result.

    Args:
        recipe: which points, how they are cut, which are held out.
        form: what is stored of a patch.
        root: folder of all data sets.
        on_progress: called after each cloud with the numbers of clouds done and in all.

    Returns:
        `root/<source>-<hash of all parameters>`, intact: at once if it exists.

    Raises:
        StudyError: the source or the recipe cannot be used, the data set that exists is damaged,
            or the disk refuses.
    """
    source = open_source(recipe)
    splits = assign_splits(source.point_counts, recipe)
    job = Job(source, recipe, splits, form)
    root = root.expanduser().absolute()
    folder = root / job.folder_name
    if not folder.exists():
        with _explained(root), locked(root):
            remove_stale(root)
            if not folder.exists():  # else another process made it while this one waited
                _require_room(job, root)
                _build(job, folder, on_progress)
    open_data_set(folder, form, verify=True)
    return folder


def _build(job: Job, folder: Path, on_progress: Callable[[int, int], None] | None) -> None:
    with new_folder(folder) as partial:
        job.build(partial, on_progress)


def _require_room(job: Job, root: Path) -> None:
    needed = round(job.estimated_bytes * _OVERHEAD_FACTOR) + _OVERHEAD_BYTES
    free = shutil.disk_usage(root).free
    if needed > free:
        raise StudyError(
            f"the data set needs about {needed / 1e6:,.1f} MB in {root}, and {free / 1e6:,.1f} MB "
            "are free; make room, choose another data_root, or take fewer objects or points "
            "(max_objects, points_per_object)"
        )


@contextmanager
def _explained(root: Path) -> Iterator[None]:
    """Turn the disk's errors into a StudyError; sources explain those of their own files."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StudyError(
                f"the disk filled up while the data set was written in {root} ({reason}); nothing "
                "of it was kept; make room or choose another data_root, and run again"
            ) from error
        raise StudyError(
            f"the data set cannot be written in {root} ({reason}); nothing of it was kept; check "
            "the path and its permissions, or choose another data_root"
        ) from error
