"""Small clouds, as files that a user could have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from study.config import DataRecipe
from tests.study.clouds.making import write_ply

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


@pytest.fixture
def clouds() -> dict[str, NDArray[np.float64]]:
    """Six boxes of 300 points, of different proportions and far from the origin."""
    rng = np.random.default_rng(5)
    return {
        f"box{i}.ply": rng.uniform(size=(300, 3)) * rng.uniform(1.0, 4.0, 3) + 1000.0
        for i in range(6)
    }


@pytest.fixture
def ply_folder(tmp_path: Path, clouds: dict[str, NDArray[np.float64]]) -> Path:
    folder = tmp_path / "my boxes"
    for name, points in clouds.items():
        write_ply(folder / name, points)
    return folder


@pytest.fixture
def recipe(ply_folder: Path) -> DataRecipe:
    """All six boxes in cubes of 50: four to train on, one to validate on, one to test on."""
    return DataRecipe(source=str(ply_folder), min_points=10, min_points_evaluation=10)
