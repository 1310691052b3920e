"""A population is its members, each alone; a padded batch is its patches, each alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from tests.model.support import (
    ARCHITECTURES,
    SMALL,
    draw_noise,
    fresh_codec,
    patch,
    run,
    valid_points,
)
from tests.rounding import TIMES, all_moved_by_a_bit

if TYPE_CHECKING:
    from torch import Tensor

    from model.codec import Codec, CodecOutput
    from model.config import ModelConfig
    from model.hierarchy import Hierarchy

SEEDS = (11, 12, 13)
DISTURBANCES = 4
MOST_DISTURBANCES = 16
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


def member(parameter: Tensor, trial: int) -> Tensor:
    """One trial's entries, in a row."""
    return parameter.view(len(SEEDS), -1)[trial]


def noise_of(trial: int, number: int, config: ModelConfig) -> Tensor:
    points = len(patches_of(config)[number].stage_points(config.stages))
    return population_noise(config)[trial : trial + 1, number : number + 1, :points]


def parts_of(output: CodecOutput, trial: int, number: int, latents: int) -> dict[str, Tensor]:
    """What a trial's codec makes of a patch that has so many latent points, without padding."""
    found = {
        "symbols": output.symbols[trial, number, :latents],
        "quantised": output.quantised[trial, number, :latents],
        "likelihoods": output.likelihoods[trial, number, :latents],
    }
    parents = latents
    for order, stage in enumerate(output.stages):
        found[f"child count of stage {order}"] = stage.child_count[trial, number, :parents]
        found[f"points of stage {order}"] = points = valid_points(stage.children, trial, number)
        parents = len(points)
    if output.normals is not None:
        found["normals"] = output.normals[trial, number, :parents]
    return found


def largest_differences(
    ours: dict[str, Tensor], theirs: dict[str, Tensor]
) -> dict[str, float] | None:
    """By part; None where a count of children has become another one."""
    if any(ours[name].shape != theirs[name].shape for name in theirs):
        return None
    return {name: float((ours[name] - theirs[name]).detach().abs().max()) for name in theirs}


def moved_codec(trial: int, config: ModelConfig, rng: np.random.Generator) -> Codec:
    """One trial's codec with every weight moved to the next number up or down."""
    codec = fresh_codec(SEEDS[trial], config=config)
    with torch.no_grad():
        for parameter in codec.parameters():
            parameter.copy_(all_moved_by_a_bit(parameter, rng))
    return codec


@EVERY_CONFIG
@MODES
def test_outputs_equal_those_of_single_runs(
    config: ModelConfig, seed: int, *, training: bool
) -> None:
    """But for rounding: within what moving every weight by a bit does to any patch of the trial."""
    patches, noise = patches_of(config), population_noise(config) if training else None
    together, _ = run(fresh_codec(*SEEDS, config=config), patches, noise)
    rng = np.random.default_rng(seed)
    latents = [len(each.stage_points(config.stages)) for each in patches]
    for trial in range(len(SEEDS)):
        found: dict[str, float] = {}
        within: dict[str, float] = {}
        own = None if noise is None else noise[trial : trial + 1]
        right = run(fresh_codec(SEEDS[trial], config=config), patches, own)[0]
        moved = [run(moved_codec(trial, config, rng), patches, own)[0] for _ in range(DISTURBANCES)]
        for number, points in enumerate(latents):
            noise_alone = noise_of(trial, number, config) if training else None
            codec = fresh_codec(SEEDS[trial], config=config)
            alone = parts_of(run(codec, [patches[number]], noise_alone)[0], 0, 0, points)
            ours = largest_differences(parts_of(together, trial, number, points), alone)
            assert ours is not None, (trial, number)
            unmoved = parts_of(right, 0, number, points)
            effects = [largest_differences(parts_of(m, 0, number, points), unmoved) for m in moved]
            for name, tensor in alone.items():
                found[name] = max(found.get(name, 0.0), ours[name])
                # Sums of as many terms as a layer is wide, also where no disturbance shows.
                rounding = config.hidden_dim * 2.0**-24 * float(tensor.detach().abs().max())
                shown = max((TIMES * effect[name] for effect in effects if effect), default=0.0)
                within[name] = max(within.get(name, 0.0), shown, rounding)
        too_far = {
            name: (found[name], within[name]) for name in found if found[name] > within[name]
        }
        assert not too_far, (trial, too_far)


