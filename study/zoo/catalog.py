"""Which codecs come with the package, and where."""

from __future__ import annotations

from pathlib import Path

from study.base.errors import StudyError
from study.base.spelling import did_you_mean

_FOLDER = Path(__file__).parent
DEFAULT = "voxel"
"""What `study compress` takes where no codec is named."""


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
