"""Files that a user could have, made by the libraries that others use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import laspy
import numpy as np
import trimesh
from plyfile import PlyData, PlyElement

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def points_and_normals(
    seed: int, count: int = 300
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    normals = rng.normal(size=(count, 3))
    unit = (normals / np.linalg.norm(normals, axis=1, keepdims=True)).astype(np.float32)
    return rng.uniform(-50.0, 50.0, (count, 3)), unit


def write_ply(
    path: Path, points: NDArray[np.float64], *, text: bool = False, order: str = "<"
) -> Path:
    """Write (n, 3) points, and a colour that nobody asks for, as a PLY file."""
    columns = [("red", "u1"), ("x", "f8"), ("y", "f8"), ("z", "f8")]
    vertices = np.zeros(len(points), dtype=columns)
    for axis, values in zip("xyz", points.T, strict=True):
        vertices[axis] = values
    path.parent.mkdir(parents=True, exist_ok=True)
    element = PlyElement.describe(vertices, "vertex")
    PlyData([element], text=text, byte_order=order).write(str(path))
    return path


def write_las(path: Path, points: NDArray[np.float64], *, point_format: int = 3) -> Path:
    """Write points in steps of a millimetre, with intensities."""
    header = laspy.LasHeader(point_format=point_format, version="1.4")
    header.scales = np.full(3, 1e-3)
    scan = laspy.LasData(header)
    scan.x, scan.y, scan.z = points.T
    scan.intensity = np.arange(len(points)) % 1000
    scan.write(str(path))
    return path


def write_mesh(path: Path, mesh: trimesh.Trimesh, **options: Any) -> Path:  # noqa: ANN401
    mesh.export(path, file_type=path.suffix[1:], **options)
    return path


def box() -> trimesh.Trimesh:
    """1 by 2 by 3 around the origin: areas of the sides 2, 3 and 6."""
    made: trimesh.Trimesh = trimesh.creation.box((1.0, 2.0, 3.0))
    return made
