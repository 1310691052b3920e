"""The placement of points as one function that PyTorch can differentiate.

Legend: T trials, B patches, R points, a inputs, D candidate directions, C channels.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from model.native.border import (
    GradientArguments,
    PerceptronArguments,
    PlacementArguments,
    PlacementGradients,
    PlacementState,
    call,
    empty_like_all,
    expect,
    pointer,
)

if TYPE_CHECKING:
    from model.native.functions import Context

Layers = tuple[Tensor, Tensor, Tensor, Tensor]
"""Weight and bias of both layers of a perceptron, (T, a, h), (T, 1, h), (T, h, o) and (T, 1, o)."""


def place(
    x: Tensor,
    xyz: Tensor,
    sizes: Tensor,
    candidates: Tensor,
    direction: Layers,
    length: Layers,
    features: Layers | None,
    residual: Tensor | None,
) -> tuple[Tensor, Tensor | None]:
    """``xyz + normalise(softmax(direction(x)) @ candidates) * length(x)``, and ``features(x)``.

    Args:
        x: (T, B, R, a), what the three perceptrons see of every point.
        xyz: (T, B, R, 3), where each point starts.
        sizes: (T, B) int64, how many leading points are valid; the others stay where they are.
        candidates: (D, 3).
        direction: to D shares.
        length: to one number.
        features: to C channels; None where nobody reads them.
        residual: (T, B, R, C), added to the features, or None.

    Returns:
        (T, B, R, 3) and (T, B, R, C), or None without features.
    """
    nothing = (None,) * 4
    placed, made = _PlaceFunction.apply(
        x, xyz, candidates, residual, *direction, *length, *(features or nothing), sizes
    )
    return placed, made if features is not None else None


class _PlaceFunction(torch.autograd.Function):
    @staticmethod
    def forward(context: Context, *given: Tensor | None) -> tuple[Tensor, Tensor | None]:
        tensors = [None if tensor is None else tensor.contiguous() for tensor in given]
        x, _, _, _, *layers, _ = tensors
        assert x is not None, "points are placed by what is seen of them"
        leading = x.shape[:3]
        outputs = [0 if w2 is None else w2.shape[-1] for w2 in layers[2::4]]
        shares, distance = (x.new_empty((*leading, width)) for width in outputs[:2])
        unit, norm, placed = (x.new_empty((*leading, width)) for width in (3, 1, 3))
        made = x.new_empty((*leading, outputs[2])) if outputs[2] else None
        kept = (shares, distance, unit, norm)
        call(
            "placement_forward",
            ctypes.byref(_placement(tensors)),
            ctypes.byref(PlacementState(*map(pointer, kept))),
            *map(pointer, (placed, made)),
        )
        context.save_for_backward(*tensors, *kept)
        return placed, made

    @staticmethod
    @once_differentiable
    def backward(
        context: Context, of_placed: Tensor, of_made: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        saved = context.saved_tensors
        tensors, kept = saved[:17], saved[17:]
        x, shares, distance = tensors[0], kept[0], kept[1]
        of_placed = of_placed.contiguous()
        of_made = None if of_made is None else of_made.contiguous()
        assert (of_made is None) == (tensors[12] is None), "features that are made have a gradient"
        of_x, of_layers = torch.zeros_like(x), empty_like_all(*tensors[4:16])
        of_shares, of_distance, part = map(torch.empty_like, (shares, distance, x))
        into = [
            GradientArguments(pointer(y), pointer(part), *map(pointer, (*layer[:2], None, None)),
                       *map(pointer, layer[2:]))
            for y, layer in zip(
                (of_shares, of_distance, of_made),
                (of_layers[:4], of_layers[4:8], of_layers[8:]),
                strict=True,
            )
        ]  # fmt: skip
        call(
            "placement_backward",
            ctypes.byref(_placement(tensors)),
            ctypes.byref(PlacementState(*map(pointer, kept))),
            ctypes.byref(
                PlacementGradients(*into, *map(pointer, (of_placed, of_x, of_shares, of_distance)))
            ),
        )
        of_residual = of_made if tensors[3] is not None else None
        return (of_x, of_placed, None, of_residual, *of_layers, None)


def _placement(tensors: tuple[Tensor | None, ...] | list[Tensor | None]) -> PlacementArguments:
    x, xyz, candidates, residual, *layers, sizes = tensors
    assert x is not None, "points are placed by what is seen of them"
    points, features = x.shape[:3].numel(), layers[-1]
    channels = 0 if features is None else features.shape[-1]
    directions = 0 if layers[3] is None else layers[3].shape[-1]
    expect((xyz, candidates, residual), (3 * points, 3 * directions, channels * points))
    expect((sizes,), (x.shape[:2].numel(),), torch.int64)
    networks = [_network(x, sizes, *layers[first : first + 4]) for first in (0, 4, 8)]
    return PlacementArguments(*networks, *map(pointer, (candidates, xyz, residual)))


def _network(
    x: Tensor,
    sizes: Tensor | None,
    w1: Tensor | None,
    b1: Tensor | None,
    w2: Tensor | None,
    b2: Tensor | None,
) -> PerceptronArguments:
    if w1 is None or w2 is None:
        return PerceptronArguments()
    (trials, inputs), hidden, outputs = (len(x), x.shape[-1]), w1.shape[-1], w2.shape[-1]
    numbers = (inputs * hidden, hidden, hidden * outputs, outputs)
    expect((x, w1, b1, w2, b2), (x.numel(), *(trials * number for number in numbers)))
    numbers = (*x.shape, hidden, outputs, 1, 1, 0)
    return PerceptronArguments(*numbers, *map(pointer, (sizes, x, w1, b1, None, None, w2, b2)))
