"""The two sides of the adversarial term: closed forms, and the slope of a score."""

from __future__ import annotations

import math

import pytest
import torch

from losses import critic_error, disbelief, slope_of
from losses.adversarial import PENALTY, steepness
from tests.losses.plain import random_cloud


def test_a_critic_that_cannot_tell_costs_both_what_a_coin_does() -> None:
    cannot, flat = torch.zeros((1, 1)), torch.zeros((1, 1, 4, 3))
    valid = torch.ones((1, 1, 4), dtype=torch.bool)
    assert disbelief(cannot).item() == pytest.approx(math.log(2))
    assert critic_error(cannot, cannot, flat, valid).item() == pytest.approx(2 * math.log(2))


def test_both_lose_the_log_of_what_the_critic_gave_the_truth(seed: int) -> None:
    """A score is the log odds of a patch being true."""
    of_decoded, of_true = torch.randn((2, 3, 2), generator=torch.Generator().manual_seed(seed))
    flat = torch.zeros((3, 2, 4, 3))
    valid = torch.ones((1, 2, 4), dtype=torch.bool)
    torch.testing.assert_close(disbelief(of_decoded), -torch.sigmoid(of_decoded).log())
    expected = -(1 - torch.sigmoid(of_decoded)).log() - torch.sigmoid(of_true).log()
    torch.testing.assert_close(critic_error(of_decoded, of_true, flat, valid), expected)


@pytest.mark.parametrize("sizes", [[9, 9], [9, 4], [1, 7]])
def test_a_score_that_is_a_mean_coordinate_has_steepness_one(seed: int, sizes: list[int]) -> None:
    """However many points and how much padding: the slope is that of all the mass."""
    points = random_cloud(torch.Generator().manual_seed(seed), 2, sizes)
    mean = (points.xyz[..., 0] * points.valid).sum(dim=-1) / points.valid.sum(dim=-1)
    found = steepness(slope_of(3 * mean, points.xyz), points.valid)
    torch.testing.assert_close(found, torch.full_like(found, 9.0))
    penalised = critic_error(mean, mean, slope_of(3 * mean, points.xyz), points.valid)
    free = critic_error(mean, mean, torch.zeros_like(points.xyz), points.valid)
    torch.testing.assert_close(penalised - free, torch.full_like(free, 4.5 * PENALTY))


def test_the_slope_is_that_of_finite_differences_and_has_one_itself(seed: int) -> None:
    points = random_cloud(torch.Generator().manual_seed(seed), 1, [5])
    score = points.xyz.sin().sum(dim=(2, 3))
    slope = slope_of(score, points.xyz)
    torch.testing.assert_close(slope, points.xyz.cos())
    (again,) = torch.autograd.grad(slope.sum(), points.xyz)
    torch.testing.assert_close(again, -points.xyz.sin())
