"""PLY: points with or without normals, or a mesh; ascii or binary."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from plyfile import PlyData, PlyElement, PlyElementParseError

from study.base.errors import StudyError
from study.clouds.cloud import checked_cloud, parsing
from study.clouds.meshes import Surface, fans, sample

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from numpy.typing import NDArray

    from study.clouds.cloud import Cloud
    from study.clouds.sampling import Sampling

_HEADER_LIMIT = 1 << 16
_AXES = ("x", "y", "z")
_NORMAL_AXES = ("nx", "ny", "nz")
_FACE_LISTS = ("vertex_indices", "vertex_index")


@dataclass(frozen=True)
class _Element:
    """One element of a header: its name, its number of rows, and their properties."""

    name: str
    count: int
    properties: tuple[str, ...]


def read_ply(file: BinaryIO, where: str, sampling: Sampling) -> Cloud:
    """Read the points of a PLY file, or sample its faces where it has any.

    Raises:
        StudyError: it cannot be read as PLY, lacks x, y or z, or `checked_cloud` refuses it.
    """
    elements = _header(file, where)
    file.seek(0)
    with parsing(where, "PLY"):
        data = _read(file, elements)
    vertices = data["vertex"].data
    points = _columns(vertices, _AXES)
    if points is None:
        raise StudyError(
            f"the vertices of a PLY file must have numbers x, y and z, and those of {where} have "
            f"{', '.join(vertices.dtype.names or ()) or 'nothing'}; rename the properties or "
            "remove the file"
        )
    normals = _columns(vertices, _NORMAL_AXES)
    coded = {*_AXES, *_NORMAL_AXES} if normals is not None else set(_AXES)
    if not _faces(elements):
        return checked_cloud(where, points, normals, _uncoded(elements, coded))
    faces = data["face"].data
    corners = [name for name in _FACE_LISTS if name in (faces.dtype.names or ())]
    if not corners:
        raise StudyError(
            f"the faces of a PLY file must have {' or '.join(_FACE_LISTS)}, and those of {where} "
            f"have {', '.join(faces.dtype.names or ()) or 'nothing'}; rename the property or "
            "remove the faces"
        )
    with parsing(where, "PLY"):
        triangles = fans(faces[corners[0]])
    # The normals of the faces replace those of the vertices.
    uncoded = _uncoded(elements, {*_AXES, *_NORMAL_AXES, *_FACE_LISTS})
    return sample(Surface(points, triangles, uncoded), where, sampling)


def count_ply(file: BinaryIO, where: str, sampling: Sampling) -> int:
    """Points that `read_ply` will give, from the header alone."""
    elements = _header(file, where)
    return sampling.samples if _faces(elements) else _count(elements, "vertex")


def write_ply(path: Path, points: NDArray[np.float64], normals: NDArray[np.float32] | None) -> None:
    """Write binary PLY: double coordinates, so that nothing is lost, and float normals."""
    columns = [(axis, "<f8") for axis in _AXES]
    if normals is not None:
        columns += [(axis, "<f4") for axis in _NORMAL_AXES]
    vertices = np.empty(len(points), dtype=columns)
    for axis, values in zip(_AXES, points.T, strict=True):
        vertices[axis] = values
    for axis, values in zip(_NORMAL_AXES, () if normals is None else normals.T, strict=False):
        vertices[axis] = values
    PlyData([PlyElement.describe(vertices, "vertex")], byte_order="<").write(str(path))


def _header(file: BinaryIO, where: str) -> tuple[_Element, ...]:
    """The elements that the header names, checked against the size of the file.

    plyfile allocates all the rows that a header promises before it reads one.
    """
    header = file.read(_HEADER_LIMIT)
    size = file.seek(0, os.SEEK_END)
    ended = re.search(rb"\bend_header\b", header)
    # A header may be damaged in other ways: plyfile reports what this pattern does not match.
    found = [
        _Element(
            name=match[1].decode("ascii", "replace"),
            count=int(match[2][:20]),
            properties=tuple(
                line.split()[-1].decode("ascii", "replace")
                for line in match[3].splitlines()
                if line.split()[:1] == [b"property"]
            ),
        )
        for match in re.finditer(
            rb"^\s*element\s+(\S+)\s+(\d+)\s*$((?:(?!^\s*element\b).)*)",
            header[: ended.start() if ended else None],
            re.MULTILINE | re.DOTALL,
        )
    ]
    if not header.startswith(b"ply") or not any(e.name == "vertex" for e in found):
        raise StudyError(
            f"a PLY file must begin with a header that says `element vertex N`, and {where} "
            f"({size:,} bytes) does not; repair it or remove it"
        )
    points = _count(tuple(found), "vertex")
    if points == 0:
        raise StudyError(f"a cloud must have points, and {where} has none; remove it")
    # A property takes at least one byte, in text or binary.
    if sum(max(1, len(e.properties)) * e.count for e in found) > size:
        others = sum(element.count for element in found) - points
        raise StudyError(
            f"the header of {where} promises {points:,} points"
            f"{f' and {others:,} other rows' if others else ''}, and the file has only {size:,} "
            "bytes: it is truncated; repair it or remove it"
        )
    return tuple(found)


def _read(file: BinaryIO, elements: tuple[_Element, ...]) -> PlyData:
    """Read the file; fast where all faces are triangles, which most meshes are."""
    corners = [name for e in elements if e.name == "face" for name in e.properties]
    lengths = {name: 3 for name in corners if name in _FACE_LISTS}
    try:
        return PlyData.read(file, known_list_len={"face": lengths})
    except PlyElementParseError:
        file.seek(0)
        return PlyData.read(file)


def _columns(vertices: NDArray[Any], axes: tuple[str, ...]) -> NDArray[np.float64] | None:
    """(n, 3) of three columns, or None unless all three are present and numeric."""
    if any(
        axis not in (vertices.dtype.names or ()) or vertices.dtype[axis].kind not in "iuf"
        for axis in axes
    ):
        return None
    with np.errstate(invalid="ignore"):  # a signalling NaN: counted later
        return np.stack([vertices[axis].astype(np.float64) for axis in axes], axis=1)


def _faces(elements: tuple[_Element, ...]) -> int:
    return _count(elements, "face")


def _count(elements: tuple[_Element, ...], name: str) -> int:
    return next((element.count for element in elements if element.name == name), 0)


def _uncoded(elements: tuple[_Element, ...], coded: set[str]) -> tuple[str, ...]:
    """Names of properties that are not coded, and of elements other than vertices and faces."""
    names = []
    for element in elements:
        if element.name in ("vertex", "face"):
            names += [name for name in element.properties if name not in coded]
        else:
            names.append(element.name)
    return tuple(dict.fromkeys(names))
