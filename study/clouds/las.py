"""LAS and LAZ: airborne and terrestrial laser scans.

The native library that unpacks LAZ ends its process when a damaged file makes it request too much
memory. So it runs in a process of its own: this module as a script.
"""

from __future__ import annotations

import io
import json
import logging
import os
import resource
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from study.base.children import child_variables, module_command
from study.base.errors import StudyError
from study.clouds.cloud import checked_cloud, parsing, require_plausible

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from numpy.typing import NDArray

    from study.clouds.cloud import Cloud
    from study.clouds.sampling import Sampling

# laspy logs what it could not read; here a StudyError says it.
logging.getLogger("laspy").addHandler(logging.NullHandler())

_CHUNK_POINTS = 1 << 20
_VLR_COUNT = slice(100, 104)
_VLR_BYTES = 54
"""A variable length record has at least its header (LAS 1.4, tables 3 and 11)."""
_ROOM_BYTES = 1 << 31
_ROOM_FACTOR = 8
"""Memory that the unpacking process may use: a fixed part for Python and its libraries, and this
many times the unpacked points (records, float64 coordinates, and the arrays on the way out)."""


def read_las(file: BinaryIO, where: str, sampling: Sampling) -> Cloud:
    """Read the points of a LAS or LAZ file, scaled and offset as its header says.

    Dimensions beyond the coordinates are uncoded, except those that are zero everywhere: a point
    format lists all its dimensions, used or not.

    Raises:
        StudyError: it cannot be read as LAS or LAZ, or `checked_cloud` refuses it.
    """
    promised = count_las(file, where, sampling)
    file.seek(0)
    with parsing(where, "LAS"):
        with _opened(file) as reader:
            packed = reader.header.are_points_compressed
            unpacked = promised * reader.header.point_format.size
            points, uncoded = (np.empty((0, 3)), []) if packed else _points(reader)
        if packed:
            points, uncoded = _unpacked_elsewhere(file, unpacked)
    if len(points) != promised:
        raise StudyError(
            f"the header of {where} promises {promised:,} points, and {len(points):,} can be read: "
            "it is truncated; repair it or remove it"
        )
    return checked_cloud(where, points, uncoded=uncoded)


def count_las(file: BinaryIO, where: str, _sampling: Sampling) -> int:
    """Points that the header promises and the file has room for."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    records = int.from_bytes(file.read(_VLR_COUNT.stop)[_VLR_COUNT], "little")
    file.seek(0)
    with parsing(where, "LAS"):
        if records * _VLR_BYTES > size:  # laspy would loop over records that are not there
            raise ValueError(f"it promises {records:,} records in {size:,} bytes")
        with _opened(file) as reader:
            header = reader.header
    unpacked = header.point_count * header.point_format.size
    if header.are_points_compressed:
        require_plausible(where, unpacked, size)
    elif header.offset_to_point_data + unpacked > size:
        raise StudyError(
            f"the header of {where} promises {header.point_count:,} points of "
            f"{header.point_format.size} bytes, and the file has only {size:,}: it is truncated; "
            "repair it or remove it"
        )
    return int(header.point_count)


@contextmanager
def _opened(file: BinaryIO) -> Iterator[Any]:
    import laspy

    with laspy.open(file, closefd=False, read_evlrs=False) as reader:
        yield reader


def _points(reader: Any) -> tuple[NDArray[np.float64], list[str]]:  # noqa: ANN401 - laspy has no types
    """(n, 3) coordinates, and the names of the other dimensions that are used."""
    parts, used = [np.empty((0, 3))], dict[str, None]()
    for chunk in reader.chunk_iterator(_CHUNK_POINTS):
        parts.append(np.stack([np.asarray(chunk[axis]) for axis in "xyz"], axis=1))
        others = (name for name in chunk.point_format.dimension_names if name not in "XYZ")
        used |= dict.fromkeys(name for name in others if np.any(np.asarray(chunk[name])))
    return np.concatenate(parts), list(used)


def _unpacked_elsewhere(file: BinaryIO, unpacked: int) -> tuple[NDArray[np.float64], list[str]]:
    """The result of `_points`, from another process whose memory is limited."""
    file.seek(0)
    os.lseek(file.fileno(), 0, os.SEEK_SET)  # the other process reads from the descriptor
    room = _ROOM_BYTES + _ROOM_FACTOR * unpacked
    done = subprocess.run(  # noqa: S603 - this module itself
        module_command(__name__, str(room)),
        stdin=file,
        capture_output=True,
        check=False,
        # One thread, because each reserves memory of its own.
        env={**os.environ, **child_variables(), "OPENBLAS_NUM_THREADS": "1"},
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise ValueError(said[-1] if done.returncode == 1 and said else "unpacking it failed")
    answer = io.BytesIO(done.stdout)
    uncoded = json.loads(answer.readline())
    points: NDArray[np.float64] = np.load(answer, allow_pickle=False)
    return points, uncoded


def _unpack() -> None:
    """Unpack the file on the standard input; write the names as a line of JSON, then the points."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    room = int(sys.argv[1])
    limit = room if hard == resource.RLIM_INFINITY else min(room, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    with _opened(sys.stdin.buffer) as reader:
        points, uncoded = _points(reader)
    sys.stdout.buffer.write(json.dumps(uncoded).encode() + b"\n")
    np.save(sys.stdout.buffer, points)


if __name__ == "__main__":
    _unpack()
