from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from model.errors import DamagedFileError
from model.partition import FINEST_LEVEL, Leaves, PartitionConfig, partition
from model.placement import place
from model.rans import SymbolReader, SymbolWriter
from model.structure import PatchSizes, read_leaves, write_leaves
from tests.model.test_partition import CONFIGS, NAMES, shapes

THIRDS = (1 / 3, 1 / 3, 1 / 3)


def leaves_of(name: str, seed: int, config: PartitionConfig) -> tuple[Leaves, int]:
    points = shapes(seed)[name]
    return partition(place(points, name).to_scaled(points), config).leaves, len(points)


def assert_equal(found: Leaves, expected: Leaves) -> None:
    for field in dataclasses.fields(Leaves):
        np.testing.assert_array_equal(getattr(found, field.name), getattr(expected, field.name))


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("name", NAMES)
def test_leaves_come_back(name: str, config: PartitionConfig, seed: int) -> None:
    leaves, points = leaves_of(name, seed, config)
    writer = SymbolWriter()
    write_leaves(writer, leaves, config)
    reader = SymbolReader(writer.finish())
    assert_equal(read_leaves(reader, config, points), leaves)
    assert reader.finish() == 0


def test_a_typical_object_costs_a_byte() -> None:
    config = PartitionConfig()
    patch = Leaves(np.full(8, 1), np.arange(8), np.ones(8, dtype=bool))
    writer = SymbolWriter()
    write_leaves(writer, patch, config)
    assert writer.bits < 8.0


def test_more_leaves_than_points_are_refused(seed: int) -> None:
    config = CONFIGS[1]
    leaves, _ = leaves_of("ball", seed, config)
    writer = SymbolWriter()
    write_leaves(writer, leaves, config)
    needed = int(np.where(leaves.is_patch, config.min_points, 1).sum())
    assert_equal(read_leaves(SymbolReader(writer.finish()), config, needed), leaves)
    with pytest.raises(DamagedFileError, match=f"the points of the cloud, {needed - 1:,} here"):
        read_leaves(SymbolReader(writer.finish()), config, needed - 1)


def test_all_of_a_decoded_octree_lies_in_the_grid(seed: int) -> None:
    """Whatever a stream says: cells beyond the grid cannot be named."""
    config = PartitionConfig(cube_size=22.0, min_points=2, max_points=8, voxel_depth=1)
    stream = np.random.default_rng(seed).integers(0, 256, 4000, np.uint8).tobytes()
    found = 0
    for start in range(0, 2000, 40):
        try:
            leaves = read_leaves(SymbolReader(stream[start:]), config, 100_000)
        except DamagedFileError:
            continue
        found += 1
        assert leaves.centres(config).max() < 22.0 * config.cubes_per_side
        assert leaves.level.max() <= FINEST_LEVEL
    assert found > 0


@pytest.mark.parametrize(("least", "most"), [(1, 1), (1, 30), (100, 8192), (64, 64)])
def test_counts_come_back(least: int, most: int, seed: int) -> None:
    sizes = PatchSizes(PartitionConfig(min_points=least, max_points=most), THIRDS)
    points = np.random.default_rng(seed).integers(least, most + 1, 50)
    counts = [sizes.latent_count(int(number)) for number in [least, most, *points]]
    writer = SymbolWriter()
    of_cloud = sizes.writer(writer)
    for count in counts:
        of_cloud.write(count)
    symbols = SymbolReader(writer.finish())
    reader = sizes.reader(symbols, least + most + int(points.sum()))
    assert [reader.read() for _ in counts] == counts
    assert symbols.finish() == 0


def test_counts_that_the_points_cannot_have_are_refused() -> None:
    sizes = PatchSizes(PartitionConfig(min_points=100, max_points=200), THIRDS)
    writer = SymbolWriter()
    of_cloud = sizes.writer(writer)
    of_cloud.write(sizes.latent_count(200))
    of_cloud.write(sizes.latent_count(200) + 1)
    of_cloud.write(1 << 40)
    stream = writer.finish()
    fewest = min(n for n in range(100, 201) if sizes.latent_count(n) == sizes.latent_count(200))
    with pytest.raises(DamagedFileError, match=f"need {fewest} or more"):
        sizes.reader(SymbolReader(stream), fewest - 1).read()
    reader = sizes.reader(SymbolReader(stream), 10_000)
    assert reader.read() == sizes.latent_count(200)
    with pytest.raises(DamagedFileError, match="at most 7 latent points, and one has 8"):
        reader.read()
    with pytest.raises(DamagedFileError, match="at most 7 latent points, and one has"):
        reader.read()
