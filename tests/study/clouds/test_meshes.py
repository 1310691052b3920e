from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import trimesh

from study.base.errors import StudyError
from study.clouds import read_cloud
from study.clouds.meshes import fans
from tests.study.clouds.making import box, write_mesh

if TYPE_CHECKING:
    from pathlib import Path

QUADS = """ply
format ascii 1.0
element vertex 5
property float x
property float y
property float z
property float nx
property uchar red
element face 2
property list uchar int vertex_indices
property uchar shade
end_header
0 0 0 1 9
1 0 0 1 9
1 1 0 1 9
0 1 0 1 9
0 3 0 1 9
4 0 1 2 3 7
3 3 2 4 7
"""


@pytest.mark.parametrize("suffix", [".obj", ".off", ".stl", ".ply"])
def test_points_lie_on_the_surface_by_area_with_normals(
    tmp_path: Path, suffix: str, seed: int
) -> None:
    path = write_mesh(tmp_path / f"a{suffix}", box())
    cloud = read_cloud(path, samples=20_000, seed=seed)
    assert cloud.points.shape == (20_000, 3)
    assert cloud.normals is not None
    half = np.array([0.5, 1.0, 1.5])
    axis = np.abs(cloud.normals).argmax(axis=1)
    on_side = np.abs(np.take_along_axis(cloud.points, axis[:, None], 1)[:, 0])
    np.testing.assert_allclose(on_side, half[axis], rtol=1e-6)
    outward = np.take_along_axis(cloud.points * cloud.normals, axis[:, None], 1)
    assert (outward > 0.0).all()
    # Areas of the sides: 6, 3 and 2 of 11. Five standard deviations of a binomial are below 0.02.
    np.testing.assert_allclose(np.bincount(axis) / 20_000, np.array([6, 3, 2]) / 11, atol=0.02)


def test_the_seed_decides(tmp_path: Path) -> None:
    path = write_mesh(tmp_path / "a.off", box())
    first, again = (read_cloud(path, samples=100, seed=3).points for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, read_cloud(path, samples=100, seed=4).points)


def test_the_format_of_a_mesh_does_not_matter(tmp_path: Path) -> None:
    mesh = trimesh.creation.icosphere(subdivisions=2)
    clouds = [
        read_cloud(write_mesh(tmp_path / f"a.{suffix}", mesh), samples=500)
        for suffix in ("off", "obj", "stl", "ply")
    ]
    for cloud in clouds[1:]:
        np.testing.assert_allclose(cloud.points, clouds[0].points, atol=1e-5)


def test_polygons_are_cut_into_fans(tmp_path: Path) -> None:
    (tmp_path / "a.ply").write_text(QUADS)
    cloud = read_cloud(tmp_path / "a.ply", samples=4000)
    assert cloud.points[:, 2].max() == 0.0
    # The square has area 1, the triangle on it 1: x is even up to y = 1, then shrinks.
    assert abs(np.mean(cloud.points[:, 1] > 1.0) - 0.5) < 0.05
    assert cloud.uncoded == ("red", "shade")


CORNERS = ((0, 0), (4, 0), (4, 2), (2, 3), (0, 2), (6, 0), (6, 2), (8, 0), (8, 2))


