"""Codecs that come with the package, on the command line: no folder, no training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from study.clouds import read_cloud
from study.commands.main import main
from study.data.sources import EmbeddedObjects

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    source = EmbeddedObjects()
    np.save(tmp_path / "chair.npy", source.read(next(iter(source.point_counts))).points)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "chair.npy"


@pytest.mark.parametrize("codec", [(), ("voxel",)], ids=["unnamed", "named"])
def test_a_cloud_is_compressed_and_comes_back(cloud: Path, codec: tuple[str, ...]) -> None:
    assert main(["compress", *codec, "chair.npy", "--depth", "4"]) == 0
    file = cloud.with_suffix(".dpcs")
    assert file.stat().st_size < 400
    assert main(["decompress", *codec, "chair.dpcs"]) == 0
    original, decoded = (
        read_cloud(cloud).points,
        read_cloud(cloud.with_suffix(".decoded.ply")).points,
    )
    assert len(decoded) == len(original)
    np.testing.assert_allclose(
        np.ptp(decoded, axis=0), np.ptp(original, axis=0), atol=0.1 * float(np.ptp(original))
    )


def test_a_file_of_the_octree_needs_no_name_either(cloud: Path) -> None:
    assert main(["compress", "octree", "chair.npy", "--depth", "3"]) == 0
    assert main(["decompress", "chair.dpcs"]) == 0
    assert cloud.with_suffix(".decoded.ply").exists()


def test_a_file_of_another_codec_asks_for_its_name(
    cloud: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train-tables", "chair.npy", "mine", "--depths", "3"]) == 0
    assert main(["compress", "mine", "chair.npy"]) == 0
    assert main(["decompress", "chair.dpcs"]) == 2
    assert "name it: study decompress CODEC IN" in capsys.readouterr().err
    assert not cloud.with_suffix(".decoded.ply").exists()


def test_what_is_no_compressed_file_is_told(
    cloud: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.with_suffix(".dpcs").write_bytes(b"something else")
    assert main(["decompress", "chair.dpcs"]) == 2
    assert "a compressed cloud starts with" in capsys.readouterr().err


def test_a_folder_of_the_name_comes_first(cloud: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (cloud.parent / "voxel").mkdir()
    assert main(["compress", "voxel", "chair.npy"]) == 2
    assert "voxel" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["compress", "decompress"])
def test_in_and_out_without_a_codec_is_a_sentence(
    cloud: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = cloud.parent / "out.dpcs"
    assert main([command, cloud.name, out.name]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert f"the codec comes first: study {command} voxel {cloud.name} {out.name}" in told
    assert not out.exists()


def test_they_are_listed_with_what_they_reach(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["zoo"]) == 0
    told = capsys.readouterr().out
    assert "voxel" in told
    assert "1/16" in told
    assert "octree bpp" in told
