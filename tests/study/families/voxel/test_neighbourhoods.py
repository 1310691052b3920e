"""What a decoder sees around a voxel, against sets of places."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from study.families.voxel import neighbourhoods
from study.families.voxel.neighbourhoods import Neighbourhoods, cube, seeds

if TYPE_CHECKING:
    from numpy.typing import NDArray


def some_voxels(seed: int, count: int = 60, side: int = 7) -> NDArray[np.int64]:
    rng = np.random.default_rng(seed)
    voxels: NDArray[np.int64] = np.unique(rng.integers(0, side, (count, 3)), axis=0)
    return voxels


@pytest.mark.parametrize("looked_up", [True, False])
@pytest.mark.parametrize("reach", [1, 2, 3])
def test_it_sees_what_is_there(
    reach: int,
    looked_up: bool,  # noqa: FBT001
    seed: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(neighbourhoods, "AT_ONCE", 7)
    if not looked_up:
        monkeypatch.setattr(neighbourhoods, "MOST_PLACES", 0)
    voxels = some_voxels(seed)
    around = Neighbourhoods.of(voxels, 5 * len(voxels) + 2, reach)
    number = {tuple(voxel): index for index, voxel in enumerate(voxels.tolist())}
    for index, voxel in enumerate(voxels):
        places = [tuple(place) for place in (voxel + cube(reach)).tolist()]
        assert around.occupied[index].tolist() == [place in number for place in places]
        touching = [tuple(place) for place in (voxel + cube(1)).tolist()]
        assert around.touching[index].tolist() == [number.get(p, len(voxels)) for p in touching]
    assert around.density == 5


def test_a_part_touches_itself_only(seed: int) -> None:
    voxels = some_voxels(seed)
    around = Neighbourhoods.of(voxels, 100, 2)
    kept = np.random.default_rng(seed).permutation(len(voxels))[: len(voxels) // 2]
    part = around.part(kept)
    np.testing.assert_array_equal(part.occupied, around.occupied[kept])
    for new, old in enumerate(kept):
        expected = [
            int(np.flatnonzero(kept == other)[0]) if other in kept else len(kept)
            for other in around.touching[old]
        ]
        assert part.touching[new].tolist() == expected


def test_seeds_are_of_their_voxels_and_fill_the_square(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(seed)
    voxels = some_voxels(seed)
    counts = rng.integers(0, 9, len(voxels))
    counts[3] = 4_000
    monkeypatch.setattr(neighbourhoods, "AT_ONCE", 50)
    parts = list(seeds(voxels, counts))
    assert len(parts) > 2
    voxel = np.concatenate([part for part, _ in parts])
    told = np.concatenate([part for _, part in parts])
    np.testing.assert_array_equal(voxel, np.repeat(np.arange(len(voxels)), counts))
    assert np.abs(told[:, :3]).max() <= 1.0
    square = told[voxel == 3, :2]
    filled, _, _ = np.histogram2d(square[:, 0], square[:, 1], bins=10, range=[[-1, 1], [-1, 1]])
    # 40 to a cell; 4,000 random ones would have some of 25 and of 55.
    assert 35 <= filled.min() <= filled.max() <= 45
    through = told[voxel == 3, 2]
    np.testing.assert_allclose(through, (2 * np.arange(4_000) + 1) / 4_000 - 1, atol=1e-6)


def test_another_salt_gives_other_seeds(seed: int) -> None:
    voxels, counts = some_voxels(seed), np.ones(len(some_voxels(seed)), np.int64)
    (_, one), (_, other) = (next(seeds(voxels, counts, salt)) for salt in (0, 1 + seed % 1000))
    assert (np.abs(one[:, :2] - other[:, :2]) > 1e-3).any()
