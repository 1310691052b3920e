"""A folder of PLY files as a source of clouds."""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
from plyfile import PlyData, PlyParseError

from study.errors import StudyError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_HEADER_LIMIT = 1 << 16
_SMALLEST_POINT_BYTES = 3
"""x, y and z as one byte each: no vertex takes less room than that."""
_NAME_LIMIT = 40


class PlyFolder:
    """The PLY files of a folder and its sub-folders, named by their path within it."""

    def __init__(self, folder: Path) -> None:
        """Find the files and read their headers.

        Raises:
            StudyError: there is no PLY file, or one without points or with a broken header.
        """
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        found = [path for path in files if path.suffix.lower() == ".ply"]
        if not found:
            raise StudyError(
                f"the folder of a data source must hold .ply files, and {folder} holds "
                f"{_kinds(files)}; check the path, or convert the files to PLY"
            )
        self.name = _fit_for_a_folder(folder.resolve().name)
        self._files = {path.relative_to(folder).as_posix(): path for path in found}
        self.point_counts = {name: _vertex_count(path) for name, path in self._files.items()}
        self.fingerprint = _fingerprint(self._files)

    def read(self, cloud: str) -> NDArray[np.float64]:
        """Read the (n, 3) points of a file; a StudyError names a faulty one."""
        return read_ply(self._files[cloud])


def read_ply(path: Path) -> NDArray[np.float64]:
    """Read the vertices of a PLY file, ascii or binary.

    Returns:
        (n, 3) finite coordinates, n >= 1, in the order of the file.

    Raises:
        StudyError: the file cannot be read as PLY, has no points, lacks x, y or z, or holds a
            coordinate that is NaN or infinite.
    """
    _vertex_count(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about faces without corners
            vertices = PlyData.read(str(path))["vertex"].data
    # What a broken file makes the parser raise beyond its own error was found by damaging files.
    except (PlyParseError, OSError, ValueError, OverflowError, MemoryError) as error:
        raise StudyError(
            f"{path} cannot be read as PLY ({error}): it is damaged or incomplete; repair it or "
            "remove it from the folder"
        ) from error
    return _coordinates(vertices, path)


def _coordinates(vertices: NDArray[np.void], path: Path) -> NDArray[np.float64]:
    names = vertices.dtype.names or ()
    numeric = [axis for axis in "xyz" if axis in names and vertices.dtype[axis].kind in "iuf"]
    if numeric != ["x", "y", "z"]:
        raise StudyError(
            f"the vertices of a PLY file must have numbers x, y and z, and those of {path} have "
            f"{', '.join(names) or 'nothing'}; rename the properties or remove the file"
        )
    with np.errstate(invalid="ignore"):  # a signalling NaN: counted below
        points: NDArray[np.float64] = np.stack([vertices[a] for a in "xyz"], axis=1, dtype=float)
    broken = np.count_nonzero(~np.isfinite(points).all(axis=1))
    if broken:
        raise StudyError(
            f"every coordinate of a cloud must be finite, and {broken:,} of the {len(points):,} "
            f"points of {path} are NaN or infinite; remove those points from the file"
        )
    return points


def _vertex_count(path: Path) -> int:
    """Points that the header promises, checked against the size of the file."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            header = file.read(_HEADER_LIMIT)
    except OSError as error:
        raise StudyError(
            f"{path} cannot be read ({error.strerror}); make it readable or remove it from the "
            "folder"
        ) from error
    match = re.search(rb"^\s*element\s+vertex\s+(\d+)\s*$", header, re.MULTILINE)
    if not header.startswith(b"ply") or match is None:
        raise StudyError(
            f"a PLY file must begin with a header that says `element vertex N`, and {path} "
            f"({size:,} bytes) does not; repair it or remove it from the folder"
        )
    count = int(match[1])
    if count == 0:
        raise StudyError(f"a cloud must have points, and {path} has none; remove it")
    if count * _SMALLEST_POINT_BYTES > size:
        raise StudyError(
            f"the header of {path} promises {count:,} points, and the file has only {size:,} "
            "bytes: it is truncated; repair it or remove it from the folder"
        )
    return count


def _fingerprint(files: dict[str, Path]) -> str:
    """Change when a file is added, removed or rewritten; the contents are not read for it."""
    stats = {name: path.stat() for name, path in files.items()}
    listing = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats.items()]
    return hashlib.sha256(json.dumps(listing).encode()).hexdigest()


def _fit_for_a_folder(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:_NAME_LIMIT] or "ply"


def _kinds(files: list[Path]) -> str:
    """What else lies in a folder: "no file at all", or "3 .bin, 1 .txt"."""
    counts = Counter(path.suffix.lower() or path.name for path in files)
    return ", ".join(f"{count} {kind}" for kind, count in counts.most_common(4)) or "no file at all"
