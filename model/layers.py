"""The small networks that everything is made of, as populations.

Legend: T trials, B patches, R rows (points, or sample-neighbour pairs), C channels, a inputs, b
outputs. A tensor that all trials share has a leading 1 instead of T. Weights are (T, a, b): rows
are multiplied from the left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from model.kernels import Folded, Moments, affine, fold

if TYPE_CHECKING:
    from collections.abc import Sequence


class Linear(nn.Module):
    """One linear layer per trial: a 1x1 convolution with bias, (T, B, R, a) to (T, B, R, b).

    Initialised as ``torch.nn.Conv1d`` is: uniform in +-1/sqrt(a), weights and biases alike.
    """

    def __init__(self, trials: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(trials, inputs, outputs))
        self.bias = nn.Parameter(torch.empty(trials, outputs))
        self.reset(None)

    def reset(self, generators: Sequence[torch.Generator] | None) -> None:
        """Draw fresh parameters, each trial's from its own generator."""
        bound = self.weight.shape[1] ** -0.5
        for trial in range(self.weight.shape[0]):
            generator = generators[trial] if generators is not None else None
            nn.init.uniform_(self.weight.data[trial], -bound, bound, generator=generator)
            nn.init.uniform_(self.bias.data[trial], -bound, bound, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        """Apply each trial's layer to its rows (or to the shared rows)."""
        return affine(x, self.weight, self.bias)


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
        return self.fold(self.linear.weight, self.linear.bias, of)

    def fold(self, weight: Tensor, bias: Tensor, of: Moments) -> Folded:
        """The same for another linear map into this layer's outputs, (T, a, b) and (T, b)."""
        return fold(weight, bias, self.scale, self.shift, of)


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
        y: Tensor = self.output(affine(x, self.hidden.weight, self.hidden.bias, relu=True))
        return y


def linear_moments(of: Moments, layer: Linear) -> Moments:
    """Moments of a linear layer's output, from those of its input."""
    weight = layer.weight[:, None]
    mean = (of.mean[..., None, :] @ weight).squeeze(-2) + layer.bias[:, None]
    return Moments(mean, weight.mT @ of.covariance @ weight)
