"""OBJ, OFF and STL, and how a mesh becomes points: sampled uniformly by area."""

from __future__ import annotations

import io
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from study.base.errors import StudyError
from study.clouds.cloud import checked_cloud, parsing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import BinaryIO

    from numpy.typing import NDArray

    from study.clouds.cloud import Cloud
    from study.clouds.sampling import Sampling

# trimesh logs what it could not read; here a StudyError says it.
logging.getLogger("trimesh").addHandler(logging.NullHandler())

_MOST_PARTS = 256
"""trimesh goes through all names and vertices again for each material and each solid."""
_STL_HEADER_BYTES = 84
_STL_FACE_BYTES = 50


@dataclass(frozen=True)
class Surface:
    """Triangles of a mesh.

    Attributes:
        vertices: (v, 3) float64.
        triangles: (f, 3) indices into the vertices; f = 0 where the file holds points only.
        uncoded: what else the file holds.
        vertex_normals: (v, 3), used where there are no triangles.
    """

    vertices: NDArray[np.float64]
    triangles: NDArray[np.int64]
    uncoded: tuple[str, ...] = ()
    vertex_normals: NDArray[np.float64] | None = None


def read_obj(file: BinaryIO, where: str, sampling: Sampling) -> Cloud:
    """Sample an OBJ model (all its parts together), or read its points where it has no face."""
    return sample(_parsed(_obj, file, where, "OBJ"), where, sampling)


def read_off(file: BinaryIO, where: str, sampling: Sampling) -> Cloud:
    """Sample an OFF model, or read its points where it has no face."""
    return sample(_parsed(_off, file, where, "OFF"), where, sampling)


def read_stl(file: BinaryIO, where: str, sampling: Sampling) -> Cloud:
    """Sample an STL model, ascii or binary."""
    return sample(_parsed(_stl, file, where, "STL"), where, sampling)


def count_mesh(_file: BinaryIO, _where: str, sampling: Sampling) -> int:
    """Points sampled from a model. One without faces yields its vertices, unknown until read."""
    return sampling.samples


def sample(surface: Surface, where: str, sampling: Sampling) -> Cloud:
    """Take points uniformly by area, each with the normal of its face.

    The same surface, number and seed give the same points. A surface without triangles yields its
    vertices.

    Raises:
        StudyError: a triangle names a vertex that is not there, the triangles have no area, or
            `checked_cloud` refuses the vertices.
    """
    vertices, triangles = surface.vertices, surface.triangles
    corners = checked_cloud(where, vertices, surface.vertex_normals, surface.uncoded)
    if not len(triangles):
        return corners
    if triangles.min() < 0 or triangles.max() >= len(vertices):
        raise StudyError(
            f"the faces of a mesh must name vertices that it has, and one of {where} does not (it "
            f"has {len(vertices):,}); the file is damaged: repair it or remove it"
        )
    import trimesh

    with np.errstate(all="ignore"):
        mesh = trimesh.Trimesh(corners.points, triangles, process=False)
        area = float(mesh.area_faces.sum())
    if not 0.0 < area < np.inf:
        raise StudyError(
            f"a mesh must have a surface to take points from, and the area of the "
            f"{len(triangles):,} triangles of {where} is {area:g}; repair it or remove it"
        )
    points, faces = trimesh.sample.sample_surface(mesh, sampling.samples, seed=sampling.seed)
    return checked_cloud(where, points, mesh.face_normals[faces], surface.uncoded)


def fans(polygons: Sequence[Sequence[int]] | NDArray[Any]) -> NDArray[np.int64]:
    """(f, 3) triangles of polygons; a polygon with fewer than three corners has none."""
    if isinstance(polygons, np.ndarray) and polygons.ndim == 2:
        lengths = np.full(len(polygons), polygons.shape[1])
        flat = polygons.reshape(-1).astype(np.int64)
    else:
        lengths = np.array([len(polygon) for polygon in polygons], dtype=np.int64)
        flat = np.concatenate([np.empty(0, np.int64), *polygons]).astype(np.int64)
    per_polygon = np.maximum(lengths - 2, 0)
    first = np.repeat(np.cumsum(lengths) - lengths, per_polygon)
    second = first + 1 + np.arange(len(first))
    second -= np.repeat(np.cumsum(per_polygon) - per_polygon, per_polygon)
    triangles: NDArray[np.int64] = flat[np.stack([first, second, second + 1], axis=1)]
    return triangles


def _parsed(parse: Callable[[bytes], Surface], file: BinaryIO, where: str, kind: str) -> Surface:
    data = file.read()
    with parsing(where, kind):
        return parse(data)


def _obj(data: bytes) -> Surface:
    from trimesh.exchange.obj import load_obj

    # Materials lie in other files. Numbers are ASCII; comments may be in any encoding.
    text = data.decode("latin-1")
    present = {"materials": "\nusemtl" in text, "texture coordinates": "\nvt" in text}
    if text.count("usemtl ") > _MOST_PARTS:
        text = text.replace("usemtl ", "# ")
    parts = load_obj(io.StringIO(text), skip_materials=True)
    return _joined(parts, tuple(name for name, there in present.items() if there))


def _off(data: bytes) -> Surface:
    from trimesh.exchange.off import load_off

    text = data.decode("latin-1")
    colours = ("colours",) if text.lstrip().startswith("COFF") else ()
    return _joined(load_off(io.StringIO(text)), colours)


def _stl(data: bytes) -> Surface:
    from trimesh.exchange.stl import load_stl_ascii, load_stl_binary

    faces = int.from_bytes(data[_STL_HEADER_BYTES - 4 : _STL_HEADER_BYTES], "little")
    if len(data) != _STL_HEADER_BYTES + _STL_FACE_BYTES * faces:
        return _joined(load_stl_ascii(io.StringIO(data.decode("latin-1"))))
    parts = load_stl_binary(io.BytesIO(data))
    attributes = parts.get("face_attributes", {}).get("stl", np.zeros(0))
    return _joined(parts, ("face attributes",) if attributes.any() else ())


def _joined(parts: dict[str, Any], uncoded: tuple[str, ...] = ()) -> Surface:
    """The parts that trimesh found in a file (one, or a dictionary of them) as one surface."""
    meshes = list(parts["geometry"].values()) if "geometry" in parts else [parts]
    vertices = [np.asarray(mesh["vertices"], np.float64).reshape(-1, 3) for mesh in meshes]
    # trimesh leaves polygons whole if all faces of a file have the same number of corners.
    faces = [fans(np.asarray(mesh.get("faces", ()))) for mesh in meshes]
    firsts = np.cumsum([0, *map(len, vertices)])
    if any(mesh.get("vertex_colors") is not None for mesh in meshes):
        uncoded = (*uncoded, "vertex colours")
    normals = meshes[0].get("vertex_normals") if len(meshes) == 1 else None
    if normals is not None and np.shape(normals) != np.shape(vertices[0]):
        normals, uncoded = None, (*uncoded, "normals (not one per vertex)")
    return Surface(
        vertices=np.concatenate([np.empty((0, 3)), *vertices]),
        triangles=np.concatenate(
            [
                np.empty((0, 3), np.int64),
                *(face + first for face, first in zip(faces, firsts, strict=False)),
            ]
        ),
        uncoded=uncoded,
        vertex_normals=normals,
    )
