from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pytest
from plyfile import PlyData, PlyElement

from study.data.ply import PlyFolder, read_ply
from study.errors import StudyError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tests.study.data.conftest import WritePly

Clouds = dict[str, "NDArray[np.float64]"]


@pytest.mark.parametrize(("text", "order"), [(True, "="), (False, "<"), (False, ">")])
def test_ascii_and_binary_files_give_their_points(
    tmp_path: Path, write_ply: WritePly, clouds: Clouds, *, text: bool, order: str
) -> None:
    points = clouds["box0.ply"]
    path = write_ply(tmp_path / "a.ply", points, text=text, order=order)
    np.testing.assert_array_equal(read_ply(path), points)


def test_integers_and_meshes_are_read_too(tmp_path: Path) -> None:
    vertices = np.array([(1, 2, 3), (4, 5, 6)], dtype=[("x", "i2"), ("y", "i2"), ("z", "i2")])
    faces = np.array([([0, 1, 0],)], dtype=[("vertex_indices", "i4", (3,))])
    elements = [PlyElement.describe(vertices, "vertex"), PlyElement.describe(faces, "face")]
    PlyData(elements).write(str(tmp_path / "mesh.ply"))
    np.testing.assert_array_equal(read_ply(tmp_path / "mesh.ply"), [[1, 2, 3], [4, 5, 6]])


def test_a_folder_is_read_with_its_sub_folders(ply_folder: Path, clouds: Clouds) -> None:
    (ply_folder / "more").mkdir()
    (ply_folder / "box0.ply").rename(ply_folder / "more" / "box0.PLY")
    folder = PlyFolder(ply_folder)
    assert list(folder.point_counts) == [f"box{i}.ply" for i in range(1, 6)] + ["more/box0.PLY"]
    assert set(folder.point_counts.values()) == {300}
    assert folder.name == "my-boxes"
    np.testing.assert_array_equal(folder.read("more/box0.PLY"), clouds["box0.ply"])


def test_the_fingerprint_follows_the_files(ply_folder: Path) -> None:
    before = PlyFolder(ply_folder).fingerprint
    assert PlyFolder(ply_folder).fingerprint == before
    os.utime(ply_folder / "box0.ply", ns=(1, 1))
    assert PlyFolder(ply_folder).fingerprint != before


def test_a_cloud_without_points_is_refused(tmp_path: Path, write_ply: WritePly) -> None:
    write_ply(tmp_path / "none.ply", np.empty((0, 3)))
    with pytest.raises(StudyError, match=r"must have points, and .*none\.ply has none; remove it"):
        PlyFolder(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\x00\xff" * 50, b"ply\nformat ascii 1.0\nend_header\n"])
def test_a_file_without_a_header_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.ply").write_bytes(content)
    with pytest.raises(StudyError, match=r"must begin with a header .*a\.ply \(\d+ bytes\) does"):
        PlyFolder(tmp_path)


@pytest.mark.parametrize("text", [True, False])
def test_a_truncated_file_is_refused(
    tmp_path: Path, write_ply: WritePly, clouds: Clouds, *, text: bool
) -> None:
    path = write_ply(tmp_path / "cut.ply", clouds["box0.ply"], text=text)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StudyError, match=r"cut\.ply cannot be read as PLY .*repair it or remove"):
        read_ply(path)
    path.write_bytes(whole[:400])
    with pytest.raises(StudyError, match=r"cut\.ply promises 300 points, and the file has only"):
        read_ply(path)


def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"a\.ply cannot be read \(No such file or directory\)"):
        read_ply(tmp_path / "a.ply")


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
        read_ply(tmp_path / "a.ply")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_cloud_with_nan_is_refused(
    tmp_path: Path, write_ply: WritePly, clouds: Clouds, value: float
) -> None:
    points = clouds["box0.ply"]
    points[[3, 7], [0, 2]] = value
    path = write_ply(tmp_path / "bad.ply", points)
    with pytest.raises(StudyError, match=r"2 of the 300 points of .*bad\.ply are NaN or infinite"):
        read_ply(path)


def test_a_folder_without_ply_files_says_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"holds no file at all; check the path"):
        PlyFolder(tmp_path)
    for name in ("a.bin", "b.bin", "c.off"):
        (tmp_path / name).touch()
    with pytest.raises(StudyError, match=r"holds 2 \.bin, 1 \.off; check the path, or convert"):
        PlyFolder(tmp_path)


def points_or_sentence(path: Path) -> NDArray[np.float64] | str:
    try:
        return read_ply(path)
    except StudyError as error:
        return str(error)


def test_damage_anywhere_gives_points_or_a_sentence(
    tmp_path: Path, write_ply: WritePly, clouds: Clouds, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(300):
        path = write_ply(tmp_path / "a.ply", clouds["box0.ply"][:20], text=bool(rng.integers(2)))
        content = bytearray(path.read_bytes())
        for place in rng.integers(len(content), size=rng.integers(1, 5)):
            content[place] = rng.integers(256)
        path.write_bytes(content[: rng.integers(len(content) // 2, len(content) + 1)])
        result = points_or_sentence(path)
        if isinstance(result, str):
            assert str(path) in result
        else:
            assert result.shape[1] == 3
            assert np.isfinite(result).all()
