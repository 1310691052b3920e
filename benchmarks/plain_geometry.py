"""The geometry of a patch as it is usually written in torch, computed again in every step.

Legend: N entering points, M samples, Q queries, R references, K neighbours. Points are (N, 3); one
patch at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


class PlainLevel(NamedTuple):
    """One encoder stage; what :class:`model.hierarchy.Level` holds, as tensors."""

    samples: Tensor
    """(M,) indices into the entering points, farthest point order from index 0."""
    neighbours: Tensor
    """(M, K) indices into the entering points, nearest first."""
    owned: Tensor
    """(M, K) bool, whether the neighbour's nearest sample is this one."""
    child_count: Tensor
    """(M,) how many of all entering points this sample owns."""
    mean_distance: Tensor
    """(M,) sum of the distances to the owned neighbours over the count."""


@torch.no_grad()
def plain_hierarchy(points: Tensor, rates: Sequence[float], k: int) -> list[PlainLevel]:
    """The levels of (N, 3) points, finest first."""
    levels = []
    for rate in rates:
        level = plain_level(points, round(len(points) * rate), k)
        levels.append(level)
        points = points[level.samples]
    return levels


def plain_level(points: Tensor, sample_count: int, k: int) -> PlainLevel:
    """Collapse (N, 3) points into samples."""
    samples = farthest_points(points, sample_count)
    at_samples = points[samples]
    owner = nearest(points, at_samples, 1)[:, 0]
    neighbours = nearest(at_samples, points, k)
    owned = owner[neighbours] == torch.arange(sample_count)[:, None]
    child_count = owner.bincount(minlength=sample_count).float()
    distance = (at_samples[:, None] - points[neighbours]).norm(dim=2)
    # Duplicate points can leave a sample without children.
    mean_distance = (distance * owned).sum(dim=1) / child_count.clamp_min(1)
    return PlainLevel(samples, neighbours, owned, child_count, mean_distance)


def farthest_points(points: Tensor, count: int) -> Tensor:
    """(count,) indices: the first point, then always the one farthest from those chosen."""
    chosen = torch.zeros(count, dtype=torch.long)
    dist2 = torch.full((len(points),), torch.inf)
    for turn in range(1, count):
        newest = points[chosen[turn - 1]]
        dist2 = torch.minimum(dist2, (points - newest).square().sum(dim=1))
        chosen[turn] = dist2.argmax()
    return chosen


@torch.no_grad()
def nearest(query: Tensor, reference: Tensor, k: int) -> Tensor:
    """Indices of the k nearest of (R, 3) points to each of (Q, 3), nearest first; (Q, min(k, R)).

    By all squared distances, summed one coordinate after the other: of the plain ways that are
    exact the fastest here (`cdist` by differences and one broadcast difference are slower, `cdist`
    by products is not exact).
    """
    dist2 = torch.zeros(len(query), len(reference))
    for axis in range(3):
        dist2 += (query[:, None, axis] - reference[:, axis]).square_()
    return dist2.topk(min(k, len(reference)), dim=1, largest=False).indices
