"""Reading clouds from files: a file's suffix decides its reader."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from study.base.errors import StudyError
from study.clouds.archives import ModelArchive
from study.clouds.arrays import NpzFile, count_bin, count_npy, read_bin, read_npy
from study.clouds.las import count_las, read_las
from study.clouds.meshes import count_mesh, read_obj, read_off, read_stl
from study.clouds.ply import count_ply, read_ply
from study.clouds.sampling import DEFAULT_SAMPLES, Sampling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from study.clouds.cloud import Cloud


class CloudFile(Protocol):
    """A file of clouds, its contents listed but not read."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its clouds."""
        ...

    def count(self, name: str, sampling: Sampling) -> int:
        """Approximate number of points of a cloud, without reading it."""
        ...

    def read(self, name: str, sampling: Sampling) -> Cloud:
        """Read one cloud; a StudyError says what is wrong with it."""
        ...


@dataclass(frozen=True)
class _Format:
    read: Callable[[BinaryIO, str, Sampling], Cloud]
    count: Callable[[BinaryIO, str, Sampling], int]


_ONE_CLOUD = {
    ".ply": _Format(read_ply, count_ply),
    ".obj": _Format(read_obj, count_mesh),
    ".off": _Format(read_off, count_mesh),
    ".stl": _Format(read_stl, count_mesh),
    ".las": _Format(read_las, count_las),
    ".laz": _Format(read_las, count_las),
    ".bin": _Format(read_bin, count_bin),
    ".npy": _Format(read_npy, count_npy),
}
_SEVERAL_CLOUDS: dict[str, Callable[[Path], CloudFile]] = {
    ".npz": NpzFile,
    ".zip": ModelArchive,
    ".sh3f": ModelArchive,
}
READABLE = (*_ONE_CLOUD, *_SEVERAL_CLOUDS)
"""The suffixes that can be read."""

COMPRESSED_SUFFIX = ".dpcs"
"""The suffix of what `study compress` writes."""


class _SingleFile:
    """A file that is one cloud, named like the file."""

    def __init__(self, path: Path, form: _Format) -> None:
        self._path, self._format = path, form
        self.names = (path.name,)

    def count(self, _name: str, sampling: Sampling) -> int:
        with self._path.open("rb") as file:
            return self._format.count(file, str(self._path), sampling)

    def read(self, _name: str, sampling: Sampling) -> Cloud:
        with self._path.open("rb") as file:
            return self._format.read(file, str(self._path), sampling)


def open_cloud_file(path: Path) -> CloudFile:
    """List the clouds of a file.

    Raises:
        StudyError: it is missing, damaged, a folder, or has a suffix that nothing here reads.
    """
    require_cloud_file(path)
    suffix = path.suffix.lower()
    with _accessible(path):
        if suffix in _SEVERAL_CLOUDS:
            return _SEVERAL_CLOUDS[suffix](path)
        return _SingleFile(path, _ONE_CLOUD[suffix])


def require_cloud_file(path: Path) -> None:
    """Refuse a path that cannot be a file of clouds, before anything is read.

    Raises:
        StudyError: a folder, a compressed cloud, or a suffix that nothing here reads.
    """
    if path.is_dir():
        raise StudyError(
            f"a cloud must be a file, and {path} is a folder; name its files, as in "
            f"{path / '*.ply'}"
        )
    if path.suffix.lower() == COMPRESSED_SUFFIX:
        raise StudyError(
            f"a cloud must not be compressed yet, and {path} is; `study decompress CODEC {path}` "
            "makes a cloud of it"
        )
    if path.suffix.lower() not in READABLE:
        raise StudyError(unknown_suffix(path, "read", READABLE))


def list_clouds(path: str | Path) -> tuple[str, ...]:
    """Names of the clouds of a file: the file's own name, or those that it holds."""
    return open_cloud_file(Path(path)).names


def count_points(path: str | Path, name: str | None = None) -> int:
    """Approximate number of points of a cloud, from the file's header where it says."""
    file, chosen = _chosen(Path(path), name)
    with _accessible(Path(path)):
        return file.count(chosen, Sampling())


def read_cloud(
    path: str | Path, name: str | None = None, *, samples: int = DEFAULT_SAMPLES, seed: int = 0
) -> Cloud:
    """Read a cloud.

    Args:
        path: PLY, OBJ, OFF, STL, LAS, LAZ, KITTI bin, npy, npz, or a zip of models.
        name: which, where the file holds several (`list_clouds`).
        samples: points to take from a mesh, uniformly by area.
        seed: of the sampling.

    Raises:
        StudyError: the file cannot be used, or holds several clouds and no name was given.
    """
    file, chosen = _chosen(Path(path), name)
    with _accessible(Path(path)):
        return file.read(chosen, Sampling(samples, seed))


def read_clouds(
    path: str | Path, *, samples: int = DEFAULT_SAMPLES, seed: int = 0
) -> dict[str, Cloud]:
    """Read all clouds of a file: name -> cloud. See `read_cloud`."""
    file = open_cloud_file(Path(path))
    with _accessible(Path(path)):
        return {name: file.read(name, Sampling(samples, seed)) for name in file.names}


def unknown_suffix(path: Path, verb: str, known: tuple[str, ...]) -> str:
    """Say that a format cannot be read (written), and suggest a known suffix one letter away."""
    close = [suffix for suffix in known if _is_slip(path.suffix.lower(), suffix)]
    advice = f"did you mean {close[0]}?" if close else "convert the file to .ply, say"
    return (
        f"the formats that can be {verb} are {', '.join(known)}, and {path} ends in "
        f"{path.suffix!r}; {advice}"
    )


def _is_slip(given: str, meant: str) -> bool:
    """Say whether one letter was replaced, left out or added; .xyz and .txt are no slips."""
    shorter, longer = sorted((given, meant), key=len)
    if len(shorter) == len(longer):
        return sum(a != b for a, b in zip(given, meant, strict=True)) == 1
    return any(longer[:i] + longer[i + 1 :] == shorter for i in range(1, len(longer)))


def _chosen(path: Path, name: str | None) -> tuple[CloudFile, str]:
    file = open_cloud_file(path)
    if name in file.names:
        return file, name
    if name is None and len(file.names) == 1:
        return file, file.names[0]
    some = ", ".join(file.names[:5]) + ", …" * (len(file.names) > 5)
    given = "none was named" if name is None else f"{name!r} is not among them"
    raise StudyError(f"{path} holds {len(file.names)} clouds, and {given}; choose from {some}")


@contextmanager
def _accessible(path: Path) -> Iterator[None]:
    """Turn the system's error about a path into a StudyError."""
    try:
        yield
    except OSError as error:
        raise StudyError(
            f"{path} cannot be read ({error.strerror or error}); check the path and its permissions"
        ) from error
