"""A population is its members, each alone; a padded batch is its patches, each alone."""

from __future__ import annotations

import itertools
from functools import cache
from typing import TYPE_CHECKING

import pytest
import torch

from tests.model.support import (
    ARCHITECTURES,
    SMALL,
    draw_noise,
    fresh_codec,
    naming,
    patch,
    run,
    valid_points,
)

if TYPE_CHECKING:
    from torch import Tensor

    from model.config import ModelConfig
    from model.hierarchy import Hierarchy

SEEDS = (11, 12, 13)
MODES = pytest.mark.parametrize("training", [False, True], ids=["evaluation", "with noise"])
EVERY_CONFIG = pytest.mark.parametrize("config", ARCHITECTURES.values(), ids=ARCHITECTURES.keys())


@cache
def patches_of(config: ModelConfig) -> tuple[Hierarchy, ...]:
    """The last has fewer points than k = 16, and its coarsest stage has one."""
    return tuple(patch(seed, n, config) for seed, n in enumerate((260, 90, 17, 5), start=1))


PATCHES = patches_of(SMALL)


@cache
def population_noise(config: ModelConfig) -> Tensor:
    return draw_noise(5, len(SEEDS), patches_of(config), config)


def tolerance(config: ModelConfig) -> float:
    """Rounding, which a short direction that is normalised to length 1 makes larger; the other
    architectures have more of those.
    """
    return 1e-5 if config == SMALL else 2e-4


def gradient_tolerance(config: ModelConfig) -> float:
    """The maximum of an edge convolution may give a whole gradient to another neighbour."""
    return 5e-3 if config.sub_point_conv_mode == "edge_conv" else tolerance(config)


def assert_same(ours: Tensor, theirs: Tensor, what: str, within: float = 1e-5) -> None:
    torch.testing.assert_close(ours, theirs, rtol=within, atol=within, msg=naming(what))


def member(parameter: Tensor, trial: int) -> Tensor:
    """One trial's entries, in a row."""
    return parameter.view(len(SEEDS), -1)[trial]


def noise_of(trial: int, number: int, config: ModelConfig) -> Tensor:
    points = len(patches_of(config)[number].stage_points(config.stages))
    return population_noise(config)[trial : trial + 1, number : number + 1, :points]


@EVERY_CONFIG
@MODES
def test_outputs_equal_those_of_single_runs(config: ModelConfig, *, training: bool) -> None:
    patches, noise = patches_of(config), population_noise(config) if training else None
    within = tolerance(config)
    together, _ = run(fresh_codec(*SEEDS, config=config), patches, noise)
    for trial, number in itertools.product(range(3), range(4)):
        alone, _ = run(
            fresh_codec(SEEDS[trial], config=config),
            [patches[number]],
            noise_of(trial, number, config) if training else None,
        )
        points = alone.latent_points.xyz.shape[2]
        for ours, theirs in (
            (together.symbols, alone.symbols),
            (together.quantised, alone.quantised),
            (together.likelihoods, alone.likelihoods),
        ):
            assert_same(ours[trial, number, :points], theirs[0, 0], "symbols", within)
        for stage, stage_alone in zip(together.stages, alone.stages, strict=True):
            made = valid_points(stage.children, trial, number)
            assert_same(made, valid_points(stage_alone.children, 0, 0), "points", within)
            count_alone = stage_alone.child_count[0, 0]
            count = stage.child_count[trial, number, : len(count_alone)]
            assert_same(count, count_alone, "child count", within)
        if together.normals is not None and alone.normals is not None:
            theirs = alone.normals[0, 0]
            assert_same(together.normals[trial, number, : len(theirs)], theirs, "normals", within)


@EVERY_CONFIG
@MODES
def test_losses_and_gradients_are_the_means_of_single_runs(
    config: ModelConfig, *, training: bool
) -> None:
    codec, patches = fresh_codec(*SEEDS, config=config), patches_of(config)
    _, together = run(codec, patches, population_noise(config) if training else None)
    together.total.sum().backward()
    for trial in range(3):
        alone = fresh_codec(SEEDS[trial], config=config)
        losses = [
            run(alone, [patches[b]], noise_of(trial, b, config) if training else None)[1]
            for b in range(4)
        ]
        for name, term in together.terms.items():
            mean = torch.stack([loss.terms[name][0] for loss in losses]).mean()
            assert_same(term[trial], mean, name, tolerance(config))
        mean_total = torch.stack([loss.total for loss in losses]).mean()
        assert_same(together.total[trial], mean_total, "total", tolerance(config))
        mean_total.backward()
        for (name, ours), theirs in zip(codec.named_parameters(), alone.parameters(), strict=True):
            if theirs.grad is None:
                assert ours.grad is None, name
                continue
            assert ours.grad is not None, name
            # Relative to the largest entry; the biases before a softmax have none but rounding.
            atol = gradient_tolerance(config) * max(theirs.grad.abs().max().item(), 0.1)
            mine = member(ours.grad, trial).view_as(theirs)
            torch.testing.assert_close(mine, theirs.grad, rtol=0, atol=atol, msg=naming(name))


def test_a_trials_first_parameters_are_its_seeds_alone() -> None:
    together, alone = fresh_codec(*SEEDS), fresh_codec(SEEDS[1])
    for (name, ours), theirs in zip(together.named_parameters(), alone.parameters(), strict=True):
        assert member(ours, 1).equal(theirs.flatten()), name


def test_other_seeds_give_other_parameters() -> None:
    one, two = (dict(fresh_codec(seed).named_parameters()) for seed in (1, 2))
    drawn = {name for name in one if not one[name].equal(two[name])}
    # Constants at first: what normalises, and a bottleneck's parameters but for its biases.
    constant = {
        name
        for name in one
        if name.endswith((".scale", ".shift", ".quantiles"))
        or ".matrices." in name
        or ".factors." in name
    }
    assert drawn == set(one) - constant


def test_selected_members_are_copies_in_the_order_asked_for() -> None:
    codec = fresh_codec(*SEEDS)
    chosen = codec.select([2, 0])
    before, _ = run(codec, PATCHES)
    with torch.no_grad():
        for parameter in codec.parameters():
            parameter.zero_()
    after, _ = run(chosen, PATCHES)
    assert chosen.trials == 2
    for position, trial in enumerate((2, 0)):
        torch.testing.assert_close(
            valid_points(after.decoded, position, 0), valid_points(before.decoded, trial, 0)
        )


@MODES
def test_a_member_of_nan_leaves_the_others_bit_for_bit(*, training: bool) -> None:
    """The sick member has a healthy twin, so that the padding stays as long as it was: sums over
    longer rows round differently.
    """
    noise = draw_noise(5, 2, PATCHES, SMALL)[[0, 1, 0]] if training else None
    healthy, sick = fresh_codec(11, 12, 11), fresh_codec(11, 12, 11)
    with torch.no_grad():
        for parameter in sick.parameters():
            member(parameter, 2).fill_(torch.nan)
    before, after = (run(codec, PATCHES, noise)[1].total for codec in (healthy, sick))
    before.sum().backward()
    after.sum().backward()
    assert after[2].isnan()
    assert after[:2].equal(before[:2])
    for (name, one), two in zip(healthy.named_parameters(), sick.parameters(), strict=True):
        assert (one.grad is None) == (two.grad is None), name
        if one.grad is not None and two.grad is not None:
            assert two.grad.view(3, -1)[:2].equal(one.grad.view(3, -1)[:2]), name
