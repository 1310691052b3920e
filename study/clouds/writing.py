"""Writing a cloud in the format of the path's suffix."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from study.base.errors import StudyError
from study.base.output import new_file
from study.clouds.arrays import write_bin, write_npy, write_npz
from study.clouds.files import unknown_suffix
from study.clouds.ply import write_ply

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    _Writer = Callable[[Path, NDArray[np.float64], NDArray[np.float32] | None], None]

_WRITERS: dict[str, _Writer] = {
    ".ply": write_ply,
    ".npy": write_npy,
    ".npz": write_npz,
    ".bin": lambda path, points, _normals: write_bin(path, points),
}
WRITABLE = tuple(_WRITERS)
"""The suffixes that can be written."""


def write_cloud(
    path: str | Path, points: NDArray[np.float64], normals: NDArray[np.float32] | None = None
) -> tuple[str, ...]:
    """Write a cloud, whole or not at all; a file of that name is replaced.

    Args:
        path: .ply (binary), .npy, .npz or .bin; .bin holds float32, the others lose nothing.
        points: (n, 3).
        normals: (n, 3) or None.

    Returns:
        What the format cannot hold and was left out, for a warning: ("normals",) or nothing.

    Raises:
        StudyError: the suffix is of no format that can be written, or the disk refuses.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in _WRITERS:
        raise StudyError(unknown_suffix(path, "written", WRITABLE))
    with new_file(path, force=True) as partial:
        _WRITERS[suffix](partial, points, normals)
    return ("normals",) if normals is not None and suffix == ".bin" else ()
