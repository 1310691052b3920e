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
        """Draw fresh parameters, each trial's from its own generator."""
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
    return Moments(*_MomentsFunction.apply(x, valid))


class _MomentsFunction(torch.autograd.Function):
    """Moments whose backward is one product; left to autograd it is ten passes over the rows.

    With row weights w that sum to 1, the covariance's derivative through the mean vanishes, and
    d/dx_r of <G, covariance> + <g, mean> is w_r ((G + G^T)(x_r - mean) + g).
    """

    @staticmethod
    def forward(
        context: torch.autograd.function.FunctionCtx, x: Tensor, valid: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        if valid is None:
            mean = x.mean(dim=2)
            centred = x - mean[:, :, None]
            covariance = centred.mT @ centred / x.shape[2]
            context.save_for_backward(centred)
        else:
            share = (valid / valid.sum(dim=1, keepdim=True))[None, :, :, None]
            mean = (x * share).sum(dim=2)
            centred = x - mean[:, :, None]
            covariance = centred.mT @ (centred * share)
            context.save_for_backward(centred, share)
        return mean, covariance

    @staticmethod
    def backward(
        context: torch.autograd.function.FunctionCtx, of_mean: Tensor, of_covariance: Tensor
    ) -> tuple[Tensor, None]:
        saved: tuple[Tensor, ...] = context.saved_tensors  # type: ignore[attr-defined]
        centred = saved[0]
        both, shift = of_covariance + of_covariance.mT, of_mean
        if len(saved) == 1:
            both, shift = both / centred.shape[2], shift / centred.shape[2]
        rows = torch.baddbmm(
            shift.flatten(0, 1)[:, None], centred.flatten(0, 1), both.flatten(0, 1)
        ).view_as(centred)
        return (rows if len(saved) == 1 else rows * saved[1]), None


def linear_moments(of: Moments, layer: Linear) -> Moments:
    """Moments of a linear layer's output, from those of its input."""
    weight = layer.weight[:, None]
    mean = (weight @ of.mean[..., None]).squeeze(-1) + layer.bias[:, None]
    return Moments(mean, weight @ of.covariance @ weight.mT)


class Folded(NamedTuple):
    """A linear layer and its normalisation in one, for every trial and patch."""

    weight: Tensor
    """(T, B, a, b), to be multiplied from the right."""
    bias: Tensor
    """(T, B, b)."""

    def __call__(self, x: Tensor) -> Tensor:
        """Apply to (T or 1, B, R, a) rows, and the ReLU; (T, B, R, b)."""
        trials, patches, inputs, _ = self.weight.shape
        rows = x.expand(trials, *x.shape[1:]).reshape(trials * patches, -1, inputs)
        bias = self.bias.flatten(0, 1)[:, None]
        y = torch.baddbmm(bias, rows, self.weight.flatten(0, 1))
        return y.relu_().view(trials, patches, x.shape[2], -1)


class NormalisedLinear(nn.Module):
    """A linear layer, GroupNorm with one group, ReLU.

    The group's statistics run over all channels and all valid rows of one patch. They are *not*
    read off the layer's output: the output is linear in its input, so they follow exactly from
    the input's mean and covariance, and the whole normalisation folds into weights and bias.

    Which rows count is decided where the moments are taken, and nowhere else: the encoder takes
    them over every (sample, neighbour) pair of a patch, masked ones too, as published, and then
    computes the layer for the owned pairs only.
    """

    def __init__(self, trials: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = Linear(trials, inputs, outputs)
        self.scale = nn.Parameter(torch.ones(trials, outputs))
        self.shift = nn.Parameter(torch.zeros(trials, outputs))

    def forward(self, x: Tensor, of: Moments) -> Tensor:
        """Map (T or 1, B, R, a) to (T, B, R, b), given the moments that normalise."""
        return self.folded(of)(x)

    def folded(self, of: Moments) -> Folded:
        """Linear layer and normalisation in one, given the moments of the input."""
        linear = self.linear
        return self.fold(linear.weight[:, None], linear.bias[:, None], of)

    def fold(self, weight: Tensor, bias: Tensor, of: Moments) -> Folded:
        """The same for other linear maps into this layer's outputs.

        Args:
            weight: (T, 1, b, a).
            bias: (T, 1, b).
            of: moments of the (T or 1, B, R, a) input.
        """
        channel_mean = (weight @ of.mean[..., None]).squeeze(-1) + bias
        mean = channel_mean.mean(dim=-1, keepdim=True)
        within = ((weight @ of.covariance) * weight).sum(dim=-1).mean(dim=-1, keepdim=True)
        between = (channel_mean - mean).square().mean(dim=-1, keepdim=True)
        factor = self.scale[:, None] * torch.rsqrt(within + between + GROUP_NORM_EPSILON)
        folded_bias = (bias - mean) * factor + self.shift[:, None]
        return Folded((weight * factor[..., None]).mT, folded_bias)


class Perceptron(nn.Module):
    """Linear a to hidden, GroupNorm, ReLU, Linear hidden to b."""

    def __init__(self, trials: int, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.hidden = NormalisedLinear(trials, inputs, hidden)
        self.output = Linear(trials, hidden, outputs)

    def forward(self, x: Tensor, of: Moments) -> Tensor:
        """Map (T or 1, B, R, a) to (T, B, R, b), given the moments that normalise."""
        y: Tensor = self.output(self.hidden(x, of))
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
