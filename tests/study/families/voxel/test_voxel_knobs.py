"""Every setting of the voxel codec changes what a trial of it becomes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from study.config.family import settings_of
from tests.study.families.ended import is_read, keys_of

if TYPE_CHECKING:
    from pathlib import Path

STUDY = """
name: small
family: voxel
data: {max_objects: 8, points_per_object: 150, cube_size: 100.0, min_points: 50}
model: {width: 8, point_width: 8}
training: {epochs: 2, patches_per_step: 2, decay_every: 1, max_grad_norm: 0.05}
search: {trials: 2}
objectives:
  - {metric: bpp, direction: minimize, reference: 3.0}
  - {metric: d1_psnr_db, direction: maximize, reference: 10.0}
"""
CHANGES: dict[str, Any] = {
    "model.width": 12,
    "model.point_width": 12,
    "model.layers": 2,
    "model.reach": 1,
    "model.first_edge": 0.2,
    "model.edge_octaves": 2.0,
    "model.thinning_octaves": 0.0,
    "model.augment": False,
    "model.voxels_per_patch": 20,
    "loss.distortion": 3.0,
    "loss.density_coe": 0.0,
    "loss.bpp_lambda": 100.0,
    "training.epochs": 3,
    "training.patches_per_step": 1,
    "training.learning_rate": 5e-3,
    "training.edge_learning_rate": 0.1,
    "training.schedule": "cosine",
    "training.decay_every": 2,
    "training.decay_factor": 0.25,
    "training.max_grad_norm": None,
}


def test_every_key_has_a_change_here() -> None:
    """But for `start`, which goes with the shape of a shipped network: `test_voxel_start.py`."""
    assert CHANGES.keys() == keys_of(settings_of("voxel")) - {"model.start"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("voxel")


@pytest.mark.parametrize("name", CHANGES)
def test_every_key_changes_the_result(name: str, root: Path) -> None:
    assert is_read(name, CHANGES[name], STUDY, root)
