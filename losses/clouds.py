"""What every loss needs: padded clouds, masked means, matched rows.

Legend: L = T trials or 1 where all trials share; B patches; N points; D coordinates.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

import torch

if TYPE_CHECKING:
    from torch import Tensor


class Cloud(Protocol):
    """Points of several patches and trials, padded to one size."""

    @property
    def xyz(self) -> Tensor:
        """(L, B, N, D) coordinates."""

    @property
    def valid(self) -> Tensor:
        """(L, B, N) bool."""


CloudT = TypeVar("CloudT", bound=Cloud)

Search = Callable[[CloudT, CloudT, int], "Tensor"]
"""A nearest-neighbour search, however done: from a query cloud, a reference cloud and k to the
(T, B, N, k) indices of each query point's k nearest valid reference points."""


def masked_mean(values: Tensor, valid: Tensor) -> Tensor:
    """Mean over the valid entries of the last axis, (..., N) to (...).

    Invalid entries may hold anything finite, and get no gradient.
    """
    # The count has the type of the values: a division by integers would convert them, and again for
    # the gradient.
    return masked_sum(values, valid) / valid.sum(dim=-1, dtype=values.dtype)


def masked_sum(values: Tensor, valid: Tensor) -> Tensor:
    """Sum over the valid entries of the last axis, (..., N) to (...)."""
    return torch.where(valid, values, values.new_zeros(())).sum(dim=-1)


def matched_dist2(query: Cloud, reference: Cloud, match: Tensor) -> Tensor:
    """Squared distance from every query point to its match.

    Args:
        query: (L, B, P).
        reference: (L, B, N).
        match: (T, B, P) indices of reference points.

    Returns:
        (T, B, P); padded entries hold anything. Differentiable in both clouds.
    """
    dimensions = reference.xyz.shape[-1]
    targets = reference.xyz.expand(match.shape[0], *reference.xyz.shape[1:])
    matched = targets.gather(2, match[..., None].expand(-1, -1, -1, dimensions))
    return (query.xyz - matched).square().sum(dim=-1)


def rows_at(values: Tensor, index: Tensor) -> Tensor:
    """Entries of (L, B, N) at (T, B, P) indices, as (T, B, P)."""
    return values.expand(index.shape[0], *values.shape[1:]).gather(2, index)
