"""Small clouds, as files that a user could have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import pytest
from plyfile import PlyData, PlyElement

from study.data import DataRecipe

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


class WritePly(Protocol):
    def __call__(
        self, path: Path, points: NDArray[np.float64], *, text: bool = False, order: str = "<"
    ) -> Path: ...


@pytest.fixture
def write_ply() -> WritePly:
    """Write (n, 3) points, and a colour that nobody asks for, as a PLY file."""

    def write(
        path: Path, points: NDArray[np.float64], *, text: bool = False, order: str = "<"
    ) -> Path:
        columns = [("red", "u1"), ("x", "f8"), ("y", "f8"), ("z", "f8")]
        vertices = np.zeros(len(points), dtype=columns)
        for axis, values in zip("xyz", points.T, strict=True):
            vertices[axis] = values
        path.parent.mkdir(parents=True, exist_ok=True)
        element = PlyElement.describe(vertices, "vertex")
        PlyData([element], text=text, byte_order=order).write(str(path))
        return path

    return write


@pytest.fixture
def clouds() -> dict[str, NDArray[np.float64]]:
    """Six boxes of 300 points, of different proportions and far from the origin."""
    rng = np.random.default_rng(5)
    return {
        f"box{i}.ply": rng.uniform(size=(300, 3)) * rng.uniform(1.0, 4.0, 3) + 1000.0
        for i in range(6)
    }


@pytest.fixture
def ply_folder(tmp_path: Path, write_ply: WritePly, clouds: dict[str, NDArray[np.float64]]) -> Path:
    folder = tmp_path / "my boxes"
    for name, points in clouds.items():
        write_ply(folder / name, points)
    return folder


@pytest.fixture
def recipe(ply_folder: Path) -> DataRecipe:
    """All six boxes in cubes of 50: four to train on, one to validate on, one to test on."""
    return DataRecipe(source=str(ply_folder), min_points=10, min_points_evaluation=10)
