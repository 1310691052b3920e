"""Where clouds come from."""

from __future__ import annotations

import difflib
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from study.data.ply import PlyFolder
from study.data.recipe import EMBEDDED
from study.data.store import read_objects
from study.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

OBJECTS = Path(__file__).with_name("objects_cc0.parquet")


class Source(Protocol):
    """A collection of named clouds."""

    @property
    def name(self) -> str:
        """Short, fit for the name of a folder."""
        ...

    @property
    def point_counts(self) -> Mapping[str, int]:
        """Cloud name -> points it has, known without reading the clouds."""
        ...

    @property
    def fingerprint(self) -> str:
        """A text that changes when the clouds do."""
        ...

    def read(self, cloud: str) -> NDArray[np.float64]:
        """Read the (n, 3) points of a cloud, n >= 1, finite; a StudyError names a faulty one."""
        ...


class EmbeddedObjects:
    """The objects shipped with the package (see NOTICE beside this file)."""

    name = EMBEDDED

    def __init__(self) -> None:
        self._objects = read_objects(OBJECTS)
        self.point_counts = {name: len(points) for name, points in self._objects.items()}
        self.fingerprint = hashlib.sha256(OBJECTS.read_bytes()).hexdigest()

    def read(self, cloud: str) -> NDArray[np.float64]:
        """Read the (n, 3) points of an object."""
        return self._objects[cloud]


def open_source(source: str) -> Source:
    """Open what a recipe's `source` names.

    Raises:
        StudyError: it is neither `embedded` nor a folder with PLY files.
    """
    if source == EMBEDDED:
        return EmbeddedObjects()
    given = f"the data source must be {EMBEDDED!r} or a folder of PLY files, and {source!r}"
    try:
        folder = Path(source).expanduser()
        if folder.is_dir():
            return PlyFolder(folder)
        if folder.exists():
            raise StudyError(f"{given} is a file; give the folder that holds it")
        raise StudyError(f"{given} does not exist; {_nearest(folder)}")
    except OSError as error:
        raise StudyError(f"{given} cannot be opened ({error.strerror}); check the path") from error


def _nearest(missing: Path) -> str:
    """Advice on a folder that does not exist: what was probably meant."""
    missing = missing.absolute()
    parent = next(parent for parent in missing.parents if parent.is_dir())
    wanted = missing.relative_to(parent).parts[0]
    names = [EMBEDDED, *sorted(path.name for path in parent.iterdir() if path.is_dir())]
    close = difflib.get_close_matches(wanted, names, n=1)
    if not close:
        return f"{parent} exists and holds no folder of a similar name; check the path"
    return f"did you mean {close[0] if close[0] == EMBEDDED else parent / close[0]}?"
