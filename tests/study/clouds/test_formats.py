"""What holds for every format: a cloud comes back, damage is a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
import trimesh

from study.base.errors import StudyError
from study.clouds import count_points, list_clouds, read_cloud, read_clouds, write_cloud
from study.clouds.files import READABLE
from study.clouds.writing import WRITABLE
from tests.study.clouds.making import box, points_and_normals, write_las, write_mesh, write_ply

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Points = NDArray[np.float64]
    Normals = NDArray[np.float32]


class Format(NamedTuple):
    write: Callable[[Path, Points, Normals], object]
    tolerance: float
    normals: bool


def bare(path: Path, points: Points, _normals: Normals) -> None:
    trimesh.PointCloud(points).export(path)  # type: ignore[no-untyped-call]


def off(path: Path, points: Points, _normals: Normals) -> None:
    rows = "\n".join(" ".join(map(repr, row)) for row in points.tolist())
    path.write_text(f"OFF\n{len(points)} 0 0\n{rows}\n")


CLOUDS = {
    "binary.ply": Format(write_cloud, 0.0, normals=True),
    "ascii.ply": Format(lambda p, x, _: write_ply(p, x, text=True), 0.0, normals=False),
    "a.npy": Format(write_cloud, 0.0, normals=True),
    "a.npz": Format(write_cloud, 0.0, normals=True),
    "a.bin": Format(write_cloud, 50 * 2.0**-24, normals=False),
    "a.las": Format(lambda p, x, _: write_las(p, x), 0.5001e-3, normals=False),
    "old.laz": Format(lambda p, x, _: write_las(p, x), 0.5001e-3, normals=False),
    "new.laz": Format(lambda p, x, _: write_las(p, x, point_format=6), 0.5001e-3, normals=False),
    "a.obj": Format(bare, 1e-6, normals=False),
    "a.off": Format(off, 0.0, normals=False),
}
MESHES = ["binary.stl", "ascii.stl", "mesh.obj", "mesh.off", "binary_mesh.ply", "ascii_mesh.ply"]


def mesh_file(folder: Path, name: str) -> Path:
    options = {"ascii.stl": {"file_type": "stl_ascii"}, "ascii_mesh.ply": {"encoding": "ascii"}}
    path = folder / name
    box().export(path, **({"file_type": path.suffix[1:]} | options.get(name, {})))
    return path


@pytest.mark.parametrize("name", CLOUDS)
def test_a_cloud_comes_back(tmp_path: Path, name: str, seed: int) -> None:
    points, normals = points_and_normals(seed)
    path = tmp_path / name
    CLOUDS[name].write(path, points, normals)
    cloud = read_cloud(path)
    np.testing.assert_allclose(cloud.points, points, atol=CLOUDS[name].tolerance, rtol=0)
    assert cloud.points.dtype == np.float64
    if CLOUDS[name].normals:
        assert cloud.normals is not None
        assert cloud.normals.dtype == np.float32
        np.testing.assert_allclose(cloud.normals, normals, atol=1e-6)
    else:
        assert cloud.normals is None
    assert list_clouds(path) == (name,)
    assert list(read_clouds(path)) == [name]
    if path.suffix not in (".obj", ".off"):  # only reading tells that they have no faces
        assert count_points(path) == len(points)


def test_one_point_is_a_cloud(tmp_path: Path) -> None:
    for name, form in CLOUDS.items():
        form.write(tmp_path / name, np.array([[1.0, 2.0, 3.0]]), np.eye(3, dtype=np.float32)[:1])
        np.testing.assert_allclose(read_cloud(tmp_path / name).points, [[1.0, 2.0, 3.0]])


def test_every_suffix_is_tested() -> None:
    tested = {name.rpartition(".")[2] for name in (*CLOUDS, *MESHES)}
    assert {suffix[1:] for suffix in READABLE} - tested == {"zip", "sh3f"}, "in test_several.py"
    assert set(WRITABLE) <= {f".{suffix}" for suffix in tested}


def cloud_or_sentence(path: Path) -> str | None:
    try:
        clouds = read_clouds(path, samples=50)
    except StudyError as error:
        return str(error)
    for cloud in clouds.values():
        assert cloud.points.ndim == 2
        assert cloud.points.shape[1] == 3
        assert len(cloud.points) >= 1
        assert np.isfinite(cloud.points).all()
        assert cloud.normals is None or np.isfinite(cloud.normals).all()
    return None


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """Change up to four bytes, mostly of the header, and cut every third file."""
    changed = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        place = rng.integers(min(len(changed), 400) if rng.integers(2) else len(changed))
        changed[place] = rng.choice([0, 255, rng.integers(256), ord("0") + rng.integers(10)])
    end = rng.integers(len(changed) + 1) if rng.integers(3) == 0 else len(changed)
    return bytes(changed[:end])


@pytest.mark.parametrize("name", [*CLOUDS, *MESHES])
def test_damage_gives_a_cloud_or_a_sentence(tmp_path: Path, name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    path = tmp_path / name
    if name in CLOUDS:
        CLOUDS[name].write(path, *points_and_normals(seed, 30))
    else:
        mesh_file(tmp_path, name)
    whole = path.read_bytes()
    sentences = 0
    for _ in range(6 if path.suffix == ".laz" else 150):  # each LAZ file takes a process
        path.write_bytes(damaged(whole, rng))
        sentence = cloud_or_sentence(path)
        if sentence is not None:
            assert str(path) in sentence
            sentences += 1
    assert sentences


@pytest.mark.parametrize("suffix", READABLE)
def test_a_file_that_is_empty_or_something_else_is_a_sentence(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    for content in (b"", b"\x00" * 7, b"\xff\xfe" * 333, b"no cloud at all\n" * 20):
        path.write_bytes(content)
        sentence = cloud_or_sentence(path)
        if suffix != ".bin" or len(content) % 16:
            assert sentence is not None
            assert str(path) in sentence
    assert "remove it" in (cloud_or_sentence(path) or "") or suffix in (".bin", ".zip", ".sh3f")


@pytest.mark.parametrize("suffix", WRITABLE)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_coordinate_that_is_no_number_is_counted(
    tmp_path: Path, suffix: str, value: float
) -> None:
    points, _ = points_and_normals(0)
    path = tmp_path / f"a{suffix}"
    if suffix == ".bin":
        rows = np.zeros((300, 4), np.float32)
        rows[[3, 7], [0, 2]] = value
        rows.tofile(path)
    else:
        points[[3, 7], [0, 2]] = value
        write_cloud(path, points)
    with pytest.raises(StudyError, match=rf"2 of the 300 points of .*a{suffix} are NaN or inf"):
        read_cloud(path)


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("a.plz", "did you mean .ply?"),
        ("a.laz2", "did you mean .laz?"),
        ("a.np", "did you mean .npy?"),
        *(
            (f"a{other}", "convert the file")
            for other in ("", ".xyz", ".pcd", ".txt", ".gz", ".e57")
        ),
    ],
)
def test_an_unknown_suffix_names_the_nearest(tmp_path: Path, name: str, advice: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(StudyError, match=r"that can be read are \.ply, .*") as caught:
        read_cloud(tmp_path / name)
    assert advice in str(caught.value)


@pytest.mark.parametrize("suffix", READABLE)
def test_a_missing_file_and_a_folder_are_sentences(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(StudyError, match=r"nowhere.* cannot be read"):
        read_cloud(tmp_path / f"nowhere{suffix}")
    (tmp_path / f"folder{suffix}").mkdir()
    with pytest.raises(StudyError, match=r"folder.* is a folder; name its files, as in"):
        read_cloud(tmp_path / f"folder{suffix}")


@pytest.mark.parametrize("name", [n for n in CLOUDS if n.endswith(("ply", "las", "laz", "bin"))])
def test_what_is_not_coded_is_named(tmp_path: Path, name: str) -> None:
    points, normals = points_and_normals(1)
    path = tmp_path / name
    CLOUDS[name].write(path, points, normals)
    if path.suffix == ".bin":
        rows = np.fromfile(path, np.float32).reshape(-1, 4)
        rows[:, 3] = 0.5
        rows.tofile(path)
    expected = {"ascii.ply": ("red",), "binary.ply": ()}.get(name, ("intensity",))
    assert read_cloud(path).uncoded == expected


def test_a_million_points_come_back(tmp_path: Path) -> None:
    points = np.random.default_rng(0).normal(size=(1_000_000, 3))
    for suffix in (".ply", ".npy", ".bin"):
        write_cloud(tmp_path / f"a{suffix}", points)
        assert len(read_cloud(tmp_path / f"a{suffix}").points) == 1_000_000


def test_meshes_are_written_by_others(tmp_path: Path) -> None:
    for name in MESHES:
        assert len(read_cloud(mesh_file(tmp_path, name), samples=10).points) == 10
    assert write_mesh(tmp_path / "again.off", box()).exists()
