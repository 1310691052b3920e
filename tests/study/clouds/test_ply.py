from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from plyfile import PlyData, PlyElement

from study.base.errors import StudyError
from study.clouds import count_points, read_cloud
from tests.study.clouds.making import points_and_normals, write_ply

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("text", "order"), [(True, "="), (False, "<"), (False, ">")])
def test_ascii_and_binary_files_give_their_points(
    tmp_path: Path, *, text: bool, order: str
) -> None:
    points, _ = points_and_normals(0)
    path = write_ply(tmp_path / "a.ply", points, text=text, order=order)
    np.testing.assert_array_equal(read_cloud(path).points, points)


def test_integers_are_read_too(tmp_path: Path) -> None:
    vertices = np.array([(1, 2, 3), (4, 5, 6)], dtype=[("x", "i2"), ("y", "i2"), ("z", "i2")])
    edges = np.array([(0, 1)], dtype=[("vertex1", "i4"), ("vertex2", "i4")])
    elements = [PlyElement.describe(vertices, "vertex"), PlyElement.describe(edges, "edge")]
    PlyData(elements).write(str(tmp_path / "a.ply"))
    cloud = read_cloud(tmp_path / "a.ply")
    np.testing.assert_array_equal(cloud.points, [[1, 2, 3], [4, 5, 6]])
    assert cloud.uncoded == ("edge",)


def test_a_cloud_without_points_is_refused(tmp_path: Path) -> None:
    write_ply(tmp_path / "none.ply", np.empty((0, 3)))
    with pytest.raises(StudyError, match=r"must have points, and .*none\.ply has none; remove it"):
        count_points(tmp_path / "none.ply")


@pytest.mark.parametrize("content", [b"", b"\x00\xff" * 50, b"ply\nformat ascii 1.0\nend_header\n"])
def test_a_file_without_a_header_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.ply").write_bytes(content)
    with pytest.raises(StudyError, match=r"must begin with a header .*a\.ply \(\d+ bytes\) does"):
        count_points(tmp_path / "a.ply")


@pytest.mark.parametrize("text", [True, False])
def test_a_truncated_file_is_refused(tmp_path: Path, *, text: bool) -> None:
    path = write_ply(tmp_path / "cut.ply", points_and_normals(0)[0], text=text)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StudyError, match=r"cut\.ply cannot be read as PLY .*repair it or remove"):
        read_cloud(path)
    path.write_bytes(whole[:400])
    with pytest.raises(StudyError, match=r"cut\.ply promises 300 points, and the file has only"):
        read_cloud(path)


def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"a\.ply cannot be read \(No such file or directory\)"):
        read_cloud(tmp_path / "a.ply")


@pytest.mark.parametrize(
    "columns",
    [
        [("x", "f4"), ("y", "f4")],
        [("a", "f4")],
        [("x", "f4"), ("y", "f4"), ("z", "O")],
    ],
)
def test_vertices_without_numbers_x_y_z_are_refused(
    tmp_path: Path, columns: list[tuple[str, str]]
) -> None:
    vertices = np.zeros(9, dtype=columns)
    for name, kind in columns:
        if kind == "O":
            vertices[name] = [np.zeros(2, np.float32)] * 9
    PlyData([PlyElement.describe(vertices, "vertex")]).write(str(tmp_path / "a.ply"))
    given = ", ".join(name for name, _ in columns)
    with pytest.raises(StudyError, match=rf"must have numbers x, y and z, .* have {given}; rename"):
        read_cloud(tmp_path / "a.ply")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_cloud_with_nan_is_refused(tmp_path: Path, value: float) -> None:
    points, _ = points_and_normals(0)
    points[[3, 7], [0, 2]] = value
    path = write_ply(tmp_path / "bad.ply", points)
    with pytest.raises(StudyError, match=r"2 of the 300 points of .*bad\.ply are NaN or infinite"):
        read_cloud(path)
