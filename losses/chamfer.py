"""Chamfer distance: how far two clouds are from each other.

Legend: T trials, B patches, P decoded points, N true points, D coordinates.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from losses.clouds import masked_mean, masked_sum, matched_dist2

if TYPE_CHECKING:
    from torch import Tensor

    from losses.clouds import Cloud, CloudT, Search


class Sides(StrEnum):
    """Which of the two sums counts."""

    BOTH = "both"
    DECODED_TO_TRUE = "decoded_to_true"
    TRUE_TO_DECODED = "true_to_decoded"


class Reduction(StrEnum):
    """How one side's squared distances become one number."""

    MEAN = "mean"
    SUM = "sum"


class Matches(NamedTuple):
    """Indices of the nearest points; None for a side that was not computed."""

    true_of_decoded: Tensor | None
    """(T, B, P) index of each decoded point's nearest true point."""
    decoded_of_true: Tensor | None
    """(T, B, N) index of each true point's nearest decoded point."""


def chamfer(
    decoded: CloudT,
    true: CloudT,
    search: Search[CloudT],
    *,
    sides: Sides = Sides.BOTH,
    reduction: Reduction = Reduction.MEAN,
) -> tuple[Tensor, Matches]:
    """Squared nearest distances, reduced per side, both sides added.

    ``mean_p min_q |p - q|^2 + mean_q min_p |p - q|^2`` (D-PCC, eq. 6, with squared distances as in
    its released code). The distances are recomputed from the matched pairs, so gradients are exact:
    a point is pulled by its own nearest point and by all points whose nearest point it is.

    Returns:
        (T, B) distances in squared patch units, and the matches.
    """
    total: Tensor | None = None
    true_of_decoded = decoded_of_true = None
    if sides is not Sides.TRUE_TO_DECODED:
        true_of_decoded = search(decoded, true, 1).squeeze(-1)
        total = one_side(decoded, true, true_of_decoded, reduction)
    if sides is not Sides.DECODED_TO_TRUE:
        decoded_of_true = search(true, decoded, 1).squeeze(-1)
        other = one_side(true, decoded, decoded_of_true, reduction)
        total = other if total is None else total + other
    assert total is not None, f"no side is named {sides}"
    return total, Matches(true_of_decoded, decoded_of_true)


def one_side(
    query: Cloud, reference: Cloud, match: Tensor, reduction: Reduction = Reduction.MEAN
) -> Tensor:
    """One of the two sums: squared distances of the query points to their matches, (T, B)."""
    reduce = masked_mean if reduction is Reduction.MEAN else masked_sum
    return reduce(matched_dist2(query, reference, match), query.valid)
