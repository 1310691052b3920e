"""Bare arrays: NumPy's npy and npz, and KITTI's bin."""

from __future__ import annotations

import os
import zipfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib import format as npy

from study.base.errors import StudyError
from study.clouds.cloud import checked_cloud, parsing, require_plausible

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from numpy.typing import NDArray

    from study.clouds.cloud import Cloud
    from study.clouds.sampling import Sampling

_BIN_COLUMNS = 4
"""KITTI: x, y, z in metres and the intensity of the echo, float32."""
_BIN_POINT_BYTES = 4 * _BIN_COLUMNS
_BYTES_OF_POINT = 3 * 8
_SUFFIX = ".npy"


def read_bin(file: BinaryIO, where: str, sampling: Sampling) -> Cloud:
    """Read a KITTI sweep: float32 x, y, z, intensity per point."""
    count_bin(file, where, sampling)
    file.seek(0)
    rows = np.frombuffer(file.read(), "<f4").reshape(-1, _BIN_COLUMNS)
    return checked_cloud(where, rows[:, :3], uncoded=("intensity",) if rows[:, 3].any() else ())


def count_bin(file: BinaryIO, where: str, _sampling: Sampling) -> int:
    """Points of a KITTI sweep, from its size."""
    size = file.seek(0, os.SEEK_END)
    if size % _BIN_POINT_BYTES:
        raise StudyError(
            f"a .bin file must hold {_BIN_POINT_BYTES} bytes per point (float32 x, y, z, "
            f"intensity), and {where} has {size:,} bytes: it is truncated or of another layout; "
            "repair it or remove it"
        )
    return size // _BIN_POINT_BYTES


def write_bin(path: Path, points: NDArray[np.float64]) -> None:
    """Write a KITTI sweep with intensity 0.

    Raises:
        StudyError: a coordinate is beyond what float32 holds.
    """
    rows = np.zeros((len(points), _BIN_COLUMNS), "<f4")
    with np.errstate(over="ignore"):
        rows[:, :3] = points
    if not np.isfinite(rows).all():
        raise StudyError(
            f"a .bin file holds float32, and the coordinates for {path} reach "
            f"{np.abs(points).max():g}; write .ply or .npy instead"
        )
    rows.tofile(path)


def read_npy(file: BinaryIO, where: str, _sampling: Sampling) -> Cloud:
    """Read an (n, 3) array of points, or an (n, 6) one of points and normals."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    shape, dtype = _array_header(file, size, where)
    if not _is_cloud(shape, dtype) and not _is_cloud_with_normals(shape, dtype):
        raise StudyError(
            f"an array of points must be numbers of shape (n, 3), or (n, 6) with normals, and that "
            f"of {where} is {dtype} of shape {shape}; convert it"
        )
    file.seek(0)
    with parsing(where, "a NumPy array"):
        array = np.load(file, allow_pickle=False)
    return checked_cloud(where, array[:, :3], array[:, 3:] if shape[1] == 6 else None)


def count_npy(file: BinaryIO, where: str, _sampling: Sampling) -> int:
    """Points of an array, from its header."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    shape, _ = _array_header(file, size, where)
    return shape[0] if shape else 0


def write_npy(path: Path, points: NDArray[np.float64], normals: NDArray[np.float32] | None) -> None:
    """Write an (n, 3) array, or an (n, 6) one with normals, of float64."""
    array = points if normals is None else np.concatenate([points, normals], axis=1)
    with path.open("wb") as file:  # np.save would add a suffix to a path
        np.save(file, np.asarray(array, np.float64))


def write_npz(path: Path, points: NDArray[np.float64], normals: NDArray[np.float32] | None) -> None:
    """Write the arrays `points` and, where there are any, `normals`."""
    arrays: dict[str, NDArray[Any]] = {"points": np.asarray(points, np.float64)}
    if normals is not None:
        arrays["normals"] = np.asarray(normals, np.float32)
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)