@pytest.mark.parametrize(
    ("polygons", "areas"),
    [
        (["1 2 3 5"], [8]),
        (["1 2 3 5", "2 6 7 3", "6 8 9 7"], [8, 4, 4]),
        (["1//1 2//1 3//1 5//1", "2//1 6//1 7//1 3//1", "6//1 8//1 9//1 7//1"], [8, 4, 4]),
        (["1 2 3 4 5"], [10]),
        (["1 2 3 4 5", "2 6 7 3", "6 8 9"], [10, 4, 2]),
    ],
)
def test_faces_of_an_obj_are_whole(polygons: list[str], areas: list[float], tmp_path: Path) -> None:
    """Of quads alone (what Blender writes), of pentagons alone, and mixed: no hole, no overlap."""
    vertices = "".join(f"v {x} {y} 0\n" for x, y in CORNERS)
    faces = "".join(f"f {polygon}\n" for polygon in polygons)
    (tmp_path / "a.obj").write_text(f"{vertices}vn 0 0 1\n{faces}")
    points = read_cloud(tmp_path / "a.obj", samples=20_000).points
    # The first polygon lies in x < 4, the second in 4 to 6, the third in 6 to 8.
    found = np.histogram(points[:, 0], bins=[0, 4, 6, 8])[0] / len(points)
    expected = [area / sum(areas) for area in areas] + [0.0] * (3 - len(areas))
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_fans_of_any_length() -> None:
    polygons = [[0, 1, 2], [4, 5], [], [6, 7, 8, 9, 10], [3]]
    expected = [[0, 1, 2], [6, 7, 8], [6, 8, 9], [6, 9, 10]]
    np.testing.assert_array_equal(fans(polygons), expected)
    np.testing.assert_array_equal(fans(np.array([[0, 1, 2, 3]])), [[0, 1, 2], [0, 2, 3]])
    assert fans([]).shape == (0, 3)


def test_all_parts_of_an_obj_are_sampled(tmp_path: Path) -> None:
    parts = [
        "mtllib nowhere.mtl",
        "v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0",
        "o first\nusemtl wood\nf 1 2 3",
        "# caf\xe9",
        "v 5 0 0\nv 6 0 0\nv 5 1 0",
        "o second\nusemtl glass\nf 4/1 5/1 6/1",
    ]
    (tmp_path / "a.obj").write_text("\n".join(parts), encoding="latin-1")
    cloud = read_cloud(tmp_path / "a.obj", samples=1000)
    assert 400 < np.count_nonzero(cloud.points[:, 0] > 4.0) < 600
    assert cloud.uncoded == ("materials", "texture coordinates")


def test_points_of_an_obj_keep_their_normals(tmp_path: Path) -> None:
    (tmp_path / "a.obj").write_text("v 0 0 0\nv 1 0 0\nvn 0 0 2\nvn 0 1 0\n")
    cloud = read_cloud(tmp_path / "a.obj")
    assert cloud.normals is not None
    np.testing.assert_array_equal(cloud.normals, [[0, 0, 1], [0, 1, 0]])
    (tmp_path / "a.obj").write_text("v 0 0 0\nv 1 0 0\nvn 0 0 2\n")
    cloud = read_cloud(tmp_path / "a.obj")
    assert cloud.normals is None
    assert cloud.uncoded == ("normals (not one per vertex)",)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("OFF\n3 1 0\n0 0 0\n1 0 0\n2 0 0\n3 0 1 2\n", r"the area of the 1 triangles of .* is 0;"),
        ("OFF\n3 1 0\n0 0 0\n1e300 0 0\n0 1e300 0\n3 0 1 2\n", r"the area of .* is (inf|nan);"),
        ("OFF\n3 1 0\n0 0 0\nnan 0 0\n0 1 0\n3 0 1 2\n", r"1 of the 3 points of .* are NaN"),
        ("OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 7\n", r"a face index outside"),
        ("OFF\n0 0 0\n", r"a cloud must have points"),
        ("OFF\n4000000000 4000000000 0\n0 0 0\n", r"cannot be read as OFF"),
    ],
)
def test_a_mesh_without_a_surface_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "a.off").write_text(text)
    with pytest.raises(StudyError, match=sentence):
        read_cloud(tmp_path / "a.off")


def test_a_face_of_vertices_that_are_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.ply").write_text(QUADS.replace("3 3 2 4 7", "3 3 2 9 7"))
    with pytest.raises(StudyError, match=r"must name vertices that it has, .*\(it has 5\)"):
        read_cloud(tmp_path / "a.ply")
    (tmp_path / "a.ply").write_text(QUADS.replace("vertex_indices", "corners"))
    with pytest.raises(StudyError, match=r"must have vertex_indices or vertex_index, .* corners"):
        read_cloud(tmp_path / "a.ply")
