"""The neighbour searches: one contract, held by all of them, and by a naive twin.

The kernel takes part on a GPU; without one, in the session that `test_nearest_triton.py` starts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from model.native.library import library
from model.nearest import nearest
from model.nearest_plain import nearest_by_brute_force, nearest_by_tree, nearest_on_cpu
from model.points import Points
from tests.model.searches import INTERPRETED, by_triton, on_gpu
from tests.model.support import points

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from model.nearest_plain import Search

HERE = [
    nearest_on_cpu,
    nearest_by_tree,
    nearest_by_brute_force,
    *([by_triton] if INTERPRETED else []),
]
THERE = [on_gpu(search) for search in (nearest, nearest_by_brute_force, by_triton)]
SEARCHES = pytest.mark.parametrize(
    "search",
    [*HERE, *(pytest.param(search, marks=pytest.mark.gpu) for search in THERE)],
    ids=lambda search: search.__name__,
)


def naive(query: NDArray[np.float32], reference: NDArray[np.float32], k: int) -> list[list[int]]:
    dist2 = np.square(query[:, None].astype(np.float64) - reference[None]).sum(axis=-1)
    return dist2.argsort(axis=1)[:, :k].tolist()  # type: ignore[no-any-return]


def cube(generator: np.random.Generator, count: int) -> NDArray[np.float32]:
    return generator.uniform(-1, 1, (count, 3)).astype(np.float32)


@SEARCHES
@pytest.mark.parametrize("k", [1, 4])
@pytest.mark.parametrize("padding", [0.0, np.inf, np.nan])
def test_neighbours_equal_a_naive_twin(search: Search, k: int, padding: float, seed: int) -> None:
    generator = np.random.default_rng(seed)
    queries = [cube(generator, count) for count in (9, 30, 1)]
    references = [cube(generator, count) for count in (40, 5, 4)]
    found = search(points(*queries, padding=padding), points(*references, padding=padding), k)
    assert found.shape == (1, 3, 30, k)
    assert found.dtype == torch.int64
    for number, (query, reference) in enumerate(zip(queries, references, strict=True)):
        valid = found[0, number, : len(query)]
        assert valid.tolist() == naive(query, reference, k)
        assert (found[0, number, len(query) :] == 0).all()


@pytest.mark.parametrize("most_pairs", [0, 1 << 25], ids=["trees", "kernel"])
@pytest.mark.parametrize("k", [2, 16, 17, 64, 65, 150])
def test_any_number_of_neighbours_by_any_threads(
    k: int, most_pairs: int, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel for a CPU has a way of its own for up to 16 neighbours, up to 64, and more."""
    monkeypatch.setattr("model.nearest_plain.MOST_PAIRS", most_pairs)
    generator = np.random.default_rng(seed)
    before = torch.get_num_threads()
    try:
        for references, threads in ((150, 1), (203, 2), (1000, 5)):
            query, reference = cube(generator, 21), cube(generator, references)
            torch.set_num_threads(threads)
            found = nearest_on_cpu(points(query), points(reference), k)
            expected = np.array(naive(query, reference, k))
            # Of two that are equally near in float32 either may come first.
            ours, theirs = (
                np.square(reference[index] - query[:, None]).sum(axis=-1)
                for index in (found[0, 0].numpy(), expected)
            )
            np.testing.assert_allclose(ours, theirs, rtol=1e-5)
            assert all(len(set(row)) == k for row in found[0, 0].tolist())
    finally:
        torch.set_num_threads(before)


