"""D-PCC with a second player: a critic that every trial trains beside its codec.

Codec and critic take a step at once, each along its own loss, and each with its own learning rate:
the critic's parameters stand behind the codec's in one flat tensor, so that the optimiser,
checkpoints, and populations that are divided hold it as they hold the codec. What is selected from
such networks, evaluated, saved as a codec and measured is the codec alone.

Legend: T trials, B patches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.func import functional_call

from losses import critic_error, disbelief, slope_of
from model.codec import Codec
from model.critic import Critic, neighbours_of
from model.points import Points
from study.base.seeds import Purpose, derived_seed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from model.config import ModelConfig

ADVERSARIAL = "adversarial"
"""The loss term that needs the second player."""
CRITIC = "critic."
"""What the names of its parameters begin with."""


class CodecAndCritic(nn.Module):
    """A `study.training.architecture.Network` of T codecs, and of T critics."""

    def __init__(self, config: ModelConfig, trials: int) -> None:
        super().__init__()
        self.trials = trials
        self.codec = Codec(config, trials)
        self.critic = Critic(trials)

    def reset(self, seeds: Sequence[int]) -> None:
        """Initialise each trial: its codec as without a critic."""
        self.codec.reset(seeds)
        self.critic.reset([derived_seed(seed, Purpose.CRITIC) for seed in seeds])

    @torch.no_grad()
    def restore(self, parameters: Mapping[str, Tensor]) -> None:
        """Take the values of parameters that were saved by name, in place."""
        for name, parameter in self.named_parameters():
            parameter.copy_(parameters[name])

    def select(self, trials: Sequence[int]) -> Codec:
        """Return copies of some of the codecs."""
        return self.codec.select(trials)

    def freeze(self) -> None:
        """Fix the codecs' tables."""
        self.codec.freeze()


def play(critic: Critic, decoded: Points, true: Points) -> tuple[Tensor, Tensor]:
    """Return what the codecs and what the critics minimise, (T, B) each.

    The first has no gradient in the critics' parameters, the second none in the codecs'.

    Args:
        critic: of T trials.
        decoded: (T, B, P), by the codecs.
        true: (1, B, N).
    """
    near, near_true = neighbours_of(_still(decoded)), neighbours_of(true)
    fixed = {name: parameter.detach() for name, parameter in critic.named_parameters()}
    of_decoded = functional_call(critic, fixed, (decoded.xyz, decoded.valid, near))
    # A leaf for each trial: its critic's slope is its own.
    place = true.xyz.repeat(critic.trials, 1, 1, 1).requires_grad_()
    of_true = critic(place, true.valid, near_true)
    wrong = critic_error(
        critic(decoded.xyz.detach(), decoded.valid, near),
        of_true,
        slope_of(of_true, place),
        true.valid,
    )
    return disbelief(of_decoded), wrong


def _still(points: Points) -> Points:
    return Points(points.xyz.detach(), points.sizes)
