"""The hierarchy of a patch against a naive twin, and what must not change it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from model.hierarchy import build_hierarchy
from tests.model.support import surface

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from model.hierarchy import Hierarchy, Level

RATE, K = (1 / 3, 1 / 3, 1 / 3), 16


def distances(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    norms: NDArray[np.float64] = np.linalg.norm(a[:, None].astype(np.float64) - b[None], axis=-1)
    return norms


def naive_samples(points: NDArray[np.float32], count: int) -> list[int]:
    """Each next sample is the point farthest from all samples so far."""
    between = distances(points, points)
    samples = [0]
    while len(samples) < count:
        samples.append(int(between[:, samples].min(axis=1).argmax()))
    return samples


def check_level(points: NDArray[np.float32], level: Level) -> None:
    """Compare everything about a level with its definition."""
    assert level.samples.tolist() == naive_samples(points, len(level.samples))
    to_samples = distances(points, points[level.samples])
    owner = to_samples.argmin(axis=1)
    nearest = to_samples.argsort(axis=0).T[:, : min(K, len(points))]
    assert level.neighbours.tolist() == nearest.tolist()
    for sample in range(len(level.samples)):
        owned = owner[nearest[sample]] == sample
        assert level.owned[sample].tolist() == owned.tolist()
        assert level.child_count[sample] == (owner == sample).sum()
        total = to_samples[nearest[sample][owned], sample].sum()
        assert level.mean_distance[sample] == pytest.approx(total / (owner == sample).sum())


@pytest.mark.parametrize("count", [1, 2, 5, 15, 16, 17, 100])
def test_levels_equal_their_definition(count: int) -> None:
    """Down to one point, and around k = 16, where the neighbours begin to run out."""
    hierarchy = build_hierarchy(surface(count, count), RATE, K)
    assert len(hierarchy.levels) == 3
    for stage, level in enumerate(hierarchy.levels):
        entering = hierarchy.stage_points(stage)
        assert len(level.samples) == max(1, round(len(entering) / 3))
        check_level(entering, level)


def assert_same_graph(a: Hierarchy, b: Hierarchy, scale: float = 1.0) -> None:
    for one, two in zip(a.levels, b.levels, strict=True):
        assert one.samples.tolist() == two.samples.tolist()
        assert one.neighbours.tolist() == two.neighbours.tolist()
        assert one.owned.tolist() == two.owned.tolist()
        assert one.child_count.tolist() == two.child_count.tolist()
        np.testing.assert_allclose(one.mean_distance * scale, two.mean_distance, rtol=1e-5)


@pytest.mark.parametrize("scale", [1.0, 0.25])
def test_rotation_and_scale_leave_the_graph(scale: float) -> None:
    points = surface(1, 200) / 2
    rotation, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))
    moved = (points @ rotation * scale).astype(np.float32)
    assert_same_graph(build_hierarchy(points, RATE, K), build_hierarchy(moved, RATE, K), scale)


def test_reflection_leaves_the_graph() -> None:
    points = surface(3, 200)
    mirrored = points * np.array([1, -1, 1], dtype=np.float32)
    assert_same_graph(build_hierarchy(points, RATE, K), build_hierarchy(mirrored, RATE, K))


def test_order_of_the_points_decides_only_where_sampling_starts() -> None:
    points = surface(4, 150)
    order = np.concatenate([[0], 1 + np.random.default_rng(5).permutation(149)])
    straight, shuffled = (build_hierarchy(p, RATE, K) for p in (points, points[order]))
    for stage in (1, 2, 3):
        np.testing.assert_array_equal(straight.stage_points(stage), shuffled.stage_points(stage))
    for one, two in zip(straight.levels, shuffled.levels, strict=True):
        assert one.child_count.tolist() == two.child_count.tolist()


def test_duplicate_points_give_finite_distances() -> None:
    """A sample without any child has the mean distance 0, not 0/0."""
    points = np.repeat(surface(6, 4), 10, axis=0)
    hierarchy = build_hierarchy(points, RATE, K)
    for stage, level in enumerate(hierarchy.levels):
        assert np.isfinite(level.mean_distance).all()
        assert level.child_count.sum() == len(hierarchy.stage_points(stage))
        assert (level.mean_distance[level.child_count == 0] == 0).all()


def test_points_are_not_changed() -> None:
    points = surface(7, 60)
    points.setflags(write=False)
    build_hierarchy(points, RATE, K)
