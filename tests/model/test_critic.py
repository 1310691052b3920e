"""The critic: a function of a set of points, for each trial by itself."""

from __future__ import annotations

import pytest
import torch

from model.critic import NEIGHBOURS, Critic, neighbours_of
from model.points import Points

TRIALS, SIZES = 3, (40, 23, 5)
"""Patches of three sizes, the last with fewer points than are looked at around each."""


def critic_of(seed: int, trials: int = TRIALS) -> Critic:
    critic = Critic(trials)
    critic.reset([seed + trial for trial in range(trials)])
    return critic


def clouds(seed: int, trials: int = TRIALS) -> Points:
    generator = torch.Generator().manual_seed(seed)
    xyz = 2 * torch.rand((trials, len(SIZES), max(SIZES), 3), generator=generator) - 1
    return Points(xyz, torch.tensor(SIZES).expand(trials, -1))


def scores(critic: Critic, points: Points) -> torch.Tensor:
    found: torch.Tensor = critic(points.xyz, points.valid, neighbours_of(points))
    return found


@pytest.mark.parametrize("padding", [0.0, 1e15])
def test_padding_and_company_do_not_matter(seed: int, padding: float) -> None:
    critic, points = critic_of(seed), clouds(seed)
    points.xyz[~points.valid] = padding
    found = scores(critic, points)
    assert found.shape == (TRIALS, len(SIZES))
    for trial in range(TRIALS):
        for patch, size in enumerate(SIZES):
            own = points.xyz[trial : trial + 1, patch : patch + 1, :size]
            alone = scores(critic_of(seed + trial, 1), Points(own, torch.tensor([[size]])))
            torch.testing.assert_close(alone[0, 0], found[trial, patch])


def test_the_order_of_points_does_not_matter(seed: int) -> None:
    critic, points = critic_of(seed), clouds(seed)
    order = torch.randperm(min(SIZES), generator=torch.Generator().manual_seed(seed))
    xyz = points.xyz.clone()
    xyz[:, :, : len(order)] = points.xyz[:, :, order]
    torch.testing.assert_close(scores(critic, Points(xyz, points.sizes)), scores(critic, points))


def test_heaps_of_equal_outline_are_told_apart(seed: int) -> None:
    """Points in pairs at places, or each a little aside: their means are equal, spreads are not.

    One untrained critic may find both equal by chance, so many are asked. What rounding alone
    changes is measured by another order of the same points.
    """
    generator = torch.Generator().manual_seed(seed)
    critic, sizes = critic_of(seed, 16), torch.tensor([[80]])
    places = 2 * torch.rand((1, 1, 40, 3), generator=generator) - 1
    aside = 0.05 * torch.randn(places.shape, generator=generator)
    pairs = torch.cat([places, places], 2)
    order = torch.randperm(80, generator=generator)
    of_pairs, shuffled, apart = (
        scores(critic, Points(xyz, sizes))
        for xyz in (pairs, pairs[:, :, order], torch.cat([places - aside, places + aside], 2))
    )
    rounding = (of_pairs - shuffled).abs().max().item()
    assert (of_pairs - apart).abs().max().item() > max(100 * rounding, 1e-5), rounding


def test_points_in_one_place_have_finite_slopes_of_slopes(seed: int) -> None:
    critic = critic_of(seed, 1)
    xyz = torch.zeros((1, 1, 2 * NEIGHBOURS, 3), requires_grad=True)
    points = Points(xyz, torch.tensor([[2 * NEIGHBOURS]]))
    near = neighbours_of(Points(xyz.detach(), points.sizes))
    (slope,) = torch.autograd.grad(critic(xyz, points.valid, near).sum(), xyz, create_graph=True)
    inputs = [xyz, *critic.parameters()]
    found = torch.autograd.grad(slope.square().sum(), inputs, allow_unused=True)
    assert all(each.isfinite().all() for each in found if each is not None)


def test_a_trial_begins_as_its_seed_says(seed: int) -> None:
    together, alone = critic_of(seed), critic_of(seed + 1, 1)
    for ours, theirs in zip(together.parameters(), alone.parameters(), strict=True):
        assert ours[1:2].equal(theirs)
