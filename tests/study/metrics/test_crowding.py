"""How crowded points are: the kernel, the tree, the tree as it was, and loops find the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.spatial import cKDTree

from benchmarks import plain_density
from model.native.crowding import crowding
from model.native.library import library
from study.metrics import density, density_metric, distances
from study.metrics.distances import distinct, nearest
from tests.study.metrics import plain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

needs_kernels = pytest.mark.skipif(library() is None, reason="there is no C++ compiler here")


def clouds(seed: int, count: int) -> dict[str, Array]:
    """Clouds on which a search may take each of its ways, in the frame of the metric."""
    generator = np.random.default_rng(seed)
    normal = generator.normal(size=(count, 3))
    surface = normal / np.linalg.norm(normal, axis=1, keepdims=True)
    rings = surface * generator.choice([0.02, 0.3, 1.0], (count, 1))
    return {
        "surface": surface,
        "dense": surface * 0.1,
        "sparse": surface * 30,
        "uneven, as a sweep": rings,
        "heaps": np.round(surface * 4) / 4,
        "lattice": np.round(surface * 32) / 32,
        "heaps beside single points": np.concatenate([surface, np.round(surface[::2] * 3) / 3]),
        "a line": surface * [1, 0, 0],
        "one place": np.zeros((count, 3)),
    }


def by(counting: int, points: Array, threads: int = 1) -> Array:
    """(n, 2) of a cloud, in its order, by the kernel (0) or by the tree (1)."""
    places = distinct(points)
    tree = cKDTree(places.points)
    ordered, counts = places.points[tree.indices], places.counts[tree.indices]
    kernel = crowding(ordered, counts, neighbours=100, radius=0.15, threads=threads)
    found = density.crowding_by_tree(tree, places.counts) if counting else kernel
    assert found is not None
    in_order = np.empty_like(found)
    in_order[tree.indices] = found
    return in_order[places.place]


@needs_kernels
@pytest.mark.parametrize("count", [1, 2, 15, 16, 17, 99, 100, 101, 128, 129, 1_100, 9_000])
def test_kernel_tree_and_the_tree_as_it_was_agree(count: int, seed: int) -> None:
    for name, points in clouds(seed, count).items():
        was = plain_density.crowding(distinct(points))
        for counting in (0, 1):
            np.testing.assert_allclose(by(counting, points), was, rtol=1e-12, atol=0, err_msg=name)


@needs_kernels
def test_threads_find_the_same_bits(seed: int) -> None:
    for points in clouds(seed, 9_000).values():
        assert by(0, points, threads=4).tobytes() == by(0, points).tobytes()


def test_without_a_kernel_the_metric_is_the_same(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(seed)
    original = clouds(seed, 150)["heaps beside single points"]
    decoded = original[::2] + generator.normal(0, 0.02, original[::2].shape)
    usual = density_metric(original, decoded)
    monkeypatch.setattr(density, "crowding", lambda *_, **__: None)
    assert density_metric(original, decoded) == pytest.approx(usual, rel=1e-12)
    assert usual == pytest.approx(plain.density_metric(original, decoded), rel=1e-12)


def test_what_is_just_the_radius_away_is_within(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounding puts half of the points that are 3 steps of 0.05 away beyond 0.15."""
    lattice = np.stack(np.meshgrid(*[np.arange(7)] * 3), axis=-1).reshape(-1, 3)
    within = ((lattice[:, None] - lattice[None]) ** 2).sum(-1) <= 9
    for move in (0.0, 0.1, 1 / 3):
        cloud = lattice * 0.05 + move
        for kernel in (crowding, lambda *_, **__: None):
            monkeypatch.setattr(density, "crowding", kernel)
            number = density._crowding(distances.Searchable(cloud))[:, 0]
            assert (number == np.minimum(within.sum(axis=1), 100)).all()


def test_many_queries_find_what_few_do(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads and the order of queries change nothing."""
    cloud, queries = clouds(seed, 500)["surface"], clouds(seed + 1, 300)["lattice"]
    few = [cKDTree(distinct(cloud).points).query(each) for each in queries]
    monkeypatch.setattr(distances, "_MANY", 10)
    for threads in ("2", "", "two"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        distance, index = nearest(queries, cloud)
        assert distance.tolist() == [each for each, _ in few]
        assert index.tolist() == [distinct(cloud).first[at] for _, at in few]
