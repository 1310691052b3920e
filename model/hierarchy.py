"""The hierarchy of a patch: everything about it that depends on its points alone.

No weight enters here, so a hierarchy is computed once, when data is prepared, and read by every
trial. Sampling and neighbours are unchanged by rotation, reflection and
uniform scaling of the points.

Legend: n entering points, m = round(n * rate) samples, k neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import fpsample
import numpy as np
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Level:
    """One encoder stage: n entering points collapse into m samples.

    Attributes:
        samples: (m,) int32, indices into the entering points, farthest point order from index 0.
        neighbours: (m, min(k, n)) int32, indices into the entering points, nearest first.
        owned: (m, min(k, n)) bool, whether the neighbour's nearest sample is this one.
        child_count: (m,) float32, how many of *all* entering points this sample owns.
        mean_distance: (m,) float32, sum of the distances to the owned neighbours over the count.
    """

    samples: NDArray[np.int32]
    neighbours: NDArray[np.int32]
    owned: NDArray[np.bool_]
    child_count: NDArray[np.float32]
    mean_distance: NDArray[np.float32]


@dataclass(frozen=True)
class Hierarchy:
    """A patch and its levels.

    Attributes:
        points: (n, 3) float32 in [-1, 1].
        levels: one per encoder stage, finest first.
        normals: (n, 3) float32 of the points, or None. They do not shape the levels.
    """

    points: NDArray[np.float32]
    levels: tuple[Level, ...]
    normals: NDArray[np.float32] | None = None

    def stage_points(self, stage: int) -> NDArray[np.float32]:
        """Points that enter encoder stage ``stage``; the latent points for the last stage + 1."""
        points = self.points
        for level in self.levels[:stage]:
            points = points[level.samples]
        return points


def build_hierarchy(
    points: NDArray[np.float32],
    downsample_rate: Sequence[float],
    k: int,
    normals: NDArray[np.float32] | None = None,
) -> Hierarchy:
    """Compute the levels of one patch.

    Args:
        points: (n, 3) finite coordinates in [-1, 1], n >= 1.
        downsample_rate: per stage, the share of the points that become samples.
        k: neighbours per sample, itself included; fewer where a stage has fewer points.
        normals: (n, 3) of the points, where they are coded too.

    A stage always keeps at least one sample (the published code would make an empty one of a
    patch too small for its stages).
    """
    assert points.ndim == 2, f"points must be (n, 3), got shape {points.shape}"
    assert points.shape[0] >= 1, "a patch needs at least one point"
    points = np.ascontiguousarray(points, dtype=np.float32)
    levels = []
    entering = points
    for rate in downsample_rate:
        level = _collapse(entering, sample_count(len(entering), rate), k)
        levels.append(level)
        entering = entering[level.samples]
    return Hierarchy(points, tuple(levels), normals)


def sample_count(points: int, rate: float) -> int:
    """How many samples an encoder stage makes of so many points."""
    return max(1, round(points * rate))


def latent_count(points: int, downsample_rate: Sequence[float]) -> int:
    """How many latent points a patch of so many points has."""
    for rate in downsample_rate:
        points = sample_count(points, rate)
    return points


def _collapse(points: NDArray[np.float32], count: int, k: int) -> Level:
    """Sample ``count`` of the (n, 3) points and say who collapses into whom."""
    # fpsample's other methods are ten times faster and pick other samples: not exact.
    samples = fpsample.fps_sampling(points, count, start_idx=0).astype(np.int32)
    sampled = points[samples]
    owner = cKDTree(sampled).query(points)[1]
    distance, neighbours = cKDTree(points).query(sampled, k=np.arange(1, min(k, len(points)) + 1))
    owned = owner[neighbours] == np.arange(count)[:, None]
    child_count = np.bincount(owner, minlength=count)
    # Duplicate points can leave a sample without children: its mean distance is 0, not 0/0.
    mean_distance = (distance * owned).sum(axis=1) / np.maximum(child_count, 1)
    return Level(
        samples=samples,
        neighbours=neighbours.astype(np.int32),
        owned=owned,
        child_count=child_count.astype(np.float32),
        mean_distance=mean_distance.astype(np.float32),
    )
