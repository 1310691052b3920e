"""The small networks that everything is made of, as populations.

Legend: T trials, B patches, R rows (points, or sample-neighbour pairs), C channels, a inputs, b
outputs. A tensor that all trials share has a leading 1 instead of T. Weights are (T, a, b): rows
are multiplied from the left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812  the name everyone knows
from torch import Tensor, nn

from model.kernels import Context, hidden_moments, row_shares
from model.native.functions import perceptron
from model.native.library import usable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

GROUP_NORM_EPSILON = 1e-5
WHOLE_VECTORS = 32
"""PyTorch goes through numbers by two vectors at a time, of up to 16 float32, and computes what is
left over by another formula."""


class Linear(nn.Module):
    """One linear layer per trial: a 1x1 convolution with bias, (T, B, R, a) to (T, B, R, b).

    Initialised as ``torch.nn.Conv1d`` is: uniform in +-1/sqrt(a), weights and biases alike.
    """

    def __init__(self, trials: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(trials, inputs, outputs))
        self.bias = nn.Parameter(torch.empty(trials, 1, outputs))
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


def affine(x: Tensor, weight: Tensor, bias: Tensor, *, relu: bool = False) -> Tensor:
    """``x @ weight + bias`` for (T or 1, B, R, a) rows, (T, a, b) weights and (T, 1, b) biases."""
    trials, inputs, outputs = weight.shape
    rows = x if x.shape[0] == trials else x.expand(trials, -1, -1, -1)
    # A product with one column is summed otherwise for one trial than for several: one output, or,
    # on the way back, one input.
    if outputs == 1:
        return affine(x, F.pad(weight, (0, 1)), F.pad(bias, (0, 1)), relu=relu)[..., :1]
    plus_product = torch.baddbmm if inputs > 1 else torch.addcmul
    y = plus_product(bias, rows.reshape(trials, -1, inputs), weight)
    if relu:
        # Before the view is taken: in place on a view, autograd would copy everything.
        y = y.relu_()
    return y.view(trials, *x.shape[1:-1], outputs)


def each_alike(function: Callable[[Tensor], Tensor], x: Tensor, trials: int) -> Tensor:
    """A function of every number, the same whatever stands beside it.

    PyTorch's softplus and sigmoid make another last bit of the last numbers of a tensor. Which
    those are depends on the number of trials, unless each trial's fill whole vectors.

    Args:
        function: element by element.
        x: trials lead, alone or times something.
        trials: T.
    """
    x = x.contiguous()
    count = x.numel() // trials
    if count % WHOLE_VECTORS == 0:
        return function(x)
    rows = F.pad(x.view(trials, count), (0, -count % WHOLE_VECTORS))
    return function(rows)[:, :count].reshape(x.shape)


def contiguous(x: Tensor) -> Tensor:
    """The same numbers in the order of their indices, and their gradient too.

    A tensor of one trial and patch is rearranged by another view where that of several is copied,
    and matrix products of another layout may round otherwise.
    """
    ordered: Tensor = _Contiguous.apply(x)
    return ordered


class _Contiguous(torch.autograd.Function):
    @staticmethod
    def forward(_: Context, x: Tensor) -> Tensor:
        return x.contiguous()

    @staticmethod
    def backward(_: Context, gradient: Tensor) -> Tensor:
        return gradient.contiguous()


class Folded(NamedTuple):
    """A linear layer and its normalisation in one, for every trial and patch."""

    weight: Tensor
    """(T, B, a, b)."""
    bias: Tensor
    """(T, B, b)."""

    def __call__(self, x: Tensor) -> Tensor:
        """Apply to (T or 1, B, R, a) rows, and the ReLU; (T, B, R, b)."""
        if usable(x):
            return perceptron(x, self, None, None, None)
        trials, patches, inputs, outputs = self.weight.shape
        rows = x if x.shape[0] == trials else x.expand(trials, -1, -1, -1)
        y = torch.baddbmm(
            self.bias.view(-1, 1, outputs),
            rows.reshape(trials * patches, -1, inputs),
            self.weight.view(-1, inputs, outputs),
        )
        return y.relu_().view(trials, patches, x.shape[2], outputs)

    def moments(self, rows: Tensor, extra: Tensor | None, valid: Tensor | None) -> Tensor:
        """See :func:`model.kernels.hidden_moments`."""
        return hidden_moments(rows, self.weight, self.bias, extra, valid)


class NormalisedLinear(nn.Module):
    """A linear layer, GroupNorm with one group, ReLU.

    The group's statistics run over all channels and all valid rows of one patch. They can be read
    off the layer's output, or follow from its input: the output is linear in it, so the second
    moments of ``[input, 1]`` determine them exactly, and the whole normalisation folds into weights
    and bias. The encoder does the latter: it takes the moments over every (sample, neighbour) pair
    of a patch, masked ones too, as published, and computes the layer for the owned pairs only.
    Which rows count is decided where moments are taken, and nowhere else.
    """

    def __init__(self, trials: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = Linear(trials, inputs, outputs)
        self.scale = nn.Parameter(torch.ones(trials, 1, outputs))
        self.shift = nn.Parameter(torch.zeros(trials, 1, outputs))

    def forward(self, x: Tensor, valid: Tensor | None) -> Tensor:
        """Map (T or 1, B, R, a) to (T, B, R, b).

        Args:
            x: the rows; invalid ones may hold anything finite.
            valid: (B, R) of 0 and 1, or None where every row is valid.
        """
        return self.through(self.linear.weight, self.linear.bias, x, valid)

    def through(self, weight: Tensor, bias: Tensor, x: Tensor, valid: Tensor | None) -> Tensor:
        """The same with another linear map into this layer's outputs, (T, a, b) and (T, 1, b)."""
        if usable(x):
            return perceptron(x, (weight, bias), (self.scale, self.shift), None, valid)
        if valid is not None:
            return self.fold(weight, bias, moments(x, valid))(x)
        y = affine(x, weight, bias)
        z = F.layer_norm(y.flatten(2), (y.shape[2] * y.shape[3],), eps=GROUP_NORM_EPSILON)
        scale, shift = self.scale[:, None], self.shift[:, None]
        return torch.addcmul(shift, z.view_as(y), scale).relu_()

    def folded(self, of: Tensor) -> Folded:
        """Linear layer and normalisation in one, given the (L, B, a+1, a+1) input moments."""
        return self.fold(self.linear.weight, self.linear.bias, of)

    def fold(self, weight: Tensor, bias: Tensor, of: Tensor) -> Folded:
        """The same for another linear map into this layer's outputs, (T, a, b) and (T, 1, b).

        With v = [weight, bias] the outputs' mean square is <v v^T, moments> / b, and their mean is
        the moments' last row times the mean over v's columns.
        """
        with_bias = torch.cat([weight, bias], dim=1)
        gram = torch.bmm(with_bias, with_bias.mT)
        square = (of * gram[:, None]).sum(dim=(-2, -1)) * (1 / weight.shape[2])
        mean = (of[..., -1, :] * with_bias.mean(dim=-1)[:, None]).sum(dim=-1)
        # Rounding can take the difference below zero where all outputs are nearly equal.
        variance = torch.addcmul(square, mean, mean, value=-1).clamp_min(0.0)
        root = torch.rsqrt(variance + GROUP_NORM_EPSILON)
        factor = self.scale * root[..., None]
        shifted = torch.addcmul(self.shift, bias - mean[..., None], factor)
        return Folded(weight[:, None] * factor[:, :, None], shifted)


