"""Makes a study's folder again from its mirror."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from study.base.errors import StudyError
from study.config.resources import store_address
from study.mirror.errors import MissingError
from study.mirror.manifests import (
    DamagedError,
    lease_of,
    manifests,
    mark,
    objects_of,
    part_of,
    read_manifest,
)
from study.storage.folder import StudyFolder, check_name, check_name_is_free, check_root
from study.storage.lease import release

if TYPE_CHECKING:
    from collections.abc import Callable

    from study.mirror.manifests import Manifest
    from study.mirror.objects import Found, Objects


def restore(url: str, name: str, root: Path, tell: Callable[[str], None]) -> StudyFolder:
    """Make a study's folder from the newest of its snapshots that is whole.

    The folder appears when all of it is there and checked.

    Args:
        url: the mirror that the study file had, which may hold several studies.
        name: the study's.
        root: where its folder is to lie.
        tell: shows the user a line: which snapshot, and which were damaged.

    Raises:
        StudyError: something has that name already, or there is no such study, or no whole one.
        StoreError: the store does not answer.
    """
    folder = check_restorable(url, name, root)
    is_missing = "://" not in url and not Path(url, name).is_dir()
    there = [] if is_missing else manifests(objects := objects_of(url, name))
    if not there:
        raise StudyError(
            f"there is no snapshot of a study '{name}' in {url}; give its name and its "
            "storage.mirror as its study file has them"
        )
    for each in there:
        try:
            manifest = read_manifest(objects, each)
            _make(objects, manifest, folder)
        except (DamagedError, MissingError) as error:
            tell(
                f"the snapshot of {_when(each)} is damaged, so the one before is looked at: {error}"
            )
        else:
            tell(f"mirror  {name} as it was {_when(each)}, {len(manifest.files)} files")
            _release(folder)
            # An older one may be all that is whole: whoever goes on from it knows of the newer.
            mark(folder, lease_of(there[0]))
            return folder
    raise StudyError(
        f"of the {len(there)} snapshots of '{name}' in {url} none is whole, as told above; nothing "
        "was made of them"
    )


def check_restorable(url: str, name: str, root: Path) -> StudyFolder:
    """Return where a study's folder can be made; nothing is asked of the mirror yet.

    Raises:
        StudyError: something has that name already, or it is none; the address is none of a mirror.
    """
    store_address(url)
    check_name(name)
    if Path(name).name != name or name.startswith("."):
        raise StudyError(
            f"with --from a study is given by its name, and not by a path as {name!r} is; say with "
            "--root where its folder is to lie"
        )
    folder = StudyFolder(root.resolve() / name)
    check_name_is_free(folder)
    check_root(root)
    return folder


def _make(objects: Objects, manifest: Manifest, folder: StudyFolder) -> None:
    """Fetch a snapshot, check it, and give the folder its name."""
    # One deeper than studies lie: until it is whole, nobody takes it for one.
    place = folder.path.with_name(f".{folder.path.name}.restoring")
    whole = place / "whole"
    shutil.rmtree(place, ignore_errors=True)
    try:
        place.mkdir(mode=0o700, parents=True)
        for name, part in manifest.files.items():
            content = objects.read(part.name)
            if part_of(content) != part:
                raise DamagedError(f"{name} is not what was written")
            file = whole / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        check_name_is_free(folder)
        whole.rename(folder.path)
    except OSError as error:
        raise StudyError(
            f"the study's folder {folder.path} cannot be made: {error.strerror or error}"
        ) from error
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _release(folder: StudyFolder) -> None:
    """Give back the lease of the head whose database this is a copy of; the mirror has its own."""
    if folder.database.exists():
        from study.storage.trial_store import TrialStore

        store = TrialStore(folder.config(), folder.database)
        release(store)
        store.close()


def _when(there: Found) -> str:
    return there.written.astimezone().strftime("%Y-%m-%d %H:%M:%S")