class NpzFile:
    """An npz: one cloud as `points` and maybe `normals`, else every (n, 3) array is a cloud.

    Attributes:
        names: the names of its clouds.
    """

    def __init__(self, path: Path) -> None:
        """Read the headers of the arrays.

        Raises:
            StudyError: it is no npz, or has no array of points.
        """
        self._path = path
        with _unzipped(path) as archive:
            members = [info for info in archive.infolist() if info.filename.endswith(_SUFFIX)]
            self._arrays = {
                info.filename.removesuffix(_SUFFIX): self._header(archive, info) for info in members
            }
        clouds = [name for name, header in self._arrays.items() if _is_cloud(*header)]
        if not clouds:
            held = ", ".join(f"{name} {shape}" for name, (shape, _) in self._arrays.items())
            raise StudyError(
                f"an npz of clouds must hold arrays of shape (n, 3), and {path} holds "
                f"{held or 'no array'}; store the points as `points` and the normals as `normals`"
            )
        self.names = (path.name,) if "points" in clouds else tuple(clouds)

    def count(self, name: str, _sampling: Sampling) -> int:
        """Points of a cloud, from its header."""
        return int(self._arrays[self._array(name)][0][0])

    def read(self, name: str, _sampling: Sampling) -> Cloud:
        """Read one of its clouds; arrays that are neither clouds nor normals are uncoded."""
        where, array = f"{self._path}/{name}", self._array(name)
        coded = set(self.names)
        with parsing(where, "a NumPy array"), np.load(self._path, allow_pickle=False) as arrays:
            points, normals = arrays[array], None
            if array == "points":
                coded = {"points"}
                if self._arrays.get("normals", (None,))[0] == points.shape:
                    coded.add("normals")
                    normals = arrays["normals"]
        others = tuple(other for other in self._arrays if other not in coded)
        return checked_cloud(where, points, normals, others)

    def _array(self, name: str) -> str:
        """The array that holds a cloud's points; a cloud of `points` is named like the file."""
        return "points" if "points" in self._arrays and name == self._path.name else name

    def _header(
        self, archive: zipfile.ZipFile, info: zipfile.ZipInfo
    ) -> tuple[tuple[int, ...], np.dtype[Any]]:
        require_plausible(f"{self._path}/{info.filename}", info.file_size, info.compress_size)
        with archive.open(info) as file:
            header = _array_header(file, info.file_size, f"{self._path}/{info.filename}")
        if _is_cloud(*header):  # Whole numbers of a byte become coordinates of eight.
            held = header[0][0] * _BYTES_OF_POINT
            require_plausible(f"{self._path}/{info.filename}", held, info.compress_size)
        return header


def _is_cloud(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    return len(shape) == 2 and shape[1] == 3 and dtype.kind in "iuf"


def _is_cloud_with_normals(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    return len(shape) == 2 and shape[1] == 6 and dtype.kind in "iuf"


def _array_header(file: Any, size: int, where: str) -> tuple[tuple[int, ...], np.dtype[Any]]:  # noqa: ANN401 - zipfile's files are no BinaryIO
    """Shape and type of an array, checked against the bytes that follow its header.

    NumPy allocates what a header promises before it reads.
    """
    with parsing(where, "a NumPy array"):
        version = npy.read_magic(file)  # type: ignore[no-untyped-call]
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read(file)  # type: ignore[no-untyped-call]
        needed = dtype.itemsize * int(np.prod(shape, dtype=object))
        left = size - file.tell()
    if not dtype.hasobject and needed > left:
        raise StudyError(
            f"the header of {where} promises {needed:,} bytes of numbers, and {left:,} are there: "
            "it is truncated; repair it or remove it"
        )
    return shape, dtype


@contextmanager
def _unzipped(path: Path) -> Iterator[zipfile.ZipFile]:
    with parsing(str(path), "npz"), zipfile.ZipFile(path) as archive:
        yield archive
