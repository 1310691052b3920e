"""The two operations on wide tensors whose derivatives are written by hand.

Left to autograd each is a chain of passes over every (sample, neighbour) pair; by hand it is as few
products as the mathematics needs. Both are held against finite differences by a test.

Legend: T trials, B patches, R rows, E owned pairs, S slots, C channels, a inputs, b hidden
channels, e extra columns, w = b + e + 1. A tensor that all trials share has a leading 1.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

Context = Any
"""What autograd hands to ``forward`` and ``backward``; its own type knows no attributes."""


def hidden_moments(
    rows: Tensor, weight: Tensor, bias: Tensor, extra: Tensor | None, valid: Tensor | None
) -> Tensor:
    """Second moments of ``[relu(rows @ weight + bias), extra, 1]`` over the valid rows.

    Args:
        rows: (1, B, R, a), geometry: no gradient reaches it.
        weight: (T, B, a, b).
        bias: (T, B, b).
        extra: (T, B, R, e) further columns, or None.
        valid: (B, R) of 0 and 1, or None where every row is valid.

    Returns:
        (T, B, w, w).
    """
    found: Tensor = _HiddenMoments.apply(rows, weight, bias, extra, valid)
    return found


def attend(logits: Tensor, values: Tensor, slot: Tensor, slots: int) -> Tensor:
    """Softmax over the rows of each slot, per channel, and the sum of weighted values.

    Args:
        logits: (T, B, E, C).
        values: (T, B, E, C).
        slot: (T * B * E,) int64, the slot of every row, counted over all trials and patches.
        slots: S, per trial and patch.

    Returns:
        (T, B, S, C); a slot without rows gets zeros.
    """
    attended: Tensor = _Attend.apply(logits, values, slot, slots)
    return attended


def row_shares(valid: Tensor | None, rows: int) -> Tensor | float:
    """What each row weighs in its patch's mean: (B, R, 1), or one number where all weigh alike."""
    return 1 / rows if valid is None else (valid / valid.sum(dim=1, keepdim=True))[..., None]


class _HiddenMoments(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Context,
        rows: Tensor,
        weight: Tensor,
        bias: Tensor,
        extra: Tensor | None,
        valid: Tensor | None,
    ) -> Tensor:
        trials, patches, inputs, _ = weight.shape
        groups, count = trials * patches, rows.shape[2]
        entering = rows.expand(trials, -1, -1, -1).reshape(groups, count, inputs)
        hidden = torch.baddbmm(bias.view(groups, 1, -1), entering, weight.view(groups, inputs, -1))
        hidden.relu_()
        columns = [hidden, hidden.new_ones((groups, count, 1))]
        if extra is not None:
            columns.insert(1, extra.reshape(groups, count, -1))
        x = torch.cat(columns, dim=2)
        share = row_shares(valid, count)
        if isinstance(share, Tensor):
            share = share.repeat(trials, 1, 1)
            found = torch.bmm(x.mT, x * share)
        else:
            found = torch.bmm(x.mT, x).mul_(share)
        context.save_for_backward(entering, hidden, x)
        context.share, context.shape = share, weight.shape
        return found.view(trials, patches, x.shape[2], x.shape[2])

    @staticmethod
    def backward(context: Context, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """d/dx_r of <G, sum of w_r x_r x_r^T> is w_r (G + G^T) x_r."""
        entering, hidden, x = context.saved_tensors
        trials, patches, _, channels = context.shape
        both = (gradient + gradient.mT).flatten(0, 1)
        if not isinstance(context.share, Tensor):
            both = both * context.share
        of_hidden = torch.bmm(x, both[..., :channels])
        of_extra = torch.bmm(x, both[..., channels:-1]) if context.needs_input_grad[3] else None
        if isinstance(context.share, Tensor):
            of_hidden *= context.share
            of_extra = None if of_extra is None else of_extra * context.share
        of_hidden = torch.ops.aten.threshold_backward.default(of_hidden, hidden, 0)
        return (
            None,
            torch.bmm(entering.mT, of_hidden).view(context.shape),
            of_hidden.sum(dim=1).view(trials, patches, channels),
            None if of_extra is None else of_extra.unflatten(0, (trials, patches)),
            None,
        )


class _Attend(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Context, logits: Tensor, values: Tensor, slot: Tensor, slots: int
    ) -> Tensor:
        trials, patches, _, channels = logits.shape
        index = slot[:, None].expand(-1, channels)
        zeros = logits.new_zeros((trials * patches * slots, channels))
        rows = logits.reshape(-1, channels)
        peak = zeros.scatter_reduce(0, index, rows, "amax", include_self=False)
        weight = (rows - peak[slot]).exp_()
        weight /= zeros.scatter_add(0, index, weight)[slot]
        values = values.reshape(-1, channels)
        attended = zeros.scatter_add_(0, index, weight * values)
        context.save_for_backward(weight, values, slot, attended)
        return attended.view(trials, patches, slots, channels)

    @staticmethod
    def backward(context: Context, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """The softmax's: weight * (value - attended), times what its slot's output is worth."""
        weight, values, slot, attended = context.saved_tensors
        shape = (*gradient.shape[:2], -1, gradient.shape[3])
        of_values = gradient.reshape(-1, gradient.shape[3])[slot] * weight
        of_logits = (values - attended[slot]) * of_values
        return of_logits.view(shape), of_values.view(shape), None, None
