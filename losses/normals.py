"""Normals: does a decoded point face the way of the true point it stands for?

Legend: T trials, B patches, P decoded points, N true points.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from losses.clouds import masked_mean

if TYPE_CHECKING:
    from torch import Tensor


def normal_error(predicted: Tensor, true: Tensor, match: Tensor, valid: Tensor) -> Tensor:
    """Mean squared error over the coordinates of the decoded points' normals.

    Args:
        predicted: (T, B, P, 3).
        true: (1, B, N, 3) normals of the true points.
        match: (T, B, P), each decoded point's nearest true point.
        valid: (T or 1, B, P) bool.

    Returns:
        (T, B); a normal has length 1.
    """
    index = match[..., None].expand(-1, -1, -1, true.shape[-1])
    target = true.expand(len(match), -1, -1, -1).gather(2, index)
    return masked_mean((predicted - target).square().mean(dim=-1), valid)
