from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from study.base.errors import StudyError
from study.clouds import read_cloud, write_cloud
from study.clouds.writing import WRITABLE
from tests.study.clouds.making import points_and_normals

if TYPE_CHECKING:
    from pathlib import Path


def test_what_a_format_cannot_hold_is_told(tmp_path: Path) -> None:
    points, normals = points_and_normals(0)
    for suffix in WRITABLE:
        lost = write_cloud(tmp_path / f"a{suffix}", points, normals)
        assert lost == (("normals",) if suffix == ".bin" else ())
        assert write_cloud(tmp_path / f"a{suffix}", points) == ()


@pytest.mark.parametrize("suffix", WRITABLE)
def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, suffix: str) -> None:
    points, _ = points_and_normals(0)
    path = tmp_path / f"a{suffix}"
    write_cloud(path, points)
    write_cloud(path, points[:7])
    assert len(read_cloud(path).points) == 7
    path.unlink()
    path.mkdir()
    with pytest.raises(StudyError, match="is a folder; name a file"):
        write_cloud(path, points)
    assert list(tmp_path.iterdir()) == [path]


def test_coordinates_beyond_float32_are_refused_for_bin(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"reach 1e\+300; write \.ply or \.npy instead"):
        write_cloud(tmp_path / "a.bin", np.full((3, 3), 1e300))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.xyz", "a.obj", "a.las", "a"])
def test_a_format_that_is_not_written_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(StudyError, match=r"can be written are \.ply, \.npy, \.npz, \.bin, and"):
        write_cloud(tmp_path / name, np.zeros((1, 3)))


def test_a_folder_that_cannot_be_there_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StudyError, match=r"a\.ply cannot be written: .*; check the path"):
        write_cloud(tmp_path / "file" / "a.ply", np.zeros((1, 3)))
    write_cloud(tmp_path / "new" / "a.ply", np.zeros((1, 3)))
    assert (tmp_path / "new" / "a.ply").exists()
