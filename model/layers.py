"""The small networks that everything is made of, as populations.

Legend: T trials, B patches, R rows (points, or sample-neighbour pairs), C channels. A tensor that
all trials share has a leading 1 instead of T.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Sequence

GROUP_NORM_EPSILON = 1e-5


class Linear(nn.Module):
    """One linear layer per trial: a 1x1 convolution with bias, (T, B, R, a) to (T, B, R, b).

    Initialised as ``torch.nn.Conv1d`` is: uniform in +-1/sqrt(a), weights and biases alike.
    """

    def __init__(self, trials: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(trials, outputs, inputs))
        self.bias = nn.Parameter(torch.empty(trials, outputs))
        self.reset(None)

    def reset(self, generators: Sequence[torch.Generator] | None) -> None:
        """Draw fresh parameters, trial by trial, so that a trial's draw is its generator's alone."""
        bound = self.weight.shape[2] ** -0.5
        for trial in range(self.weight.shape[0]):
            generator = generators[trial] if generators is not None else None
            nn.init.uniform_(self.weight.data[trial], -bound, bound, generator=generator)
            nn.init.uniform_(self.bias.data[trial], -bound, bound, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        """Apply each trial's layer to its rows (or to the shared rows)."""
        trials, outputs, inputs = self.weight.shape
        rows = x.expand(trials, *x.shape[1:]).reshape(trials, -1, inputs)
        y = torch.baddbmm(self.bias[:, None], rows, self.weight.transpose(1, 2))
        return y.view(trials, *x.shape[1:-1], outputs)


class Moments(NamedTuple):
    """Mean (L, B, C) and covariance (L, B, C, C) of rows, L = T or 1."""

    mean: Tensor
    covariance: Tensor


def moments(x: Tensor, valid: Tensor | None) -> Moments:
    """First and second moments of the valid rows of (L, B, R, C).

    Args:
        x: the rows; invalid ones may hold anything finite.
        valid: (B, R) of 0 and 1, or None where every row is valid.
    """
    if valid is None:
        mean = x.mean(dim=2)
        centred = x - mean[:, :, None]
        scaled = centred * (1 / x.shape[2])
    else:
        share = (valid / valid.sum(dim=1, keepdim=True))[None, :, :, None]
        mean = (x * share).sum(dim=2)
        centred = x - mean[:, :, None]
        scaled = centred * share
    return Moments(mean, scaled.transpose(2, 3) @ centred)


class NormalisedLinear(nn.Module):
    """A linear layer, GroupNorm with one group, ReLU.

    The group's statistics run over all channels and all valid rows of one patch. They are *not*
    read off the layer's output: the output is linear in its input, so they follow exactly from
    the input's mean and covariance, and the whole normalisation folds into weights and bias. With
    the narrow inputs of this network (1 to 8 channels into 64) that replaces five passes over the
    widest tensors by one small product.

    Which rows count is decided by ``valid`` alone: the encoder passes every (sample, neighbour)
    pair of a patch, masked ones too, as published.
    """

    def __init__(self, trials: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = Linear(trials, inputs, outputs)
        self.scale = nn.Parameter(torch.ones(trials, outputs))
        self.shift = nn.Parameter(torch.zeros(trials, outputs))

    def forward(self, x: Tensor, valid: Tensor | None, known: Moments | None = None) -> Tensor:
        """Map (T or 1, B, R, a) to (T, B, R, b).

        Args:
            x: the rows.
            valid: (B, R) of 0 and 1, or None where every row is valid.
            known: the moments of ``x`` where they are at hand already.
        """
        weight, bias = self.folded(known or moments(x, valid))
        trials, patches, inputs, outputs = weight.shape
        rows = x.expand(trials, *x.shape[1:]).reshape(trials * patches, -1, inputs)
        y = torch.baddbmm(bias.flatten(0, 1)[:, None], rows, weight.flatten(0, 1))
        return y.relu_().view(trials, patches, -1, outputs)

    def folded(self, of: Moments) -> tuple[Tensor, Tensor]:
        """Weights (T, B, a, b) and bias (T, B, b) of linear layer and normalisation in one."""
        return fold_normalisation(
            self.linear.weight[:, None], self.linear.bias[:, None], self.scale, self.shift, of
        )


def fold_normalisation(
    weight: Tensor, bias: Tensor, scale: Tensor, shift: Tensor, of: Moments
) -> tuple[Tensor, Tensor]:
    """Fold a one-group GroupNorm into the linear layer before it.

    Args:
        weight: (T, 1, b, a) of the linear layer.
        bias: (T, 1 or B, b) of the linear layer.
        scale: (T, b), the normalisation's own weights.
        shift: (T, b), the normalisation's own biases.
        of: the moments of the layer's input.

    Returns:
        Weights (T, B, a, b), ready to be multiplied from the right, and bias (T, B, b).
    """
    channel_mean = (weight @ of.mean[..., None]).squeeze(-1) + bias
    mean = channel_mean.mean(dim=-1, keepdim=True)
    within = ((weight @ of.covariance) * weight).sum(dim=-1).mean(dim=-1, keepdim=True)
    between = (channel_mean - mean).square().mean(dim=-1, keepdim=True)
    factor = scale[:, None] * torch.rsqrt(within + between + GROUP_NORM_EPSILON)
    return (weight * factor[..., None]).transpose(2, 3), (bias - mean) * factor + shift[:, None]


class Perceptron(nn.Module):
    """Linear a to hidden, GroupNorm, ReLU, Linear hidden to b."""

    def __init__(self, trials: int, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.hidden = NormalisedLinear(trials, inputs, hidden)
        self.output = Linear(trials, hidden, outputs)

    def forward(self, x: Tensor, valid: Tensor | None, known: Moments | None = None) -> Tensor:
        """Map (T or 1, B, R, a) to (T, B, R, b)."""
        y: Tensor = self.output(self.hidden(x, valid, known))
        return y


class PlainPerceptron(nn.Module):
    """Linear a to hidden, ReLU, Linear hidden to b: no normalisation, rows are independent."""

    def __init__(self, trials: int, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.hidden = Linear(trials, inputs, hidden)
        self.output = Linear(trials, hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map (T, B, R, a) to (T, B, R, b)."""
        y: Tensor = self.output(self.hidden(x).relu_())
        return y
