"""Point count: does the decoder make as many points as there were?

Legend: T trials, B patches, N points that enter a decoder stage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from losses.clouds import masked_sum

if TYPE_CHECKING:
    from torch import Tensor


def point_count_error(child_count: Tensor, valid: Tensor, true_count: Tensor) -> Tensor:
    """|sum of predicted child counts - true number of points| of one stage.

    The published code takes the absolute value once for a whole batch, so that one patch's surplus
    cancels another's shortage; here it is taken per patch. With one patch per step, as published,
    the two agree.

    Args:
        child_count: (T, B, N) predicted real-valued counts.
        valid: (T or 1, B, N) bool.
        true_count: (1, B) points that the stage should make.

    Returns:
        (T, B) errors in points.
    """
    return (masked_sum(child_count, valid) - true_count).abs()
