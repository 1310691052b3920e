from __future__ import annotations

import math
import time

import numpy as np
import pytest
from numpy.typing import NDArray

from model.errors import CodecError
from model.partition import FINEST_LEVEL, Partition, PartitionConfig, partition, usual_voxel_depth
from model.placement import place

Points = NDArray[np.float64]
Leaf = tuple[str, tuple[int, ...], int, frozenset[int]]


def shapes(seed: int) -> dict[str, Points]:
    """Original-frame clouds, (n, 3) each."""
    draw = np.random.default_rng(seed)
    sheet = draw.uniform(-1.0, 1.0, (3000, 3)) * [1.0, 0.6, 0.0]
    dense = draw.normal(scale=0.01, size=(2000, 3))
    return {
        "ball": draw.normal(size=(3000, 3)),
        "UTM": np.array([448_262.3, 5_411_932.7, 214.0]) + draw.uniform(0.0, 80.0, (3000, 3)),
        "flat": sheet,
        "collinear": np.outer(draw.uniform(size=500), [1.0, 2.0, -3.0]),
        "single": np.array([[3.0, -4.0, 5e6]]),
        "origin": np.zeros((1, 3)),
        "equal": np.full((700, 3), 0.1),
        "tiny": draw.normal(size=(500, 3)) * 1e-30,
        "huge": draw.normal(size=(500, 3)) * 1e30,
        "below float32": draw.normal(size=(500, 3)) * 1e-300,
        "far": 1e9 + draw.normal(size=(500, 3)) * 1e-6,
        "clump and stray": np.concatenate([dense, draw.uniform(-9.0, 9.0, (200, 3))]),
        "repeated": np.repeat(draw.uniform(size=(40, 3)), 30, axis=0),
    }


NAMES = list(shapes(0))
CONFIGS = (
    PartitionConfig(),
    PartitionConfig(cube_size=22.0, min_points=20, max_points=200, voxel_depth=3),
    PartitionConfig(cube_size=100.0, min_points=1, max_points=16, voxel_depth=0),
    PartitionConfig(cube_size=12.0, min_points=64, max_points=64, voxel_depth=2),
)


def group(
    scaled: Points, members: list[int], depth: int, config: PartitionConfig
) -> dict[tuple[int, ...], list[int]]:
    """Which of the members are in which cell of a depth, in the order of x, y, z."""
    last = config.cubes_per_side * 2**depth - 1
    groups: dict[tuple[int, ...], list[int]] = {}
    for member in members:
        # Multiplying by a power of two is exact: all depths agree about a point on a face.
        units = scaled[member] / config.cube_size * 2**depth
        cell = tuple(min(max(int(unit), 0), last) for unit in units)
        groups.setdefault(cell, []).append(member)
    return dict(sorted(groups.items()))


def naive_leaves(scaled: Points, config: PartitionConfig) -> list[Leaf]:
    """The rule, point by point and node by node: kind, cell, level and members of every leaf."""
    leaves: list[Leaf] = []

    def visit(cell: tuple[int, ...], members: list[int], depth: int) -> None:
        if config.min_points <= len(members) <= config.max_points:
            leaves.append(("patch", cell, depth, frozenset(members)))
        elif len(members) < config.min_points:
            bottom = max(depth, config.voxel_depth)
            for voxel, inside in group(scaled, members, bottom, config).items():
                leaves.append(("voxel", voxel, bottom, frozenset(inside)))
        elif depth == FINEST_LEVEL - config.cube_level:
            leaves.append(("voxel", cell, depth, frozenset(members)))
        else:
            for child, inside in group(scaled, members, depth + 1, config).items():
                visit(child, inside, depth + 1)

    for cell, members in group(scaled, list(range(len(scaled))), 0, config).items():
        visit(cell, members, 0)
    return leaves


