"""Files that hold several clouds, and promises that no file of that size can keep."""

from __future__ import annotations

import io
import resource
import struct
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest

from study.base.errors import StudyError
from study.clouds import count_points, list_clouds, read_cloud, read_clouds
from tests.study.clouds.making import box, points_and_normals, write_las, write_mesh

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    model = write_mesh(tmp_path / "a.obj", box())
    path = tmp_path / "furniture.sh3f"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.write(model, "chairs/one.obj")
        file.write(model, "tables/two.OBJ")
        file.writestr("catalogue.properties", "id#1=chair")
    return path


def test_every_model_of_an_archive_is_a_cloud(archive: Path) -> None:
    assert list_clouds(archive) == ("chairs/one.obj", "tables/two.OBJ")
    clouds = read_clouds(archive, samples=200)
    assert [len(cloud.points) for cloud in clouds.values()] == [200, 200]
    one = read_cloud(archive, "chairs/one.obj", samples=200)
    np.testing.assert_array_equal(one.points, clouds["chairs/one.obj"].points)


def test_one_of_several_must_be_named(archive: Path) -> None:
    with pytest.raises(StudyError, match=r"2 clouds, and none was named; choose from chairs/one"):
        read_cloud(archive)
    with pytest.raises(StudyError, match=r"'sofa.obj' is not among them; choose from chairs/one"):
        read_cloud(archive, "sofa.obj")


def test_arrays_of_an_npz_are_clouds(tmp_path: Path) -> None:
    path = tmp_path / "sweeps.npz"
    sweeps = {name: np.arange(30, dtype=np.int16).reshape(-1, 3) for name in ("first", "second")}
    np.savez(path, **sweeps, labels=np.arange(10))
    clouds = read_clouds(path)
    assert list(clouds) == ["first", "second"]
    np.testing.assert_array_equal(clouds["second"].points, sweeps["second"])
    assert clouds["first"].uncoded == ("labels",)
    assert count_points(path, "second") == 10


def test_points_of_an_npz_are_one_cloud_with_normals(tmp_path: Path) -> None:
    points, normals = points_and_normals(0)
    np.savez(tmp_path / "a.npz", points=points, normals=2 * normals, colours=points)
    cloud = read_cloud(tmp_path / "a.npz")
    np.testing.assert_array_equal(cloud.points, points)
    assert cloud.normals is not None
    np.testing.assert_allclose(cloud.normals, normals, atol=1e-6)
    assert cloud.uncoded == ("colours",)
    np.savez(tmp_path / "b.npz", points=points, normals=normals[:7])
    assert read_cloud(tmp_path / "b.npz").uncoded == ("normals",)


def test_normals_without_a_direction_are_left_out_and_named(tmp_path: Path) -> None:
    points, normals = points_and_normals(0)
    normals[[2, 5]] = 0.0
    normals[7, 1] = np.nan
    np.save(tmp_path / "a.npy", np.concatenate([points, normals], axis=1))
    cloud = read_cloud(tmp_path / "a.npy")
    assert cloud.normals is None
    assert cloud.uncoded == ("normals (3 of 300 have no direction)",)


@pytest.mark.parametrize(
    "array",
    [np.zeros((4, 4)), np.zeros(9), np.zeros((3, 3), complex), np.array("text"), np.zeros(2, "O")],
)
def test_arrays_of_other_shapes_and_types_are_refused(
    tmp_path: Path, array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]
) -> None:
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(StudyError, match=r"must be numbers of shape \(n, 3\)"):
        read_cloud(tmp_path / "a.npy")
    np.savez(tmp_path / "a.npz", what=array)
    with pytest.raises(StudyError, match=r"must hold arrays of shape \(n, 3\), .* holds what"):
        read_cloud(tmp_path / "a.npz")


def test_an_archive_without_a_model_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("readme.txt", "nothing")
    with pytest.raises(StudyError, match=r"must hold \.obj, \.off, \.stl files, .*holds none"):
        list_clouds(tmp_path / "a.zip")


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def bomb(path: Path, member: str) -> Path:
    """128 MiB of spaces in 128 KiB."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file,
        file.open(member, "w", force_zip64=True) as out,
    ):
        for _ in range(32):
            out.write(b" " * (1 << 22))
    return path


@pytest.mark.parametrize(("name", "member"), [("a.zip", "a.obj"), ("a.npz", "points.npy")])
def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, name: str, member: str) -> None:
    path = bomb(tmp_path / name, member)
    before = peak_mib()
    with pytest.raises(StudyError, match=r"unpack to more than 100 times .* 134,217,728 bytes"):
        read_clouds(path)
    assert peak_mib() - before < 50.0


def npy_header(count: int) -> bytes:
    head = io.BytesIO()
    form = {"descr": "<f8", "fortran_order": False, "shape": (count, 3)}
    np.lib.format.write_array_header_1_0(head, form)  # type: ignore[no-untyped-call]
    return head.getvalue()


def las_promising(path: Path, count: int) -> bytes:
    content = bytearray(write_las(path, np.zeros((5, 3))).read_bytes())
    content[247:255] = struct.pack("<Q", count)
    return bytes(content)


def npz_promising(path: Path, count: int) -> bytes:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("points.npy", npy_header(count) + bytes(100))
    return path.read_bytes()


def ply_promising(_path: Path, count: int) -> bytes:
    lines = [
        "ply\nformat binary_little_endian 1.0",
        f"element vertex {count}",
        "property list uint double x\nproperty float y\nproperty float z",
        "end_header\n",
    ]
    return "\n".join(lines).encode() + bytes(100)


PROMISES: dict[str, Callable[[Path, int], bytes]] = {
    ".ply": ply_promising,
    ".npy": lambda _, count: npy_header(count) + bytes(100),
    ".npz": npz_promising,
    ".las": las_promising,
    ".laz": las_promising,
    ".stl": lambda _, count: bytes(80) + struct.pack("<I", count) + bytes(500),
}


@pytest.mark.parametrize("suffix", PROMISES)
@pytest.mark.parametrize("count", [10**6, 10**9, 2**31 - 1])
def test_a_promise_that_the_file_cannot_keep_takes_no_memory(
    tmp_path: Path, suffix: str, count: int
) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(PROMISES[suffix](path, count))
    before = peak_mib()
    with pytest.raises(StudyError, match=r"a\.\w+"):
        read_cloud(path)
    assert peak_mib() - before < 100.0


def test_a_las_file_with_countless_records_is_refused_at_once(tmp_path: Path) -> None:
    path = write_las(tmp_path / "a.las", np.zeros((5, 3)))
    content = bytearray(path.read_bytes())
    content[100:104] = b"\xff" * 4
    path.write_bytes(content)
    with pytest.raises(StudyError, match=r"cannot be read as LAS \(it promises 4,294,967,295 rec"):
        read_cloud(path)


def test_a_laz_file_that_ends_its_reader_is_a_sentence(tmp_path: Path) -> None:
    """The number of chunks decides how much memory lazrs asks for; too much aborts its process."""
    path = write_las(tmp_path / "a.laz", np.zeros((5, 3)))
    content = bytearray(path.read_bytes())
    offset = struct.unpack_from("<I", content, 96)[0]
    table = struct.unpack_from("<q", content, offset)[0]
    content[table + 4 : table + 8] = b"\xff" * 4
    path.write_bytes(content)
    with pytest.raises(StudyError, match=r"a\.laz cannot be read as LAS"):
        read_cloud(path)
