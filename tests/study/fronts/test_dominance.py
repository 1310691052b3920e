"""Non-dominated points and their volume against the definitions, in slabs of a few points too."""

from __future__ import annotations

from itertools import pairwise, product
from typing import TYPE_CHECKING

import moocore
import numpy as np
import pytest

from study.fronts import dominance
from study.fronts.dominance import nondominated, nondominated_and_volume, volume

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Points = NDArray[np.float64]

GENERATORS: dict[str, Callable[[np.random.Generator, int], Points]] = {
    "spread evenly": lambda g, n: g.random((n, 3)),
    "with ties and copies": lambda g, n: g.integers(0, 5, (n, 3)).astype(float),
    "near a plane, with ties and copies": lambda g, n: _steps(g.integers(0, 6, (n, 3))),
    "all on the front, a plane": lambda g, n: g.dirichlet((1.0, 1.0, 1.0), n),
    "all on the front of the first two": lambda g, n: _line(g.random(n), g.random(n)),
    "one value of the last": lambda g, n: np.column_stack((g.random((n, 2)), np.full(n, 0.5))),
    "copies of one point": lambda _, n: np.full((n, 3), 0.25),
    "beyond the reference": lambda g, n: g.random((n, 3)) + 0.7,
}


def _line(x: Points, z: Points) -> Points:
    return np.column_stack((x, 1.0 - x, z))


def _steps(cells: NDArray[np.int64]) -> Points:
    """Most on the front or just behind it, many equal in one objective to others before."""
    return np.column_stack((cells[:, :2], 12 - cells[:, :2].sum(axis=1) + cells[:, 2] // 4)) / 8.0


def nondominated_by_definition(points: Points) -> list[bool]:
    return [not ((points <= p).all(axis=1) & (points < p).any(axis=1)).any() for p in points]


def volume_by_cells(points: Points, reference: Points) -> float:
    """Cut the space at every coordinate, and add the cells whose lower corner is dominated."""
    inside = points[(points < reference).all(axis=1)]
    cuts = [sorted({*inside[:, axis], reference[axis]}) for axis in range(points.shape[1])]
    total = 0.0
    for cell in product(*map(pairwise, cuts)):
        low, high = np.array(cell).T
        total += float(np.prod(high - low)) if (inside <= low).all(axis=1).any() else 0.0
    return total


@pytest.fixture(params=[4, 7, 16_384], ids=lambda size: f"slabs of {size}")
def _slabs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dominance, "SLAB", request.param)


@pytest.mark.usefixtures("_slabs")
@pytest.mark.parametrize("generate", GENERATORS.values(), ids=GENERATORS)
class TestThreeObjectives:
    def test_the_front_is_as_defined(
        self, generate: Callable[[np.random.Generator, int], Points], seed: int
    ) -> None:
        generator = np.random.default_rng(seed)
        for count in (1, 2, 9, 40, 200):
            points = generate(generator, count)
            points.setflags(write=False)
            assert nondominated(points).tolist() == nondominated_by_definition(points)

    def test_the_volume_is_as_defined(
        self, generate: Callable[[np.random.Generator, int], Points], seed: int
    ) -> None:
        generator, reference = np.random.default_rng(seed), np.array([1.0, 0.9, 1.1])
        for count in (1, 2, 9, 14):
            points = generate(generator, count)
            points.setflags(write=False)
            expected = volume_by_cells(points, reference)
            assert volume(points, reference) == pytest.approx(expected, rel=1e-12, abs=1e-14)

    def test_both_at_once_are_the_same(
        self, generate: Callable[[np.random.Generator, int], Points], seed: int
    ) -> None:
        points, reference = generate(np.random.default_rng(seed), 300), np.array([1.0, 0.9, 1.1])
        mask, total = nondominated_and_volume(points, reference)
        np.testing.assert_array_equal(mask, nondominated(points))
        assert total == pytest.approx(moocore.hypervolume(points, ref=reference), rel=1e-12)
        assert volume(points, reference) == pytest.approx(total, rel=1e-12)


@pytest.mark.parametrize("generate", GENERATORS.values(), ids=GENERATORS)
def test_many_points_are_as_moocore_has_them(
    generate: Callable[[np.random.Generator, int], Points], seed: int
) -> None:
    """At the size of slabs that is shipped."""
    points, reference = generate(np.random.default_rng(seed), 60_000), np.array([1.0, 0.9, 1.1])
    mask, total = nondominated_and_volume(points, reference)
    np.testing.assert_array_equal(mask, moocore.is_nondominated(points, keep_weakly=True))
    assert total == pytest.approx(moocore.hypervolume(points, ref=reference), rel=1e-11)


@pytest.mark.parametrize("objectives", [1, 2, 4])
def test_other_numbers_of_objectives(
    objectives: int, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dominance, "SLAB", 4)
    points = np.random.default_rng(seed).integers(0, 6, (30, objectives)).astype(float)
    reference = np.full(objectives, 5.0)
    mask, total = nondominated_and_volume(points, reference)
    assert mask.tolist() == nondominated_by_definition(points)
    assert total == pytest.approx(volume_by_cells(points, reference))


def test_no_points_have_no_volume() -> None:
    none = np.empty((0, 3))
    assert nondominated(none).tolist() == []
    assert volume(none, (1.0, 1.0, 1.0)) == 0.0
    assert nondominated_and_volume(none, (1.0, 1.0, 1.0))[1] == 0.0


def test_the_example_of_the_docstring() -> None:
    assert volume([(1, 4), (2, 2), (4, 1)], (5, 5)) == 11.0