@dataclass(frozen=True)
class Gradients:
    """Of one trial: its loss terms, and the gradient of each parameter where it has one."""

    losses: dict[str, Tensor]
    of: dict[str, Tensor | None]

    def distance(self, other: Gradients) -> tuple[float, float]:
        """The largest differences of losses and of gradients.

        Relative to the other's value, and to the largest entry of the other's gradient; the biases
        before a softmax have none but rounding.
        """
        losses, gradients = [0.0], [0.0]
        for name, theirs in other.losses.items():
            difference = float((self.losses[name] - theirs).abs())
            losses.append(difference / max(float(theirs.abs()), 1e-3))
        for name, gradient in other.of.items():
            ours = self.of[name]
            assert (ours is None) == (gradient is None), name
            if ours is not None and gradient is not None:
                largest = max(float(gradient.abs().max()), 0.1)
                gradients.append(float((ours - gradient).abs().max()) / largest)
        return max(losses), max(gradients)


def of_single_runs(
    config: ModelConfig,
    trial: int,
    noise: Tensor | None,
    moved_by: np.random.Generator | None = None,
) -> Gradients:
    """Means over the patches, each coded alone.

    Args:
        config: the architecture.
        trial: whose codec.
        noise: (1, B, M, S).
        moved_by: moves every weight to the next number up or down.
    """
    codec = fresh_codec(SEEDS[trial], config=config)
    if moved_by is not None:
        codec = moved_codec(trial, config, moved_by)
    losses = []
    for number, patch_alone in enumerate(patches_of(config)):
        points = len(patch_alone.stage_points(config.stages))
        own = None if noise is None else noise[:, number : number + 1, :points]
        losses.append(run(codec, [patch_alone], own)[1])
    total = torch.stack([loss.total for loss in losses]).mean()
    total.backward()
    means = {name: torch.stack([loss.terms[name] for loss in losses]) for name in losses[0].terms}
    return Gradients(
        {"total": total.detach()} | {name: each.detach().mean() for name, each in means.items()},
        {name: parameter.grad for name, parameter in codec.named_parameters()},
    )


class Bounds:
    """What losses and gradients may differ by where only rounding differs.

    A neighbour or a maximum that is nearly another one may become the other one in company, and
    then its gradients jump. Few disturbances may all miss that, so they are drawn as they are
    needed, up to MOST_DISTURBANCES.
    """

    def __init__(
        self, config: ModelConfig, trial: int, noise: Tensor | None, rng: np.random.Generator
    ) -> None:
        self.right = of_single_runs(config, trial, noise)
        # A weight's gradient is a sum over pairs: n terms may be off by n units of rounding
        # (Higham, Accuracy and Stability of Numerical Algorithms, section 4.2), also where no
        # disturbance shows.
        pairs = config.k * sum(len(each.stage_points(0)) for each in patches_of(config))
        self.most = (0.0, pairs * 2.0**-24)
        self._disturbances = (
            of_single_runs(config, trial, noise, rng).distance(self.right)
            for _ in range(MOST_DISTURBANCES)
        )

    def hold(self, ours: Gradients) -> bool:
        """Whether a disturbance, out of all that may be drawn, explains these differences."""
        losses, gradients = ours.distance(self.right)
        while losses > self.most[0] or gradients > self.most[1]:
            effect = next(self._disturbances, None)
            if effect is None:
                return False
            self.most = (
                max(self.most[0], TIMES * effect[0]),
                max(self.most[1], TIMES * effect[1]),
            )
        return True


@EVERY_CONFIG
@MODES
def test_losses_and_gradients_are_the_means_of_single_runs(
    config: ModelConfig, seed: int, *, training: bool
) -> None:
    codec, rng = fresh_codec(*SEEDS, config=config), np.random.default_rng(seed)
    noise = population_noise(config) if training else None
    _, together = run(codec, patches_of(config), noise)
    together.total.sum().backward()
    for trial in range(len(SEEDS)):
        own = None if noise is None else noise[trial : trial + 1]
        ours = Gradients(
            {"total": together.total[trial].detach()}
            | {name: term[trial].detach() for name, term in together.terms.items()},
            {
                name: None if parameter.grad is None
                else parameter.grad.unflatten(0, (len(SEEDS), -1))[trial]
                for name, parameter in codec.named_parameters()
            },
        )  # fmt: skip
        bounds = Bounds(config, trial, own, rng)
        assert bounds.hold(ours), (trial, ours.distance(bounds.right), bounds.most)


@EVERY_CONFIG
def test_the_bounds_find_a_hundredth_too_much_and_noise_of_a_neighbour(
    config: ModelConfig, seed: int
) -> None:
    noise = population_noise(config)
    bounds = Bounds(config, 0, noise[:1], np.random.default_rng(seed))
    right = bounds.right
    more = Gradients(
        {name: 1.01 * loss for name, loss in right.losses.items()},
        {name: None if of is None else 1.01 * of for name, of in right.of.items()},
    )
    misled = of_single_runs(config, 0, noise[1:2])
    for wrong in (more, misled):
        assert not bounds.hold(wrong)
        assert not bounds.hold(Gradients(wrong.losses, right.of))
        assert not bounds.hold(Gradients(right.losses, wrong.of))


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
