from __future__ import annotations

import os
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest

from study.base.errors import StudyError
from study.clouds import DEFAULT_SAMPLES
from study.config import DataRecipe
from study.data.sources import EmbeddedObjects, open_source
from tests.study.clouds.making import box, write_las, write_mesh

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from study.data.sources import Source

Clouds = dict[str, "NDArray[np.float64]"]


def opened(source: str | Path) -> Source:
    return open_source(DataRecipe(source=str(source)))


def test_the_embedded_objects_are_whole() -> None:
    source = open_source(DataRecipe())
    assert isinstance(source, EmbeddedObjects)
    assert len(source.point_counts) == 143
    assert set(source.point_counts.values()) == {8192}
    for name in source.point_counts:
        cloud = source.read(name)
        assert cloud.points.shape == (8192, 3)
        assert np.ptp(cloud.points, axis=0).max() == 4095.0
        assert cloud.normals is not None
        np.testing.assert_allclose(np.linalg.norm(cloud.normals, axis=1), 1.0, atol=1e-6)
        assert cloud.uncoded == ()


def test_toy_sets_are_flat_random_and_the_same_ones() -> None:
    source, again = opened("toy"), opened("toy")
    assert source.name == "toy"
    assert source.fingerprint == again.fingerprint
    clouds = [source.read(name).points for name in source.point_counts]
    assert [cloud.shape for cloud in clouds] == [(10, 3)] * 100
    assert not np.any([cloud[:, 2] for cloud in clouds])
    square = np.concatenate(clouds)[:, :2]
    assert len(np.unique(square)) == square.size
    # Uniform: within five standard errors of what the square has.
    np.testing.assert_allclose(square.mean(axis=0), 0.5, atol=5 * 12**-0.5 / 1000**0.5)


def test_a_folder_is_read_with_its_sub_folders(ply_folder: Path, clouds: Clouds) -> None:
    (ply_folder / "more").mkdir()
    (ply_folder / "box0.ply").rename(ply_folder / "more" / "box0.PLY")
    source = opened(ply_folder)
    assert list(source.point_counts) == [f"box{i}.ply" for i in range(1, 6)] + ["more/box0.PLY"]
    assert set(source.point_counts.values()) == {300}
    assert source.name == "my-boxes"
    np.testing.assert_array_equal(source.read("more/box0.PLY").points, clouds["box0.ply"])


def test_a_folder_may_mix_formats(tmp_path: Path, clouds: Clouds) -> None:
    points = clouds["box0.ply"]
    write_mesh(tmp_path / "mesh.off", box())
    write_las(tmp_path / "scan.laz", points)
    np.savez(tmp_path / "sweeps.npz", one=points, two=points[:9])
    with zipfile.ZipFile(tmp_path / "chairs.zip", "w") as archive:
        archive.write(write_mesh(tmp_path / "a.obj", box()), "in/a.obj")
    (tmp_path / "readme.txt").touch()
    source = open_source(DataRecipe(source=str(tmp_path), points_per_object=50))
    assert source.point_counts == {
        "a.obj": 50,
        "chairs.zip/in/a.obj": 50,
        "mesh.off": 50,
        "scan.laz": 300,
        "sweeps.npz/one": 300,
        "sweeps.npz/two": 9,
    }
    counts = {name: len(source.read(name).points) for name in source.point_counts}
    assert counts == source.point_counts
    mesh = open_source(DataRecipe(source=str(tmp_path))).point_counts["mesh.off"]
    assert mesh == DEFAULT_SAMPLES


def test_a_file_of_several_clouds_is_a_source(tmp_path: Path, clouds: Clouds) -> None:
    path = tmp_path / "my sweeps.npz"
    np.savez(path, one=clouds["box0.ply"], two=clouds["box1.ply"])
    source = opened(path)
    assert source.name == "my-sweeps-npz"
    assert list(source.point_counts) == ["my sweeps.npz/one", "my sweeps.npz/two"]


def test_the_fingerprint_follows_the_files(ply_folder: Path) -> None:
    before = opened(ply_folder).fingerprint
    assert opened(ply_folder).fingerprint == before
    os.utime(ply_folder / "box0.ply", ns=(1, 1))
    assert opened(ply_folder).fingerprint != before


def test_a_folder_without_clouds_says_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"holds no file at all; check the path"):
        opened(tmp_path)
    for name in ("a.jpg", "b.jpg", "c.txt"):
        (tmp_path / name).touch()
    with pytest.raises(StudyError, match=r"holds 2 \.jpg, 1 \.txt; check the path, or convert"):
        opened(tmp_path)
    (tmp_path / "train.pkl").touch()
    with pytest.raises(StudyError, match=r"1 \.txt, 1 \.pkl; name one \.pkl file as the source"):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        ("{root}/my bxoes", "did you mean {root}/my boxes?"),
        ("{root}/my bxoes/deeper/still", "did you mean {root}/my boxes?"),
        ("embeded", "did you mean embedded?"),
        ("toys", "did you mean toy?"),
        ("{root}/sweep.npz", "did you mean {root}/sweeps.npz?"),
        ("{root}/qqqqqqqqq", "{root} exists and holds nothing of a similar name"),
    ],
)
def test_a_missing_source_comes_with_the_nearest_advice(
    ply_folder: Path, given: str, advice: str
) -> None:
    root = ply_folder.parent
    (root / "sweeps.npz").touch()
    with pytest.raises(StudyError) as caught:
        opened(given.format(root=root))
    assert "does not exist" in str(caught.value)
    assert advice.format(root=root) in str(caught.value)


def test_a_path_that_the_system_refuses_is_a_sentence() -> None:
    with pytest.raises(
        StudyError, match=r"cannot be opened \(File name too long\); check the path"
    ):
        opened("a" * 5000)


def test_a_file_of_no_known_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").touch()
    with pytest.raises(StudyError, match=r"that can be read are \.ply, .*a\.xyz ends in '\.xyz'"):
        opened(tmp_path / "a.xyz")
