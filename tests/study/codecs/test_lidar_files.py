"""Real LiDAR sweeps as files: compressed and decompressed by the command line, in two formats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from model.cloud_codec import CloudCodec
from model.codec_folder import save_codec
from model.partition import PartitionConfig
from model.patch_coder import PatchCoder
from study.clouds import read_cloud, read_clouds
from study.commands.main import main
from tests.model.support import fresh_codec

SWEEPS = Path(__file__).parents[2] / "data" / "lidar_real.npz"
CUTTING = PartitionConfig(cube_size=12.0, min_points=200, max_points=4096, voxel_depth=6)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a codec and a sweep in metres as KITTI has it, which is the working directory.

    The codec never learned, so only the voxels are where they should be.
    """
    monkeypatch.chdir(tmp_path)
    save_codec(CloudCodec(PatchCoder.freeze(fresh_codec(3)), CUTTING), tmp_path / "codec", {})
    metres = read_clouds(SWEEPS)["vlp16"].points * 0.005
    rows = np.concatenate([metres, np.full((len(metres), 1), 0.5)], axis=1)
    (tmp_path / "sweep.bin").write_bytes(rows.astype("<f4").tobytes())
    return tmp_path


@pytest.mark.parametrize(
    ("source", "scale", "lost"),
    [(["sweep.bin"], 1.0, "intensity"), ([str(SWEEPS), "--cloud", "vlp16"], 0.005, "")],
    ids=["KITTI's bin", "npz of several"],
)
def test_a_sweep_and_back(
    here: Path,
    capsys: pytest.CaptureFixture[str],
    source: list[str],
    scale: float,
    lost: str,
) -> None:
    assert main(["compress", "codec", source[0], "small.dpcs", *source[1:]]) == 0
    told = capsys.readouterr()
    assert "22,591 points" in told.out
    assert lost in told.err
    assert main(["decompress", "codec", "small.dpcs", "again.bin"]) == 0
    original = read_cloud(here / "sweep.bin").points
    decoded = read_cloud(here / "again.bin").points * scale
    assert (here / "small.dpcs").stat().st_size < 22_591
    assert 0.2 < len(decoded) / len(original) < 5.0
    # Wherever a point was, there is one in its cube of a patch, or its voxel: the cubes that are
    # patches are 12 of 100 wide, and an untrained decoder keeps its points within them.
    longest_side = np.ptp(original, axis=0).max()
    farthest, _ = cKDTree(decoded).query(original)
    assert farthest.max() < 0.12 * longest_side * 3**0.5
