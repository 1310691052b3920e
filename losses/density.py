"""Density: does the decoder know how many points were where, and how far apart?

Legend: T trials, B patches, N points that enter a decoder stage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from losses.clouds import masked_mean, rows_at

if TYPE_CHECKING:
    from torch import Tensor


def density_error(predicted: Tensor, true: Tensor, match: Tensor | None, valid: Tensor) -> Tensor:
    """L1 between a prediction per entering point and the matched true point's value.

    Serves for child counts and for mean distances (D-PCC, eq. 7). Decoder stage 0's entering points
    are the latent points, which correspond to the true ones by identity; a later stage's are
    matched to their nearest true point, found by the chamfer distance of the stage before.

    Args:
        predicted: (T, B, N).
        true: (1, B, M) of the true points.
        match: (T, B, N) indices into the true points, or None for identity (then M = N).
        valid: (T or 1, B, N) bool.

    Returns:
        (T, B) mean absolute errors, in points or in patch units.
    """
    target = true if match is None else rows_at(true, match)
    return masked_mean((predicted - target).abs(), valid)