class Perceptron(nn.Module):
    """Linear a to hidden, GroupNorm, ReLU, Linear hidden to b."""

    def __init__(self, trials: int, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.hidden = NormalisedLinear(trials, inputs, hidden)
        self.output = Linear(trials, hidden, outputs)

    def forward(self, x: Tensor, valid: Tensor | None) -> Tensor:
        """Map (T or 1, B, R, a) to (T, B, R, b); see :class:`NormalisedLinear`."""
        hidden, output = self.hidden, self.output
        if usable(x):
            first, norm = (hidden.linear.weight, hidden.linear.bias), (hidden.scale, hidden.shift)
            return perceptron(x, first, norm, (output.weight, output.bias), valid)
        y: Tensor = output(hidden(x, valid))
        return y


class PlainPerceptron(nn.Module):
    """Linear a to hidden, ReLU, Linear hidden to b: no normalisation, rows are independent."""

    def __init__(self, trials: int, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.hidden = Linear(trials, inputs, hidden)
        self.output = Linear(trials, hidden, outputs)

    @property
    def layers(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Weight and bias of the first layer, and of the second."""
        return self.hidden.weight, self.hidden.bias, self.output.weight, self.output.bias

    def forward(self, x: Tensor) -> Tensor:
        """Map (T, B, R, a) to (T, B, R, b)."""
        w1, b1, w2, b2 = self.layers
        if usable(x):
            return perceptron(x, (w1, b1), None, (w2, b2), None)
        y: Tensor = self.output(affine(x, w1, b1, relu=True))
        return y


def moments(x: Tensor, valid: Tensor | None) -> Tensor:
    """Second moments of ``[x, 1]`` over the valid rows; (L, B, C+1, C+1).

    Args:
        x: (L, B, R, C); invalid rows may hold anything finite.
        valid: (B, R) of 0 and 1, or None where every row is valid.
    """
    with_one = F.pad(x, (0, 1), value=1.0)
    return with_one.mT @ (with_one * row_shares(valid, x.shape[2]))


def linear_moments(of: Tensor, layer: Linear) -> Tensor:
    """Moments of a linear layer's output, from those of its input."""
    with_bias = torch.cat([layer.weight, layer.bias], dim=1)
    # One more column carries the constant 1 along.
    one = F.pad(with_bias.new_ones((len(with_bias), 1, 1)), (0, 0, with_bias.shape[1] - 1, 0))
    lifted = torch.cat([with_bias, one], dim=2)
    return lifted.mT[:, None] @ of @ lifted[:, None]
