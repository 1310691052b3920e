"""Points between neighbouring voxels: as a twin in plain integers makes them, and what they buy."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from model.native.library import library
from model.octree import placing
from model.octree.codec import OctreeCodec, OctreeOptions
from model.octree.placing import MOST_OF_VOXEL, NEIGHBOURS, between, equal_counts
from study.metrics import d1_psnr_db
from tests.model.support import surface

FACE = [110, 150, 205, 290, 400, 500, 560, 600]


def naive(voxels: list[tuple[int, ...]], counts: list[int], points: int) -> list[list[int]]:
    """The same by the page, one point at a time."""
    steps = sorted(product((-1, 0, 1), repeat=3), key=lambda s: sum(map(abs, s)))[1:]
    places = {voxel: number for number, voxel in enumerate(voxels)}
    face = FACE[min((points // len(voxels)).bit_length(), 8) - 1]

    def around(voxel: tuple[int, ...]) -> list[tuple[int, ...]]:
        moved = [tuple(a + b for a, b in zip(voxel, step, strict=True)) for step in steps]
        return [each for each in moved if each in places]

    def middle(voxel: tuple[int, ...]) -> list[int]:
        found = [4096 * c for c in voxel]
        for other in around(voxel):
            step = [b - a for a, b in zip(voxel, other, strict=True)]
            width = sum(map(abs, step))
            for axis in range(3):
                found[axis] += step[axis] * (face if width == 1 else 82 if width == 2 else 0)
        return found

    made = []
    for number, (voxel, count) in enumerate(zip(voxels, counts, strict=True)):
        others = around(voxel)
        start = middle(voxel)
        for k in range(count):
            if count == 1 or not others:
                made.append(start)
                continue
            end = middle(others[(k + 7 * number) % len(others)])
            rings = -(-count // len(others))
            share = 2 * (k // len(others)) + 1
            made.append(
                [a + (b - a) * share // (4 * rings) for a, b in zip(start, end, strict=True)]
            )
    return made


@pytest.mark.parametrize("side", [1, 2, 5, 40])
@pytest.mark.parametrize("points", [60, 500, 9000])
def test_the_twin_makes_the_same_points(
    side: int, points: int, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = np.random.default_rng(seed)
    voxels = np.unique(draw.integers(0, side, (60, 3)), axis=0)
    draw.shuffle(voxels)
    counts = draw.integers(1, 40, len(voxels))
    monkeypatch.setattr("model.octree.placing.AT_ONCE", int(draw.integers(1, 100)))
    found = np.concatenate(list(between(voxels, counts, points)))
    expected = naive([tuple(voxel) for voxel in voxels.tolist()], counts.tolist(), points)
    assert found.tolist() == expected


def test_neighbours_are_in_the_order_of_the_page() -> None:
    assert NEIGHBOURS[:6].tolist() == [
        *([-1, 0, 0], [0, -1, 0], [0, 0, -1]),
        *([0, 0, 1], [0, 1, 0], [1, 0, 0]),
    ]
    assert np.abs(NEIGHBOURS).sum(axis=1).tolist() == [1] * 6 + [2] * 12 + [3] * 8


def test_voxels_at_the_ends_of_the_largest_grid() -> None:
    last = (1 << 21) - 1
    voxels = np.array([[0, 0, 0], [last, last, last], [0, 0, last], [0, 1, 0]])
    found = np.concatenate(list(between(voxels, np.full(4, 3), 12)))
    middles = voxels * 4096 + [[0, 150, 0], [0, 0, 0], [0, 0, 0], [0, -150, 0]]
    assert found[3:9].tolist() == np.repeat(middles[1:3], 3, axis=0).tolist()
    assert np.abs(found[:3] - middles[0]).max() < 4096


def test_equal_counts_are_nearly_equal(seed: int) -> None:
    draw = np.random.default_rng(seed)
    for _ in range(200):
        voxels = int(draw.integers(1, 400))
        points, length = int(2.0 ** draw.uniform(9, 40)), int(draw.integers(1, 1000))
        counts = equal_counts(points, voxels, length)
        assert counts.sum() == min(points, MOST_OF_VOXEL * voxels, 512 * length)
        assert counts.max() - counts.min() <= 1


def test_points_stay_near_their_voxel(seed: int) -> None:
    """Half way to a neighbour, whose points have moved a little, is the farthest."""
    voxels = np.unique(np.random.default_rng(seed).integers(0, 6, (80, 3)), axis=0)
    counts = np.full(len(voxels), 30)
    found = np.concatenate(list(between(voxels, counts, 10_000)))
    assert np.abs(found - np.repeat(voxels * 4096, counts, axis=0)).max() <= 4096


def test_it_is_worth_decibels_without_a_bit(seed: int) -> None:
    points = surface(seed, 8192).astype(np.float64)
    sizes, quality = {}, {}
    for name in ("centres", "between"):
        options = OctreeOptions(edge_of_longest_side=1 / 16, placing=name)
        data = OctreeCodec(options).compress(points)
        sizes[name] = len(data)
        quality[name] = d1_psnr_db(points, OctreeCodec().decompress(data).points, peak=2.0)
    assert sizes["between"] == sizes["centres"]
    assert quality["between"] > quality["centres"] + 3.0


def test_auto_leaves_grids_and_lonely_points_alone(seed: int) -> None:
    points = surface(seed, 500).astype(np.float64)
    whole = np.round(points * 8)
    for cloud, edge in ((whole, 1.0), (points, 1e-3)):
        coder = OctreeCodec(OctreeOptions(edge=edge))
        frame = coder.read(coder.compress(cloud)).frame
        assert frame.placing.name == "CENTRES"
    coder = OctreeCodec(OctreeOptions(edge=0.2))
    assert coder.read(coder.compress(points)).frame.placing.name == "BETWEEN"


@pytest.mark.skipif(library() is None, reason="there is no C++ compiler here")
@pytest.mark.parametrize("side", [1, 2, 9, 40])
def test_the_kernel_finds_what_numpy_finds(
    side: int, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = np.random.default_rng(seed)
    voxels = np.unique(draw.integers(0, side, (2 * side * side, 3)), axis=0)
    voxels = voxels[draw.permutation(len(voxels))]
    counts = draw.integers(0, 9, len(voxels))
    counts[0] += 1
    found = [np.concatenate(list(between(voxels, counts, int(counts.sum()))))]
    monkeypatch.setattr(placing, "add_neighbours", lambda *_: False)
    found.append(np.concatenate(list(between(voxels, counts, int(counts.sum())))))
    np.testing.assert_array_equal(found[0], found[1])
