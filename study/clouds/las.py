"""LAS and LAZ: airborne and terrestrial laser scans."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import numpy as np

from study.clouds.cloud import checked_cloud, parsing, require_plausible
from study.errors import StudyError

if TYPE_CHECKING:
    from typing import BinaryIO

    from laspy import LasReader

    from study.clouds.cloud import Cloud, Sampling

# laspy writes down what it could not read; here that is a sentence.
logging.getLogger("laspy").addHandler(logging.NullHandler())

_CHUNK_POINTS = 1 << 20


def read_las(file: BinaryIO, where: str, _sampling: Sampling) -> Cloud:
    """Read the points of a LAS or LAZ file, scaled and offset as its header says.

    Dimensions beyond the coordinates are uncoded, those that are zero everywhere left aside: a
    point format has them all, used or not.

    Raises:
        StudyError: it cannot be read as LAS or LAZ, or `checked_cloud` refuses it.
    """
    parts, used = [np.empty((0, 3))], dict[str, None]()
    with parsing(where, "LAS"), _open(file) as reader:
        promised = _require_bytes(reader, file, where)
        for chunk in reader.chunk_iterator(_CHUNK_POINTS):
            parts.append(np.stack([np.asarray(chunk[axis]) for axis in "xyz"], axis=1))
            others = (name for name in chunk.point_format.dimension_names if name not in "XYZ")
            used |= dict.fromkeys(name for name in others if np.any(np.asarray(chunk[name])))
    points = np.concatenate(parts)
    if len(points) != promised:
        raise StudyError(
            f"the header of {where} promises {promised:,} points, and {len(points):,} can be read: "
            "it is truncated; repair it or remove it"
        )
    return checked_cloud(where, points, uncoded=tuple(used))


def count_las(file: BinaryIO, where: str, _sampling: Sampling) -> int:
    """Points that the header promises."""
    with parsing(where, "LAS"), _open(file) as reader:
        return _require_bytes(reader, file, where)


def _open(file: BinaryIO) -> LasReader:
    import laspy

    return laspy.open(file, closefd=False, read_evlrs=False)


def _require_bytes(reader: LasReader, file: BinaryIO, where: str) -> int:
    """The number of points that the header promises, which the file has room for."""
    position = file.tell()
    size = file.seek(0, os.SEEK_END)
    file.seek(position)
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