@SEARCHES
@pytest.mark.parametrize("count", [1, 31, 33, 64, 65, 200])
def test_neighbours_do_not_depend_on_how_points_fill_blocks(
    search: Search, count: int, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel works on blocks of 32 queries and 64 references; brute force on a few rows."""
    monkeypatch.setattr("model.nearest_plain.DISTANCES_PER_BLOCK", 1000)
    generator = np.random.default_rng(seed)
    for sizes in ((count, 9), (9, count), (count, count)):
        query, reference = (cube(generator, size) for size in sizes)
        found = search(points(query), points(reference), 1)
        assert found[0, 0].tolist() == naive(query, reference, 1)


@SEARCHES
@pytest.mark.parametrize("k", [1, 6])
def test_equal_points_are_equally_near(search: Search, k: int, seed: int) -> None:
    """A codec whose latents have collapsed decodes such points: neighbours differ, and are all."""
    generator = np.random.default_rng(seed)
    lattice = generator.integers(0, 3, (150, 3)).astype(np.float32)
    query = generator.integers(0, 3, (40, 3)).astype(np.float32)
    found = search(points(query), points(lattice), k)[0, 0].numpy()
    assert all(len(set(row)) == k for row in found.tolist())
    dist2 = np.square(query[:, None] - lattice).sum(axis=-1)
    nearest_k = np.sort(dist2, axis=1)[:, :k]
    np.testing.assert_array_equal(np.take_along_axis(dist2, found, axis=1), nearest_k)
    by_tree = search is nearest_by_tree or (search is nearest_on_cpu and library() is None)
    if not by_tree and k == 1:  # The first of them, while a tree takes any.
        np.testing.assert_array_equal(found[:, 0], dist2.argmin(axis=1))


@SEARCHES
def test_neighbours_that_do_not_exist_are_0(search: Search, seed: int) -> None:
    generator = np.random.default_rng(seed)
    query, reference = cube(generator, 7), cube(generator, 3)
    found = search(points(query), points(reference), 5)
    assert found[0, 0, :, :3].tolist() == naive(query, reference, 3)
    assert (found[..., 3:] == 0).all()


@SEARCHES
@pytest.mark.parametrize(("trials_of_query", "trials_of_reference"), [(3, 1), (1, 3), (3, 3)])
def test_points_shared_by_all_trials_meet_each_trial(
    search: Search, trials_of_query: int, trials_of_reference: int, seed: int
) -> None:
    generator = np.random.default_rng(seed)

    def trials(count: int, size: int) -> Points:
        xyz = torch.from_numpy(np.stack([cube(generator, size) for _ in range(count)]))
        return Points(xyz[:, None], torch.full((count, 1), size))

    query, reference = trials(trials_of_query, 12), trials(trials_of_reference, 9)
    found = search(query, reference, 2)
    assert found.shape == (3, 1, 12, 2)
    for trial in range(3):
        q, r = (p.xyz[trial % p.xyz.shape[0], 0].numpy() for p in (query, reference))
        assert found[trial, 0].tolist() == naive(q, r, 2)


@SEARCHES
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_diverged_trial_does_not_stop_the_search(search: Search, bad: float, seed: int) -> None:
    """Its own neighbours are any valid indices; the other trials' are right."""
    generator = np.random.default_rng(seed)
    healthy, reference = cube(generator, 6), cube(generator, 8)
    xyz = torch.from_numpy(np.stack([np.full_like(healthy, bad), healthy])[:, None])
    both, alone = Points(xyz, torch.tensor([[6], [6]])), points(reference)
    for found, size in ((search(both, alone, 1), 8), (search(alone, both, 1), 6)):
        assert ((found >= 0) & (found < size)).all()
    assert search(both, alone, 1)[1, 0].tolist() == naive(healthy, reference, 1)
    assert search(alone, both, 1)[1, 0].tolist() == naive(reference, healthy, 1)


@SEARCHES
def test_near_points_far_from_the_origin_are_told_apart(search: Search) -> None:
    """The matrix-product form of squared distances would see no difference."""
    steps = np.arange(5, dtype=np.float32)[:, None] * np.float32(0.01)
    far = np.concatenate([1e3 + steps, np.zeros((5, 2), np.float32)], axis=1).astype(np.float32)
    assert search(points(far), points(far), 1)[0, 0, :, 0].tolist() == [0, 1, 2, 3, 4]


@SEARCHES
def test_a_search_leaves_points_and_gradients_alone(search: Search, seed: int) -> None:
    there = points(cube(np.random.default_rng(seed), 10))
    there.xyz.requires_grad_()
    before = there.xyz.detach().clone()
    assert not search(there, there, 2).requires_grad
    assert there.xyz.equal(before)
