"""The kernels as functions that PyTorch can differentiate.

Legend: T trials, B patches, R rows, E owned pairs, M slots, C channels, a inputs, h hidden
channels, o outputs.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from model.native.border import (
    AttentionArguments,
    GradientArguments,
    PerceptronArguments,
    call,
    empty_like_all,
    expect,
    pointer,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

Context = Any
"""What autograd hands to ``forward`` and ``backward``; its own type knows no attributes."""


def perceptron(
    x: Tensor,
    first: tuple[Tensor, Tensor],
    norm: tuple[Tensor, Tensor] | None,
    second: tuple[Tensor, Tensor] | None,
    valid: Tensor | None,
) -> Tensor:
    """``relu(norm(x @ w1 + b1)) @ w2 + b2`` over rows.

    Args:
        x: (T or 1, B, R, a); no gradient reaches rows that trials share.
        first: weight and bias, (T, a, h) and (T, 1, h), or per patch (T, B, a, h) and (T, B, h).
        norm: scale and shift of the GroupNorm with one group over all valid rows and channels,
            (T, 1, h) each; None leaves it out.
        second: weight and bias, (T, h, o) and (T, 1, o); None leaves that layer out.
        valid: (B, R) of 0 and 1, ones first; None where every row is valid.

    Returns:
        (T, B, R, o), or (T, B, R, h) without a second layer; zero in rows that are not valid.
    """
    assert valid is None or valid.shape == x.shape[1:3], f"{valid.shape} is not of {x.shape}"
    counts = None if valid is None else valid.sum(dim=1, dtype=torch.int64)
    scale, shift = norm or (None, None)
    w2, b2 = second or (None, None)
    made: Tensor = _PerceptronFunction.apply(x, *first, scale, shift, w2, b2, counts)
    return made


def attend(logits: Tensor, values: Tensor, first: Tensor) -> Tensor:
    """Softmax over the rows of each slot, per channel, and the sum of weighted values.

    Args:
        logits: (T, B, E, C).
        values: (T, B, E, C).
        first: (B, M + 1) int64, the first row of each slot, from 0, and where the last one ends.

    Returns:
        (T, B, M, C); a slot without rows gets zeros.
    """
    attended: Tensor = _AttendFunction.apply(logits, values, first)
    return attended


class _PerceptronFunction(torch.autograd.Function):
    @staticmethod
    def forward(context: Context, x: Tensor, *rest: Tensor | None) -> Tensor:
        *weights, counts = rest
        tensors = [tensor if tensor is None else tensor.contiguous() for tensor in (x, *weights)]
        sizes = _sizes_of(tensors, counts)
        trials, patches, rows, _, hidden, outputs, *_ = sizes
        # Kept for the gradient where the normalisation needs all rows at once.
        z = x.new_empty((trials, patches, rows, hidden) if tensors[3] is not None else (0,))
        statistics = x.new_empty((trials, patches, 2))
        y = x.new_empty((trials, patches, rows, outputs))
        given = PerceptronArguments(*sizes, pointer(counts), *map(pointer, tensors))
        call("perceptron_forward", ctypes.byref(given), *map(pointer, (z, statistics, y)))
        context.save_for_backward(z, statistics, counts, *tensors)
        context.sizes = sizes
        return y

    @staticmethod
    @once_differentiable
    def backward(context: Context, gradient: Tensor) -> tuple[Tensor | None, ...]:
        z, statistics, counts, *tensors = context.saved_tensors
        gradient = gradient.contiguous()
        x = tensors[0]
        assert len(x) == context.sizes[0] or not context.needs_input_grad[0], (
            "shared rows have no gradient"
        )
        of = empty_like_all(x if context.needs_input_grad[0] else None, *tensors[1:])
        given = PerceptronArguments(*context.sizes, pointer(counts), *map(pointer, tensors))
        into = GradientArguments(gradient.data_ptr(), *map(pointer, of))
        call(
            "perceptron_backward",
            ctypes.byref(given),
            *map(pointer, (z, statistics)),
            ctypes.byref(into),
        )
        return (*of, None)


class _AttendFunction(torch.autograd.Function):
    @staticmethod
    def forward(context: Context, logits: Tensor, values: Tensor, first: Tensor) -> Tensor:
        logits, values = logits.contiguous(), values.contiguous()
        trials, patches, rows, channels = logits.shape
        slots = first.shape[1] - 1
        expect((logits, values), (trials * patches * rows * channels,) * 2)
        expect((first,), (patches * (slots + 1),), torch.int64)
        weights = torch.empty_like(logits)
        attended = logits.new_empty((trials, patches, slots, channels))
        sizes = (trials, patches, rows, slots, channels)
        first = first.contiguous()
        given = AttentionArguments(*sizes, first.data_ptr())
        call(
            "attend_forward",
            ctypes.byref(given),
            *map(pointer, (logits, values, weights, attended)),
        )
        context.save_for_backward(values, weights, attended, first)
        context.sizes = sizes
        return attended

    @staticmethod
    @once_differentiable
    def backward(context: Context, gradient: Tensor) -> tuple[Tensor | None, ...]:
        values, weights, attended, first = context.saved_tensors
        gradient = gradient.contiguous()
        of_logits, of_values = torch.empty_like(values), torch.empty_like(values)
        given = AttentionArguments(*context.sizes, first.data_ptr())
        call(
            "attend_backward",
            ctypes.byref(given),
            *map(pointer, (values, weights, attended, gradient, of_logits, of_values)),
        )
        return of_logits, of_values, None


def _sizes_of(tensors: Sequence[Tensor | None], counts: Tensor | None) -> tuple[int, ...]:
    """The sizes and switches of a perceptron; all tensors agree with them."""
    x, w1, w2 = tensors[0], tensors[1], tensors[5]
    assert x is not None, "a perceptron has rows"
    assert w1 is not None, "a perceptron has a first layer"
    rows_of, patches, rows, inputs = x.shape
    trials, hidden = w1.shape[0], w1.shape[-1]
    outputs = hidden if w2 is None else w2.shape[-1]
    layers = trials * patches if w1.dim() == 4 else trials
    in_layers = layers * hidden
    of_trials = trials * hidden
    wanted = (in_layers * inputs, in_layers, of_trials, of_trials, of_trials * outputs)
    expect(tensors, (x.numel(), *wanted, trials * outputs))
    expect((counts,), (patches,), torch.int64)
    assert rows_of in {1, trials}, f"rows of 1 or {trials} trials, not {rows_of}"
    return (
        *(trials, patches, rows, inputs, hidden, outputs),
        *(int(rows_of == trials), 0, int(w1.dim() == 4)),
    )
