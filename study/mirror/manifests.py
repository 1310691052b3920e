"""What a mirror holds: parts, named by their content, and manifests, which say what they make.

Only what a manifest names exists. It is written when all its parts are there, under a name that is
never used again.
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from study.base.errors import StudyError
from study.mirror.objects import Objects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from study.mirror.objects import Found
    from study.storage.folder import StudyFolder

KEPT = 2
"""Manifests whose parts stay: should the newest be damaged, there is the one before it."""

_MARK = "mirrored.json"
"""In the study's folder: the number of the newest lease that the folder is as new as."""

MOST_BYTES = 2**28
"""What a manifest may have: that of a million files."""


class Part(NamedTuple):
    """A file's content.

    Attributes:
        size: in bytes.
        sha256: of the content, in hexadecimal digits.
    """

    size: int
    sha256: str

    @property
    def name(self) -> str:
        """The object's name."""
        return f"parts/{self.sha256}"


class Manifest(BaseModel):
    """A study's folder at one moment.

    Attributes:
        identity: the study's, which no other has.
        lease: the number of the head that wrote it.
        number: which of that head's it is.
        files: the folder's files, by their paths within it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    identity: str
    lease: int
    number: int
    files: dict[str, Part]

    @field_validator("files")
    @classmethod
    def _stay_in_the_folder(cls, files: dict[str, Part]) -> dict[str, Part]:
        for path, part in files.items():
            pure = PurePosixPath(path)
            is_inside = pure.parts and not pure.is_absolute() and ".." not in pure.parts
            if not is_inside or "\0" in path or str(pure) != path:
                raise ValueError(f"a file must lie within the folder, and {path!r} does not")
            if len(part.sha256) != 64 or not set(part.sha256) <= set("0123456789abcdef"):
                raise ValueError(
                    f"a part is named by its SHA-256, and {path!r} has {part.sha256!r}"
                )
        return files

    @property
    def name(self) -> str:
        """The object's name: in the order of names, the newest is the last."""
        return f"manifests/{self.lease:08d}-{self.number:08d}.json"


def part_of(content: bytes) -> Part:
    """Return what a file's content is called."""
    return Part(len(content), sha256(content).hexdigest())


def objects_of(url: str, name: str) -> Objects:
    """Return the mirror of a study, below the address that several may share."""
    return Objects(f"{url.rstrip('/')}/{name}")


def manifests(objects: Objects) -> list[Found]:
    """Return the manifests that are there, the newest first.

    Raises:
        StoreError: they cannot be listed.
    """
    return [each for each in reversed(objects.found("manifests")) if each.name.endswith(".json")]


def lease_of(there: Found) -> int:
    """Return the number of the head that wrote a manifest, by its name."""
    number = there.name.partition("/")[2].partition("-")[0]
    return int(number) if number.isdecimal() else 0


def mark(folder: StudyFolder, lease: int) -> None:
    """Write down that a folder is as new as all that the heads up to a lease have mirrored."""
    (folder.path / _MARK).write_text(str(lease), encoding="ascii")


def marked(folder: StudyFolder) -> int:
    """Return the lease that a folder is as new as; 0 where it says none."""
    try:
        return int((folder.path / _MARK).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0


def read_manifest(objects: Objects, there: Found) -> Manifest:
    """Return a manifest.

    Raises:
        DamagedError: it is not whole, or none.
        StoreError: it cannot be read.
    """
    if there.size > MOST_BYTES:
        raise DamagedError(f"{there.name} has {there.size:,} bytes, which is no manifest")
    try:
        manifest = Manifest.model_validate_json(objects.read(there.name))
    except ValidationError as error:
        raise DamagedError(f"{there.name} is not whole: {error.errors()[0]['msg']}") from error
    if manifest.name != there.name:
        raise DamagedError(f"{there.name} says that it is {manifest.name}")
    return manifest


class DamagedError(StudyError):
    """A manifest or one of its parts is not what was written."""


def write_manifest(objects: Objects, manifest: Manifest) -> None:
    """Commit a manifest, all parts of which are there.

    Raises:
        DamagedError: there is another of its name.
        StoreError: it is not written.
    """
    content = json.dumps(manifest.model_dump(mode="json"), sort_keys=True).encode()
    if not objects.create(manifest.name, content):
        raise DamagedError(f"{objects.url} has another {manifest.name} already")


def forget_older(objects: Objects) -> Sequence[str]:
    """Delete all but the newest manifests, and what these do not need; return those parts' names.

    Where one of those that stay is damaged, no part is deleted.

    Raises:
        StoreError: something may still be there; nothing that is needed is gone.
    """
    objects.delete([each.name for each in manifests(objects)[KEPT:]])
    try:
        gone = orphans(objects)
    except DamagedError:
        return ()
    objects.delete(gone)
    return gone


def orphans(objects: Objects) -> Sequence[str]:
    """Return the parts that no manifest names: a killed head's, or one's that is at work now.

    Uploads that were cut off before they became objects are not seen: a lifecycle rule of the
    bucket deletes them (docs/cluster.md).

    Raises:
        DamagedError: a manifest cannot be read, so it is unknown what it needs.
        StoreError: the store does not answer.
    """
    there = [each.name for each in objects.found("parts")]
    needed: set[str] = set()
    for each in manifests(objects):
        needed.update(part.name for part in read_manifest(objects, each).files.values())
    return [name for name in there if name not in needed]
