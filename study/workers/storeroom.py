"""The driver's disk, for workers on machines that do not see it.

An actor of Ray's beside the driver reads and writes the study's folder for them. It holds nothing
in memory: if it dies, Ray starts it again, and whoever has asked asks once more.
"""

from __future__ import annotations

import uuid
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from study.base.errors import StudyError
from study.base.output import new_file
from study.cohorts.folders import Opening

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

PART_BYTES = 8 * 2**20
"""Of a file that is read, in one message."""

_AT_ONCE = 4
"""Requests: a checkpoint need not wait for somebody's data set."""


class Storeroom:
    """What the actor does. All paths are the driver's.

    Args:
        study: the study's folder, in which it reads and writes.
        data: folders in which it reads.
    """

    def __init__(self, study: Path, data: Iterable[Path]) -> None:
        self._study = study.resolve()
        self._data = [folder.resolve() for folder in data]

    def content(self, folder: str) -> list[str]:
        """Return the files below a folder, by their paths in it.

        Raises:
            FileNotFoundError: there is no such folder.
        """
        path = self._readable(folder)
        if not path.is_dir():
            raise FileNotFoundError(folder)
        return sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file())

    def read(self, file: str, offset: int) -> bytes:
        """Return a part of a file; nothing at its end."""
        with self._readable(file).open("rb") as opened:
            opened.seek(offset)
            return opened.read(PART_BYTES)

    def write(self, files: Mapping[str, bytes]) -> None:
        """Write files of the study's folder, by their paths in it, each whole or not at all."""
        for name, content in files.items():
            with new_file(self._writable(self._study / name), force=True) as partial:
                partial.write_bytes(content)

    def write_checkpoint(self, opening: str, step: int, files: Mapping[str, bytes]) -> None:
        """Write a checkpoint of an opening, whole or not at all.

        Raises:
            OSError: the disk is full, or the opening is gone: its cohort is another worker's now.
        """
        path = self._writable(Path(opening))
        if not path.is_dir():
            raise FileNotFoundError(opening)
        Opening(path).write_checkpoint(step, lambda folder: put(folder, files))

    def _readable(self, path: str) -> Path:
        return _within(Path(path), [self._study, *self._data])

    def _writable(self, path: Path) -> Path:
        return _within(path, [self._study])


def _within(path: Path, roots: Iterable[Path]) -> Path:
    """Return where a path leads, which must be below one of the roots."""
    resolved = path.resolve()
    if not any(resolved.is_relative_to(root) for root in roots):
        raise StudyError(
            f"workers may read and write the study's folder, and read its data, but {path} is "
            "neither; see who else has the cluster's token"
        )
    return resolved


def taken(folder: Path) -> dict[str, bytes]:
    """Return the files below a folder, by their paths in it."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def put(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a folder, by their paths in it."""
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


@contextmanager
def serving(study: Path, cohorts: Path, data: Iterable[Path]) -> Iterator[str]:
    """Serve a study's folder to workers elsewhere, from this machine, until the block ends.

    Args:
        study: its folder.
        cohorts: a folder in it, which gets a mark: who sees the mark sees the disk.
        data: the folders of its data sets.

    Yields:
        The name of the actor and of the mark, which no other driver has used.
    """
    name = f".storeroom-{uuid.uuid4().hex}"
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    options = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1}
    remote: Any = ray.remote(Storeroom)
    actor = remote.options(
        name=name, scheduling_strategy=here, max_concurrency=_AT_ONCE, **options
    ).remote(study, list(data))
    cohorts.mkdir(exist_ok=True)
    mark = cohorts / name
    mark.touch()
    try:
        yield name
    finally:
        mark.unlink(missing_ok=True)
        with suppress(Exception):  # Ray may be gone, and with it the actor.
            ray.kill(actor)


class Counter:
    """A worker's way to the storeroom. Each call waits for the answer.

    Args:
        name: the actor's.
    """

    def __init__(self, name: str) -> None:
        self._actor: Any = ray.get_actor(name)

    def content(self, folder: str) -> list[str]:
        """See `Storeroom.content`."""
        names: list[str] = ray.get(self._actor.content.remote(folder))
        return names

    def read(self, file: str, offset: int) -> bytes:
        """See `Storeroom.read`."""
        part: bytes = ray.get(self._actor.read.remote(file, offset))
        return part

    def read_whole(self, file: str) -> bytes:
        """Return all of a file."""
        whole = bytearray()
        while part := self.read(file, len(whole)):
            whole += part
        return bytes(whole)

    def write(self, files: Mapping[str, bytes]) -> None:
        """See `Storeroom.write`."""
        if files:
            ray.get(self._actor.write.remote(files))

    def write_checkpoint(self, opening: str, step: int, files: Mapping[str, bytes]) -> None:
        """See `Storeroom.write_checkpoint`."""
        ray.get(self._actor.write_checkpoint.remote(opening, step, files))
