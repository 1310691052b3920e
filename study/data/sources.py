"""Where clouds come from."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from study.base.errors import StudyError
from study.clouds.cloud import checked_cloud
from study.clouds.files import READABLE, open_cloud_file
from study.clouds.sampling import DEFAULT_SAMPLES, Sampling
from study.config.data import EMBEDDED, TOY
from study.data.pickles import PickledDataSet
from study.data.store import read_objects
from study.data.toy_sets import ToySets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from study.clouds import Cloud
    from study.clouds.files import CloudFile
    from study.config.data import DataRecipe

OBJECTS = Path(__file__).with_name("objects_cc0.parquet")
_PICKLE = ".pkl"
_NAME_LIMIT = 40


class Source(Protocol):
    """A collection of named clouds."""

    @property
    def name(self) -> str:
        """Short, fit for the name of a folder."""
        ...

    @property
    def point_counts(self) -> Mapping[str, int]:
        """Cloud name -> approximate number of points, from headers where they say."""
        ...

    @property
    def fingerprint(self) -> str:
        """A text that changes when the clouds do."""
        ...

    def read(self, cloud: str) -> Cloud:
        """Read a cloud; a StudyError names a faulty one."""
        ...


class EmbeddedObjects:
    """The objects shipped with the package (see NOTICE beside this file)."""

    name = EMBEDDED

    def __init__(self) -> None:
        self._objects = read_objects(OBJECTS)
        self.point_counts = {name: len(rows) for name, rows in self._objects.items()}
        self.fingerprint = hashlib.sha256(OBJECTS.read_bytes()).hexdigest()

    def read(self, cloud: str) -> Cloud:
        """Read an object, with its normals."""
        rows = self._objects[cloud]
        return checked_cloud(cloud, rows[:, :3], rows[:, 3:])


class CloudFiles:
    """The clouds of one or more files, named by file and by their own names within it, if any."""

    def __init__(self, name: str, paths: Mapping[str, Path], sampling: Sampling) -> None:
        """List the clouds and read the files' headers.

        Args:
            name: the source's name.
            paths: name of each file -> its path.
            sampling: how points are taken from meshes.

        Raises:
            StudyError: a file is faulty.
        """
        self.name = name
        self._sampling = sampling
        self._clouds: dict[str, tuple[CloudFile, str]] = {}
        for title, path in paths.items():
            file = open_cloud_file(path)
            for member in file.names:
                cloud = title if member == path.name else f"{title}/{member}"
                self._clouds[cloud] = (file, member)
        self.point_counts = {
            cloud: file.count(member, sampling) for cloud, (file, member) in self._clouds.items()
        }
        self.fingerprint = _fingerprint(paths)

    def read(self, cloud: str) -> Cloud:
        """Read a cloud."""
        file, member = self._clouds[cloud]
        return file.read(member, self._sampling)


BY_NAME: dict[str, Callable[[], Source]] = {EMBEDDED: EmbeddedObjects, TOY: ToySets}
"""What needs no file. Their names come first: a folder of such a name is given as ./NAME."""


def open_source(recipe: DataRecipe) -> Source:
    """Open what a recipe's `source` names.

    Raises:
        StudyError: it is neither `embedded`, nor `toy`, nor a folder or file of clouds.
    """
    source = recipe.source
    if source in BY_NAME:
        return BY_NAME[source]()
    names = ", ".join(map(repr, BY_NAME))
    given = f"the data source must be {names}, or a folder or file of clouds, and {source!r}"
    sampling = Sampling(recipe.points_per_object or DEFAULT_SAMPLES, recipe.seed)
    try:
        path = Path(source).expanduser()
        name = _fit_for_a_folder(path.resolve().name)
        if path.is_dir():
            return CloudFiles(name, _found(path), sampling)
        if not path.exists():
            raise StudyError(f"{given} does not exist; {_nearest(path)}")
        if path.suffix.lower() == _PICKLE:
            return PickledDataSet(name, path, _fingerprint({path.name: path}))
        return CloudFiles(name, {path.name: path}, sampling)
    except OSError as error:
        raise StudyError(f"{given} cannot be opened ({error.strerror}); check the path") from error


def _found(folder: Path) -> dict[str, Path]:
    """The files of a folder and its sub-folders that can be read, by their path within it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    found = {
        path.relative_to(folder).as_posix(): path
        for path in files
        if path.suffix.lower() in READABLE
    }
    if found:
        return found
    pickled = any(path.suffix.lower() == _PICKLE for path in files)
    advice = "name one .pkl file as the source" if pickled else "check the path, or convert them"
    raise StudyError(
        f"the folder of a data source must hold {', '.join(READABLE)} files, and {folder} holds "
        f"{_kinds(files)}; {advice}"
    )


def _fingerprint(paths: Mapping[str, Path]) -> str:
    """Hash names, sizes and times: it changes when a file is added, removed or rewritten."""
    stats = {name: path.stat() for name, path in paths.items()}
    listing = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats.items()]
    return hashlib.sha256(json.dumps(listing).encode()).hexdigest()


def _fit_for_a_folder(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:_NAME_LIMIT] or "clouds"


def _kinds(files: Iterable[Path]) -> str:
    """What else lies in a folder: "no file at all", or "3 .jpg, 1 .txt"."""
    counts = Counter(path.suffix.lower() or path.name for path in files)
    return ", ".join(f"{count} {kind}" for kind, count in counts.most_common(4)) or "no file at all"


def _nearest(missing: Path) -> str:
    """Advice on a path that does not exist: what was probably meant."""
    missing = missing.absolute()
    parent = next(parent for parent in missing.parents if parent.is_dir())
    wanted = missing.relative_to(parent).parts[0]
    names = [*BY_NAME, *sorted(p.name for p in parent.iterdir() if p.is_dir() or _usable(p))]
    close = difflib.get_close_matches(wanted, names, n=1)
    if not close:
        return f"{parent} exists and holds nothing of a similar name; check the path"
    return f"did you mean {close[0] if close[0] in BY_NAME else parent / close[0]}?"


def _usable(path: Path) -> bool:
    return path.suffix.lower() in (*READABLE, _PICKLE)
