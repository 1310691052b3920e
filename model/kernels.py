"""The operations that a training step spends its time in, with derivatives by hand.

On small patches a step is bound by the number of operations and of passes over wide tensors, not by
arithmetic. Left to autograd each of these is a chain of ten to forty small operations, forward and
backward; here each is one node with as few passes as the mathematics needs. Every derivative is
held against finite differences by a test.

Legend: T trials, B patches, R rows, E owned pairs, S slots, C channels, a inputs, b outputs. L is T,
or 1 where all trials share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from torch.autograd.function import FunctionCtx

GROUP_NORM_EPSILON = 1e-5


class Moments(NamedTuple):
    """Mean (L, B, C) and covariance (L, B, C, C) of rows."""

    mean: Tensor
    covariance: Tensor


class Folded(NamedTuple):
    """A linear layer and its normalisation in one, for every trial and patch."""

    weight: Tensor
    """(T, B, a, b)."""
    bias: Tensor
    """(T, B, b)."""

    def __call__(self, x: Tensor) -> Tensor:
        """Apply to (T or 1, B, R, a) rows, and the ReLU; (T, B, R, b)."""
        return affine(x, self.weight, self.bias, relu=True)


def affine(x: Tensor, weight: Tensor, bias: Tensor, *, relu: bool = False) -> Tensor:
    """``x @ weight + bias``, and the ReLU where asked.

    Args:
        x: (L, B, R, a).
        weight: (T, a, b), or (T, B, a, b) where patches differ.
        bias: (T, b), or (T, B, b).
        relu: whether to.

    Returns:
        (T, B, R, b).
    """
    y: Tensor = _Affine.apply(x, weight, bias, relu)
    return y


def fold(weight: Tensor, bias: Tensor, scale: Tensor, shift: Tensor, of: Moments) -> Folded:
    """Fold a one-group GroupNorm into the linear layer before it.

    Args:
        weight: (T, a, b) of the linear layer.
        bias: (T, b) of the linear layer.
        scale: (T, b), the normalisation's own weights.
        shift: (T, b), the normalisation's own biases.
        of: moments of the layer's input, (L, B, ...).
    """
    return Folded(*_Fold.apply(weight, bias, scale, shift, of.mean, of.covariance))


def moments(x: Tensor, valid: Tensor | None) -> Moments:
    """First and second moments of the valid rows of (L, B, R, C).

    Args:
        x: the rows; invalid ones may hold anything finite.
        valid: (B, R) of 0 and 1, or None where every row is valid.
    """
    return Moments(*_Moments.apply(x, valid))


def hidden_moments(
    rows: Tensor, layer: Folded, extra: Tensor | None, valid: Tensor | None
) -> Moments:
    """Moments of ``[layer(rows), extra]`` over the valid rows, the layer's ReLU included.

    Args:
        rows: (1, B, R, a), geometry: no gradient reaches it.
        layer: a to b channels.
        extra: (T, B, R, e) further columns, or None.
        valid: (B, R) of 0 and 1, or None where every row is valid.
    """
    return Moments(*_HiddenMoments.apply(rows, layer.weight, layer.bias, extra, valid))


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


class _Affine(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor, weight: Tensor, bias: Tensor, relu: bool) -> Tensor:  # noqa: ANN401, FBT001  autograd's signature
        trials, (patches, rows, inputs) = weight.shape[0], x.shape[1:]
        groups = trials * patches if weight.dim() == 4 else trials
        grouped = x if x.shape[0] == trials else x.expand(trials, -1, -1, -1)
        grouped = grouped.reshape(groups, -1, inputs)
        matrices = weight.view(groups, inputs, -1)
        y = torch.baddbmm(bias.view(groups, 1, -1), grouped, matrices)
        if relu:
            y.relu_()
        context.save_for_backward(grouped, matrices, y if relu else None)
        context.shapes = (x.shape, weight.shape, bias.shape)
        return y.view(trials, patches, rows, -1)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        grouped, matrices, y = context.saved_tensors
        x_shape, weight_shape, bias_shape = context.shapes
        of_y = gradient.reshape(grouped.shape[0], grouped.shape[1], -1)
        if y is not None:
            of_y = torch.ops.aten.threshold_backward(of_y, y, 0)
        of_x = None
        if context.needs_input_grad[0]:
            of_x = (of_y @ matrices.mT).view(gradient.shape[0], *x_shape[1:])
            if x_shape[0] != gradient.shape[0]:
                of_x = of_x.sum(dim=0, keepdim=True)
        of_weight = (grouped.mT @ of_y).view(weight_shape)
        return of_x, of_weight, of_y.sum(dim=1).view(bias_shape), None


class _Fold(torch.autograd.Function):
    """With W the weight, mu = mean W + bias the channel means, m their mean, d = mu - m:

    variance = (sum(W * cov W) + sum(d^2)) / b, r = (variance + epsilon)^-1/2, f = scale * r;
    folded weight = W * f, folded bias = (bias - m) * f + shift.
    """

    @staticmethod
    def forward(  # noqa: PLR0913  the six tensors of the formula
        context: Any,  # noqa: ANN401
        weight: Tensor, bias: Tensor, scale: Tensor, shift: Tensor, mean: Tensor,
        covariance: Tensor,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        outputs = weight.shape[2]
        wide, wide_bias = weight[:, None], bias[:, None]
        spread = covariance @ wide
        channel_mean = (mean[..., None, :] @ wide).squeeze(-2) + wide_bias
        overall = channel_mean.mean(dim=-1, keepdim=True)
        deviation = channel_mean - overall
        variance = (spread * wide).sum(dim=(-2, -1)) + deviation.square().sum(dim=-1)
        root = torch.rsqrt(variance / outputs + GROUP_NORM_EPSILON)[..., None]
        factor = scale[:, None] * root
        centred_bias = wide_bias - overall
        context.save_for_backward(
            weight, scale, mean, spread, deviation, root, factor, centred_bias
        )
        return wide * factor[..., None, :], centred_bias * factor + shift[:, None]

    @staticmethod
    def backward(context: Any, of_folded: Tensor, of_bias: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        weight, scale, mean, spread, deviation, root, factor, centred = context.saved_tensors
        outputs, wide = weight.shape[2], weight[:, None]
        of_factor = (of_folded * wide).sum(dim=-2) + of_bias * centred
        of_centred = of_bias * factor
        of_root = (of_factor * scale[:, None]).sum(dim=-1, keepdim=True)
        # Twice the derivative with respect to the variance's sum.
        twice = of_root * root.pow(3) * (-1 / outputs)
        of_channel_mean = twice * deviation - of_centred.sum(dim=-1, keepdim=True) / outputs
        of_weight = torch.addcmul(of_folded * factor[..., None, :], spread, twice[..., None])
        of_weight.addcmul_(mean[..., None], of_channel_mean[..., None, :])
        of_mean = of_covariance = None
        if context.needs_input_grad[5]:
            of_covariance = (wide @ wide.mT) * (twice[..., None] / 2)
            of_mean = (of_channel_mean[..., None, :] @ wide.mT).squeeze(-2)
            if mean.shape[0] != weight.shape[0]:
                of_covariance = of_covariance.sum(dim=0, keepdim=True)
                of_mean = of_mean.sum(dim=0, keepdim=True)
        return (
            of_weight.sum(dim=1),
            (of_centred + of_channel_mean).sum(dim=1),
            (of_factor * root).sum(dim=1),
            of_bias.sum(dim=1),
            of_mean,
            of_covariance,
        )


class _Moments(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:  # noqa: ANN401
        share = _shares(valid)
        mean, covariance, centred = _centre(x.flatten(0, 1).clone(), share, x.shape[0])
        context.save_for_backward(centred, share)
        context.shape = x.shape
        return mean.view(*x.shape[:2], -1), covariance.unflatten(0, x.shape[:2])

    @staticmethod
    def backward(context: Any, of_mean: Tensor, of_covariance: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        centred, share = context.saved_tensors
        return _of_rows(centred, share, of_mean, of_covariance).view(context.shape), None


class _HiddenMoments(torch.autograd.Function):
    @staticmethod
    def forward(  # noqa: PLR0913
        context: Any,  # noqa: ANN401
        rows: Tensor, weight: Tensor, bias: Tensor, extra: Tensor | None, valid: Tensor | None,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        trials, patches, inputs, _ = weight.shape
        grouped = rows.expand(trials, -1, -1, -1).reshape(trials * patches, -1, inputs)
        x = torch.baddbmm(bias.flatten(0, 1)[:, None], grouped, weight.flatten(0, 1)).relu_()
        if extra is not None:
            x = torch.cat([x, extra.flatten(0, 1)], dim=-1)
        share = _shares(valid)
        mean, covariance, centred = _centre(x, share, trials)
        context.save_for_backward(grouped, centred, mean, share)
        context.shape = weight.shape
        leading = (trials, patches)
        return mean.unflatten(0, leading).squeeze(2), covariance.unflatten(0, leading)

    @staticmethod
    def backward(
        context: FunctionCtx, of_mean: Tensor, of_covariance: Tensor
    ) -> tuple[Tensor | None, ...]:
        grouped, centred, mean, share = context.saved_tensors  # type: ignore[attr-defined]
        shape = context.shape  # type: ignore[attr-defined]
        hidden = shape[3]
        of_x = _of_rows(centred, share, of_mean, of_covariance)
        # Where the ReLU gave zero, the centred value is minus the mean, exactly.
        passed = centred[..., :hidden] > -mean[..., :hidden]
        of_hidden = of_x[..., :hidden] * passed
        of_extra = of_x[..., hidden:].unflatten(0, shape[:2]) if of_x.shape[2] > hidden else None
        return (
            None,
            (grouped.mT @ of_hidden).view(shape),
            of_hidden.sum(dim=1).view(*shape[:2], hidden),
            of_extra,
            None,
        )


class _Attend(torch.autograd.Function):
    @staticmethod
    def forward(  # noqa: PLR0913
        context: Any, logits: Tensor, values: Tensor, slot: Tensor, slots: int  # noqa: ANN401
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
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        weight, values, slot, attended = context.saved_tensors
        shape = (*gradient.shape[:2], -1, gradient.shape[3])
        of_values = gradient.reshape(-1, gradient.shape[3])[slot] * weight
        of_logits = (values - attended[slot]) * of_values
        return of_logits.view(shape), of_values.view(shape), None, None


def _shares(valid: Tensor | None) -> Tensor | None:
    """Each row's weight in its patch's mean, (B, R, 1); None where all weigh the same."""
    return None if valid is None else (valid / valid.sum(dim=1, keepdim=True))[..., None]


def _centre(
    x: Tensor, share: Tensor | None, leading: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Mean (G, 1, C), covariance (G, C, C) and the centred rows, of (G, R, C) that it overwrites."""
    if share is None:
        mean = x.mean(dim=1, keepdim=True)
        centred = x.sub_(mean)
        return mean, centred.mT @ centred / x.shape[1], centred
    weights = share.repeat(leading, 1, 1)
    mean = (x * weights).sum(dim=1, keepdim=True)
    centred = x.sub_(mean)
    return mean, centred.mT @ (centred * weights), centred


def _of_rows(
    centred: Tensor, share: Tensor | None, of_mean: Tensor, of_covariance: Tensor
) -> Tensor:
    """The derivative of the moments with respect to the rows, (G, R, C).

    With row weights w that sum to 1, the covariance's derivative through the mean vanishes, and
    d/dx_r of <G, covariance> + <g, mean> is w_r ((G + G^T) (x_r - mean) + g).
    """
    both = (of_covariance + of_covariance.mT).flatten(0, 1)
    shift = of_mean.flatten(0, 1)[:, None]
    if share is None:
        both, shift = both / centred.shape[1], shift / centred.shape[1]
        return torch.baddbmm(shift, centred, both)
    rows = torch.baddbmm(shift, centred, both)
    return rows.mul_(share.repeat(len(centred) // len(share), 1, 1))
