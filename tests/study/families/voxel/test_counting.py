"""Predicted numbers of points: whole numbers, the same everywhere."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch

from study.families.voxel.counting import OCTAVES, Counting, divided
from study.families.voxel.neighbourhoods import Neighbourhoods
from tests.study.families.voxel.test_neighbourhoods import some_voxels


def counting_of(seed: int, reach: int = 1, *, scale: float = 1.0) -> Counting:
    torch.manual_seed(seed)
    made = Counting(reach)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(scale)
    return made


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_shares_are_those_of_exact_arithmetic(seed: int, scale: float) -> None:
    """By fractions, one voxel after the other."""
    counting = counting_of(seed, scale=scale)
    around = Neighbourhoods.of(some_voxels(seed), 1_000, 1)

    def whole(weight: torch.Tensor) -> list[Fraction]:
        return [Fraction(round(256 * max(-64.0, min(64.0, w))), 256) for w in weight.tolist()]

    first = [whole(row) for row in counting.hidden.weight]
    bias, last = whole(counting.hidden.bias), whole(counting.output.weight[0])
    for index, share in enumerate(counting.shares(around).tolist()):
        seen = [*map(int, around.occupied[index]), around.density.bit_length()]
        hidden = [
            max(Fraction(0), b + sum((w * s for w, s in zip(row, seen, strict=True)), Fraction(0)))
            for row, b in zip(first, bias, strict=True)
        ]
        log2 = sum((h * w for h, w in zip(hidden, last, strict=True)), Fraction(0))
        steps = (16 * log2 + Fraction(1, 2)).__floor__()
        bounded = min(max(steps, -16 * OCTAVES), 16 * OCTAVES)
        assert share == round(2.0 ** (16 + bounded / 16))


def test_no_power_is_near_a_half_before_it_is_rounded() -> None:
    """So that all libraries of mathematics round it alike."""
    powers = 2.0 ** (16 + np.arange(-16 * OCTAVES, 16 * OCTAVES + 1) / 16)
    assert np.abs(powers % 1 - 0.5).min() > 1e-4


def test_training_sees_about_the_same_shares(seed: int) -> None:
    counting = counting_of(seed, 2)
    around = Neighbourhoods.of(some_voxels(seed), 300, 2)
    logs = counting(around).detach().numpy()
    shares = np.log2(counting.shares(around).astype(float)) - 16
    np.testing.assert_allclose(shares, logs, atol=1 / 16)


def test_points_are_divided_by_shares_and_all_are_given(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(50):
        shares = rng.integers(1, 1 << 22, rng.integers(1, 200))
        total = int(
            rng.integers(0, 4 * len(shares)) if rng.random() < 0.5 else rng.integers(1 << 39)
        )
        counts = divided(total, shares)
        assert counts.sum() == total
        least = int(total >= len(shares))
        assert counts.min() >= least
        exact = least + (total - least * len(shares)) * shares / shares.sum()
        assert np.abs(counts - exact).max() <= 2 + 1e-9 * total
