"""Real sweeps of spinning LiDARs, from an npz and from KITTI's format, as one source."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from study.clouds import read_clouds, write_cloud
from study.config import DataRecipe
from study.config.data import SPLITS
from study.data import describe, open_data_set, prepare
from study.families.dpcc.hierarchies import Hierarchies

SWEEPS = Path(__file__).parents[2] / "data" / "lidar_real.npz"
UNIT_M = 0.005


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The three sweeps as they are, and the smallest in metres as KITTI has it."""
    folder = tmp_path / "sweeps"
    folder.mkdir()
    (folder / SWEEPS.name).write_bytes(SWEEPS.read_bytes())
    metres = read_clouds(SWEEPS)["vlp16"].points * UNIT_M
    rows = np.concatenate([metres, np.linspace(0.0, 1.0, len(metres))[:, None]], axis=1)
    (folder / "000000.bin").write_bytes(rows.astype("<f4").tobytes())
    return folder


def test_sweeps_are_prepared(tmp_path: Path, folder: Path) -> None:
    recipe = DataRecipe(source=str(folder), cube_size=12.0, max_points=4096)
    form = Hierarchies((1 / 3, 1 / 3, 1 / 3), 16)
    data = open_data_set(prepare(recipe, form=form, root=tmp_path / "data"), form)
    entries = {entry.name: entry for entry in data.manifest.clouds}
    assert {name: entry.all_points for name, entry in entries.items()} == {
        "000000.bin": 22_591,
        "lidar_real.npz/hdl32_source": 64_685,
        "lidar_real.npz/hdl32_target": 64_056,
        "lidar_real.npz/vlp16": 22_591,
    }
    assert entries["000000.bin"].uncoded == ("intensity",)
    assert "Left out, for no codec codes it: intensity (1 object)." in describe(data.manifest)
    assert "points in " in describe(data.manifest), "sparse cubes are sent as voxels"
    for split in SPLITS:
        counts = data.split(split).point_counts
        assert len(counts) > 0
        assert counts.min() >= recipe.partition(split).min_points
        assert counts.max() <= 4096
    for split in ("validation", "test"):
        for cloud in data.clouds(split):
            entry = entries[cloud.name]
            assert len(cloud.voxels) == entry.voxels > 0
            # The files would be far smaller than the 6 bytes that a point has in the npz.
            assert cloud.overhead_bits < len(cloud.points)


def test_units_do_not_matter(tmp_path: Path, folder: Path) -> None:
    """The same sweep in metres and in steps of 5 mm is cut into the same patches."""
    (folder / SWEEPS.name).unlink()
    sweep = read_clouds(SWEEPS)["vlp16"].points
    write_cloud(folder / "steps.npy", sweep)
    write_cloud(folder / "half.npy", sweep / 2)
    recipe = DataRecipe(source=str(folder), min_points=100, validation_fraction=0.34)
    form = Hierarchies((1 / 3,), 8)
    data = open_data_set(prepare(recipe, form=form, root=tmp_path / "data"), form)
    assert {entry.points for entry in data.manifest.clouds} == {data.manifest.clouds[0].points}
    assert len({entry.voxels for entry in data.manifest.clouds if entry.split != "train"}) == 1