def leaves_of(cut: Partition, config: PartitionConfig) -> list[Leaf]:
    leaves: list[Leaf] = []
    for cube in cut.patches:
        edge = 2 * cube.half_width
        cell = tuple(int(c) for c in cube.centre // edge)
        depth = round(np.log2(config.cube_size / edge))
        leaves.append(("patch", cell, depth, frozenset(cube.members.tolist())))
    levels = cut.leaves.level[~cut.leaves.is_patch]
    inside = np.split(cut.voxel_members, cut.voxel_starts[1:]) if len(levels) else []
    for centre, level, members in zip(cut.voxels, levels, inside, strict=True):
        depth = int(level) - config.cube_level
        cell = tuple(int(c) for c in centre // (config.cube_size / 2**depth))
        leaves.append(("voxel", cell, depth, frozenset(members.tolist())))
    return leaves


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("name", NAMES)
def test_equals_the_naive_twin(name: str, config: PartitionConfig, seed: int) -> None:
    points = shapes(seed)[name]
    scaled = place(points, name).to_scaled(points)
    expected = naive_leaves(scaled, config)
    found = leaves_of(partition(scaled, config), config)
    assert set(found) == set(expected)
    assert len(found) == len(expected)
    assert sum(len(leaf[3]) for leaf in found) == len(points)


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("name", NAMES)
def test_points_are_where_their_leaf_is(name: str, config: PartitionConfig, seed: int) -> None:
    points = shapes(seed)[name]
    placement = place(points, name)
    scaled = placement.to_scaled(points)
    assert scaled.min() >= -1e-9
    assert scaled.max() <= 100.0 + 1e-9
    cut = partition(scaled, config)
    for cube in cut.patches:
        assert config.min_points <= len(cube.points) <= config.max_points
        assert np.abs(cube.points).max() <= 1.0
        back = cube.points * cube.half_width + cube.centre
        np.testing.assert_allclose(back, scaled[cube.members], atol=cube.half_width * 1e-6)
    is_voxel = ~cut.leaves.is_patch
    counts = np.diff(cut.voxel_starts, append=len(cut.voxel_members))
    half_widths = config.edges(cut.leaves.level[is_voxel]) / 2
    off = np.abs(np.repeat(cut.voxels, counts, axis=0) - scaled[cut.voxel_members]).max(axis=1)
    assert (off <= np.repeat(half_widths, counts) + 1e-9).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_the_points_does_not_matter(name: str, seed: int) -> None:
    points = shapes(seed)[name]
    shuffled = np.random.default_rng(seed).permutation(points)
    config = CONFIGS[1]
    assert place(points, name) == place(shuffled, name)
    one, other = (partition(place(p, name).to_scaled(p), config) for p in (points, shuffled))
    for field in ("level", "key", "is_patch"):
        np.testing.assert_array_equal(getattr(one.leaves, field), getattr(other.leaves, field))
    np.testing.assert_array_equal(one.voxels, other.voxels)
    for ours, theirs in zip(one.patches, other.patches, strict=True):
        np.testing.assert_array_equal(ours.points, theirs.points)


FAR_CLOUDS = [(40, 39.9), (57, 39.5), (258, 38.6)]
"""Seeds and exponents with points well beyond the faces of their patches."""


def far_cloud(seed: int, exponent: float) -> Points:
    """(1000, 3) so far away that points are rounded by more than the grid has to spare."""
    draw = np.random.default_rng(seed)
    centre = draw.uniform(1e5, 1e9, 3)
    points: Points = centre + draw.uniform(-0.5, 0.5, (1000, 3)) * centre.max() * 2.0**-exponent
    at_a_face = draw.random((500, 3)) < 0.7
    points[:500] = np.where(at_a_face, points.max(axis=0), points[:500])
    return points


@pytest.mark.parametrize(("seed", "exponent"), FAR_CLOUDS)
def test_patches_hold_their_points_where_float64_is_coarse(seed: int, exponent: float) -> None:
    points = far_cloud(seed, exponent)
    scaled = place(points, "far").to_scaled(points)
    cut = partition(scaled, PartitionConfig(12.5, min_points=20, max_points=100, voxel_depth=4))
    assert scaled.max() > 100.003
    assert max(np.abs(cube.points).max() for cube in cut.patches) == 1.0


def test_leaves_follow_the_curve(seed: int) -> None:
    scaled = np.random.default_rng(seed).uniform(0.0, 100.0, (4000, 3))
    cut = partition(scaled, CONFIGS[1])
    start = cut.leaves.key << 3 * (FINEST_LEVEL - cut.leaves.level)
    assert (np.diff(start) > 0).all()
    centres = cut.leaves.centres(CONFIGS[1])
    np.testing.assert_array_equal(
        centres[cut.leaves.is_patch], [cube.centre for cube in cut.patches]
    )
    np.testing.assert_array_equal(centres[~cut.leaves.is_patch], cut.voxels)


def test_children_come_in_the_order_of_x_y_z() -> None:
    corners = np.array([[x, y, z] for x in (25, 75) for y in (25, 75) for z in (25, 75)], float)
    config = PartitionConfig(min_points=1, max_points=1)
    cut = partition(corners[::-1], config)
    np.testing.assert_array_equal([cube.centre for cube in cut.patches], corners)


@pytest.mark.parametrize("name", NAMES)
def test_a_placement_is_what_a_file_can_carry(name: str, seed: int) -> None:
    points = shapes(seed)[name]
    placement = place(points, name)
    assert float(np.float32(placement.side)) == placement.side > 0.0
    assert all(abs(c) < 1 << 58 for c in placement.centre)
    extent = np.ptp(points, axis=0).max()
    assert placement.side >= extent
    if name in ("ball", "UTM", "flat", "huge", "tiny"):
        assert placement.side <= extent * (1 + 2**-15)
    back = placement.to_original(placement.to_scaled(points))
    tolerance = 1e-12 * placement.side + 1e-15 * np.abs(points).max()
    np.testing.assert_allclose(back, points, atol=tolerance, rtol=0)


def test_a_cube_around_the_origin_is_centred_exactly() -> None:
    points = np.array([[-1.0, 0.5, 0.0], [1.0, -0.5, 0.0]])
    placement = place(points, "cube")
    assert placement.centre == (0, 0, 0)
    np.testing.assert_allclose(placement.to_scaled(points)[:, 2], 50.0)


@pytest.mark.parametrize(
    ("points", "sentence"),
    [
        (np.zeros((0, 3)), r"must have points, and a\.ply has none"),
        (np.array([[0, 0, 0], [0, np.nan, 0]]), "1 of the 2 points of a.ply have NaN"),
        (np.array([[0, 0, 0], [0, np.inf, 0]]), "1 of the 2 points of a.ply have NaN or inf"),
        (np.array([[0, 0, 0], [0, 1.7e308, 0]]), r"a\.ply spans the box from .* rescale it"),
        (np.array([[-1.7e308, 0, 0], [1.7e308, 0, 0]]), r"a\.ply spans the box from"),
    ],
)
def test_what_cannot_be_placed_is_refused(points: Points, sentence: str) -> None:
    with pytest.raises(CodecError, match=sentence):
        place(points.astype(np.float64), "a.ply")


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"cube_size": 0.5}, "cube_size must be from 1 to 100, not 0.5"),
        ({"cube_size": float("nan")}, "cube_size must be from 1 to 100, not nan"),
        ({"min_points": 0}, "at least 1 and at most max_points, and they are 0 and 8192"),
        ({"min_points": 9, "max_points": 8}, "they are 9 and 8"),
        ({"voxel_depth": -1}, "voxel_depth must be from 0 to 20 where cube_size is 50, not -1"),
        ({"voxel_depth": 15, "cube_size": 1.0}, "from 0 to 14 where cube_size is 1, not 15"),
    ],
)
def test_a_config_is_checked_at_birth(fields: dict[str, float], sentence: str) -> None:
    with pytest.raises(CodecError, match=sentence):
        PartitionConfig(**fields)  # type: ignore[arg-type]


def test_a_million_points_take_seconds(seed: int) -> None:
    scaled = np.random.default_rng(seed).uniform(0.0, 100.0, (1_000_000, 3))
    start = time.process_time()
    cut = partition(scaled, PartitionConfig())
    assert time.process_time() - start < 10.0
    assert sum(len(cube.points) for cube in cut.patches) == 1_000_000


@pytest.mark.parametrize(("cube_size", "depth"), [(1, 0), (12, 3), (22, 4), (50, 5), (100, 6)])
def test_voxels_have_about_the_same_edge_in_cubes_of_any_size(cube_size: int, depth: int) -> None:
    assert usual_voxel_depth(cube_size) == depth
    assert PartitionConfig(cube_size, voxel_depth=depth).voxel_depth == depth


@pytest.mark.parametrize("cube_size", [0.0, -1.0, math.nan, math.inf])
def test_what_is_no_size_of_cubes_is_left_to_the_configuration(cube_size: float) -> None:
    with pytest.raises(CodecError, match="cube_size must be from 1 to 100"):
        PartitionConfig(cube_size, voxel_depth=usual_voxel_depth(cube_size))
