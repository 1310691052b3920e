"""D-PCC's pickled data sets, read by `study.data.unpickling`, which runs nothing of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from study.base.errors import StudyError
from study.clouds.cloud import checked_cloud
from study.data.unpickling import as_array, read_pickle

if TYPE_CHECKING:
    from pathlib import Path

    from study.clouds import Cloud


class PickledDataSet:
    """A file `{index: {'points': {cube index: (n, 6)}, 'meta_data': …}}` of D-PCC.

    The published code cuts its clouds in advance. All cubes of a cloud lie in one frame, so they
    are put together again, and the cloud is cut as any other.
    """

    def __init__(self, name: str, path: Path, fingerprint: str) -> None:
        """Read the file whole.

        Raises:
            StudyError: it is no such pickle, or one that names anything but arrays.
        """
        self.name = name
        self.fingerprint = fingerprint
        self._path = path
        self._size = path.stat().st_size
        self._used = 0
        with path.open("rb") as file:
            content = read_pickle(file, str(path))
        self._clouds = {str(index): self._cubes(content[index], index) for index in _keys(content)}
        if not self._clouds:
            raise StudyError(self._wrong(f"is {type(content).__name__} without any cloud"))
        self.point_counts = {cloud: sum(map(len, cubes)) for cloud, cubes in self._clouds.items()}

    def read(self, cloud: str) -> Cloud:
        """Put the cubes of a cloud together, with their normals."""
        rows = np.concatenate([np.empty((0, 6)), *self._clouds[cloud]])
        return checked_cloud(f"{self._path}[{cloud}]", rows[:, :3], rows[:, 3:])

    def _cubes(self, entry: object, index: object) -> list[np.ndarray[Any, Any]]:
        cubes = entry.get("points") if isinstance(entry, dict) else None
        if not isinstance(cubes, dict):
            raise StudyError(self._wrong(f"has no dictionary of points for {index!r}"))
        where = f"{self._path}[{index!r}]"
        arrays = [as_array(cube, where) for cube in cubes.values()]
        # A pickle can name an array any number of times, and each is a part of the cloud.
        self._used += sum(array.nbytes for array in arrays)
        if self._used > self._size:
            raise StudyError(
                self._wrong(
                    f"has arrays of {self._used:,} bytes or more in a file of {self._size:,}: one "
                    "is named more than once"
                )
            )
        shapes = {array.shape for array in arrays if array.ndim != 2 or array.shape[1] != 6}
        if shapes:
            raise StudyError(self._wrong(f"has a cube of shape {shapes.pop()} for {index!r}"))
        if len(arrays) > 1 and all(
            np.abs(array[:, :3]).max(initial=0.0) <= 1.0 for array in arrays
        ):
            raise StudyError(
                self._wrong(
                    f"has cubes that all lie around the origin for {index!r}, each in its own frame"
                )
            )
        return arrays

    def _wrong(self, given: str) -> str:
        return (
            "a pickled data set must be {index: {'points': {cube: (n, 6) array of coordinates in "
            f"the frame of the cloud and normals}}}}, as D-PCC makes it, and {self._path} {given}; "
            "check the file"
        )


def _keys(content: object) -> list[Any]:
    return sorted(content, key=str) if isinstance(content, dict) else []
