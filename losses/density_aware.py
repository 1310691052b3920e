"""Density-aware chamfer distance: nearness, shared among those who want the same point.

Legend: T trials, B patches, P decoded points, N true points.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from losses.clouds import masked_mean, matched_dist2, rows_at

if TYPE_CHECKING:
    from torch import Tensor

    from losses.chamfer import Matches
    from losses.clouds import Cloud

SHARPNESS = 1000.0
"""Per squared patch unit: the released code's default. Half of a match is lost at 0.026 units."""


def density_aware_chamfer(
    decoded: Cloud, true: Cloud, matches: Matches, sharpness: float = SHARPNESS
) -> Tensor:
    """The mean over both sides of ``1 - share * exp(-sharpness * dist2)``, from 0 to 1.

    Wu et al., "Density-aware Chamfer Distance" (NeurIPS 2021). A point's share is 1 if nobody else
    has its nearest point as nearest, and 1 over the number of those who do otherwise; where one
    side has r times as many points as the other, r of its points may share one in full. So a heap
    of points on one true point costs, and so does a true point far from everything, but never more
    than 1: an outlier does not rule the sum. No gradient goes through the shares.

    Args:
        decoded: (T, B, P).
        true: (1 or T, B, N).
        matches: both sides' nearest points, as :func:`losses.chamfer` returns them. Time and memory
            are linear in P + N, once these are known.
        sharpness: what a squared distance is multiplied by; the larger, the more local.

    Returns:
        (T, B), without unit.
    """
    assert matches.true_of_decoded is not None, "both sides are needed"
    assert matches.decoded_of_true is not None, "both sides are needed"
    accuracy = _one_side(decoded, true, matches.true_of_decoded, sharpness)
    coverage = _one_side(true, decoded, matches.decoded_of_true, sharpness)
    return (accuracy + coverage) / 2


def _one_side(query: Cloud, reference: Cloud, match: Tensor, sharpness: float) -> Tensor:
    dist2 = matched_dist2(query, reference, match)
    valid = query.valid.expand(match.shape)
    wanted = torch.zeros(
        (*match.shape[:2], reference.xyz.shape[2]), dtype=dist2.dtype, device=dist2.device
    ).scatter_add_(2, match, valid.to(dist2.dtype))
    sizes = (cloud.valid.sum(dim=-1, dtype=dist2.dtype) for cloud in (query, reference))
    fair = torch.div(*sizes).clamp(min=1.0)[..., None]
    share = (fair / rows_at(wanted, match).clamp(min=1.0)).clamp(max=1.0)
    return masked_mean(1 - share * torch.exp(-sharpness * dist2), valid)
