"""The training of the voxel codec: what its loss measures, and what its settings change."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from model.octree.voxels import voxels_of
from study.data.sources import EmbeddedObjects
from study.families.voxel.family import Voxel
from study.families.voxel.module import VoxelModule
from study.families.voxel.patches import VoxelBatch, VoxelPatch, collate, edge_at, octree_bits
from study.metrics.distances import mean_dist2

SMALL = {"width": 8, "point_width": 8, "edge_octaves": 0.5, "first_edge": 1 / 10}


def batch_of(count: int = 1, points: int = 1_500) -> VoxelBatch:
    source = EmbeddedObjects()
    patches = []
    for name in list(source.point_counts)[:count]:
        found = source.read(name).points[:: 8192 // points]
        found = found - (found.min(axis=0) + found.max(axis=0)) / 2
        patches.append(VoxelPatch(2 * found / np.ptp(found, axis=0).max(), 2.0))
    return collate(patches, "cpu")


def module_of(seed: int, **changes: float) -> VoxelModule:
    torch.manual_seed(seed)
    return Voxel().module(Voxel.model.model_validate(SMALL | changes))


def noise_of(seed: int, batch: VoxelBatch) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(len(batch.patches), VoxelModule.noise, generator=generator) - 0.5


def test_the_rate_is_the_octrees(seed: int) -> None:
    """Of both edges, in bits per point."""
    batch = batch_of()
    module = module_of(seed, thinning_octaves=0.0, augment=False)
    noise = noise_of(seed, batch)
    told = module.terms(batch, noise)["bpp_lambda"].item()
    (patch,), shares = batch.patches, (noise[0].double() + 0.5).tolist()
    expected = []
    for sign in (-1, 1):
        share = 2.0 ** (
            math.log2(module.edge_of_longest_side) + sign * (0.25 + 0.75 * shares[0]) / 4
        )
        edge = edge_at(share, 2.0)
        moved = voxels_of(patch.points + edge * np.array(shares[3:6]), edge)
        expected.append(octree_bits(moved) / len(patch.points))
    assert told == pytest.approx(np.mean(expected), rel=1e-5)


def test_the_distortion_is_minus_the_psnr_of_what_is_decoded(seed: int) -> None:
    """At one edge: that of `evaluate`, whose points and grid are others, within 2 dB."""
    batch = batch_of(3)
    module = module_of(seed, edge_octaves=1e-6, thinning_octaves=0.0, augment=False)
    with torch.no_grad():
        told = -module.terms(batch, noise_of(seed, batch))["distortion"]
        _, xyz, sizes = module.evaluate(batch)
    for patch, made, size, psnr_db in zip(batch.patches, xyz, sizes, told.tolist(), strict=True):
        decoded = made[:size].double().numpy()
        mse = max(mean_dist2(patch.points, decoded), mean_dist2(decoded, patch.points))
        assert psnr_db == pytest.approx(10 * math.log10(3 * 2.0**2 / mse), abs=2.0)


def test_a_part_of_a_patch_is_as_far_away_as_the_whole(seed: int) -> None:
    """Training decodes some voxels of many; their error is an estimate of that of all."""
    batch = batch_of(1, 8192)
    found = {}
    for most in (60, 100_000):
        module = module_of(seed, voxels_per_patch=most, thinning_octaves=0.0, augment=False)
        with torch.no_grad():
            told = [
                module.terms(batch, noise_of(seed + each, batch))["distortion"].item()
                for each in range(12)
            ]
        found[most] = float(np.mean(told))
    assert found[60] == pytest.approx(found[100_000], abs=2.0)
    assert found[60] != found[100_000]


def trained(
    seed: int, steps: int, weight: float, density_coe: float = 1.0, **changes: float
) -> VoxelModule:
    """Weights are of the rate, and of the density term; that of the distortion is 1."""
    batch = batch_of(2)
    module = module_of(seed, **changes)
    rates = [{"params": [p for n, p in module.named_parameters() if n != "log_edge"], "lr": 2e-3}]
    adam = torch.optim.Adam([*rates, {"params": [module.log_edge], "lr": 0.1}])
    for step in range(steps):
        adam.zero_grad()
        terms = module.terms(batch, noise_of(seed + step, batch))
        loss = terms["distortion"] + weight * terms["bpp_lambda"]
        loss = loss + density_coe * terms["density_coe"]
        loss.sum().backward()
        adam.step()
    return module


def test_a_dearer_bit_makes_larger_voxels(seed: int) -> None:
    cheap, dear = (trained(seed, 12, weight).edge_of_longest_side for weight in (2.0, 200.0))
    assert dear > 1.3 * cheap


def test_training_makes_it_better(seed: int) -> None:
    """In decibels; and in density, where that weighs much more than them."""
    batch = batch_of(2)
    usual = {"weight": 10.0, "edge_octaves": 1e-3}
    before = trained(seed, 0, **usual)
    for term, density_coe, least in (("distortion", 1.0, 0.3), ("density_coe", 100.0, 0.0)):
        after = trained(seed, 40, density_coe=density_coe, **usual)
        after.log_edge.data.copy_(before.log_edge.data)
        with torch.no_grad():
            was, now = (m.terms(batch, noise_of(seed, batch))[term].mean() for m in (before, after))
        assert was - now > least, term


@pytest.mark.parametrize(
    "change",
    [
        {"edge_octaves": 2.0},
        {"thinning_octaves": 0.0},
        {"augment": False},
        {"voxels_per_patch": 20},
        {"first_edge": 1 / 5},
        {"layers": 2},
        {"reach": 1},
    ],
    ids=str,
)
def test_every_setting_changes_the_training(change: dict[str, float], seed: int) -> None:
    batch = batch_of()
    noise = noise_of(3, batch)
    before, after = (
        module_of(seed, **changes).terms(batch, noise)["distortion"].item()
        for changes in ({}, change)
    )
    assert before != after


def test_the_edge_stays_in_bounds(seed: int) -> None:
    module = module_of(seed)
    for log_edge in (-40.0, 3.0, math.nan):
        module.log_edge.data.fill_(log_edge)
        assert 2.0**-12 <= module.edge_of_longest_side <= 0.5
        terms = module.terms(batch_of(), noise_of(seed, batch_of()))
        assert terms["bpp_lambda"].detach().isfinite().all() or math.isnan(log_edge)
