"""Which codecs come with the package, and where."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from model.folder_files import read_description
from study.base.errors import StudyError
from study.base.spelling import did_you_mean

_FOLDER = Path(__file__).parent
DEFAULT = "voxel"
"""What `study compress` takes where no codec is named."""

NUMBERED = ("voxel",)
"""Those whose files tell a number in the place of an id, which is their place here. A codec that
took another's place would read its files as something else: add names, and change none."""


def shipped() -> dict[str, Path]:
    """Return the folders of all of them, by name."""
    found = (path.parent for path in _FOLDER.glob("*/codec.json"))
    return {folder.name: folder for folder in sorted(found)}


def shipped_folder(name: str) -> Path:
    """Return one's folder.

    Raises:
        StudyError: none has this name.
    """
    found = shipped()
    if name not in found:
        raise StudyError(
            f"no codec named '{name}' comes with the package; {did_you_mean(name, found)}"
        )
    return found[name]


@cache
def number_of(codec_id: bytes) -> int | None:
    """Return the number that files tell of a codec, if it comes with the package."""
    for number, name in enumerate(NUMBERED):
        if name in shipped() and read_description(shipped()[name])["id"] == codec_id.hex():
            return number
    return None
