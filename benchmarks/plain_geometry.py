"""The geometry of a patch as it is usually written, computed again in every step.

Written twice: with torch alone, all distances at each search; and as one who measured on a CPU
would, with k-d trees and fpsample's buckets.

Legend: N entering points, M samples, Q queries, R references, K neighbours. Points are (N, 3); one
patch at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import fpsample
import numpy as np
import torch
from pykdtree.kdtree import KDTree

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor


class PlainTools(NamedTuple):
    """What the geometry is computed with."""

    name: str
    sample: Callable[[Tensor, int], Tensor]
    """(count,) int64 indices of the farthest point samples of (N, 3) points."""
    nearest: Callable[[Tensor, Tensor, int], Tensor]
    """(Q, min(K, R)) int64 indices of the nearest of (R, 3) points to (Q, 3), nearest first."""


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
def plain_hierarchy(
    points: Tensor, rates: Sequence[float], k: int, tools: PlainTools
) -> list[PlainLevel]:
    """The levels of (N, 3) points, finest first."""
    levels = []
    for rate in rates:
        level = plain_level(points, round(len(points) * rate), k, tools)
        levels.append(level)
        points = points[level.samples]
    return levels


def plain_level(points: Tensor, sample_count: int, k: int, tools: PlainTools) -> PlainLevel:
    """Collapse (N, 3) points into samples."""
    samples = tools.sample(points, sample_count)
    at_samples = points[samples]
    owner = tools.nearest(points, at_samples, 1)[:, 0]
    neighbours = tools.nearest(at_samples, points, k)
    owned = owner[neighbours] == torch.arange(sample_count, device=points.device)[:, None]
    child_count = owner.bincount(minlength=sample_count).float()
    distance = (at_samples[:, None] - points[neighbours]).norm(dim=2)
    # Duplicate points can leave a sample without children.
    mean_distance = (distance * owned).sum(dim=1) / child_count.clamp_min(1)
    return PlainLevel(samples, neighbours, owned, child_count, mean_distance)


def farthest_points(points: Tensor, count: int) -> Tensor:
    """(count,) indices: the first point, then always the one farthest from those chosen."""
    # Their numbers stay where the points are: a GPU that is asked for each makes the caller wait.
    chosen = [torch.zeros(1, dtype=torch.int64, device=points.device)]
    dist2 = torch.full((len(points),), torch.inf, device=points.device)
    while len(chosen) < count:
        to_newest = (points - points.index_select(0, chosen[-1])).square_().sum(dim=1)
        torch.minimum(dist2, to_newest, out=dist2)
        chosen.append(dist2.argmax(dim=0, keepdim=True))
    return torch.cat(chosen)


@torch.no_grad()
def nearest_of_all(query: Tensor, reference: Tensor, k: int) -> Tensor:
    """By all squared distances, summed one coordinate after the other.

    Of the plain ways that are exact the fastest here (`cdist` by differences and one broadcast
    difference are slower). `cdist` by products takes a third of the time for one neighbour and is
    not exact: with it the twin misses the recorded gradients.
    """
    dist2 = (query[:, None, 0] - reference[:, 0]).square_()
    for axis in (1, 2):
        difference = query[:, None, axis] - reference[:, axis]
        dist2.addcmul_(difference, difference)
    return dist2.topk(min(k, len(reference)), dim=1, largest=False).indices


def bucket_points(points: Tensor, count: int) -> Tensor:
    """Farthest points by fpsample's buckets of a k-d line, the fastest of its methods here."""
    height = min(BUCKETS, len(points).bit_length() - 1)
    chosen = fpsample.bucket_fps_kdline_sampling(points.numpy(), count, h=height, start_idx=0)
    return torch.from_numpy(chosen.astype(np.int64))


@torch.no_grad()
def nearest_by_tree(query: Tensor, reference: Tensor, k: int) -> Tensor:
    """By a k-d tree, the fastest of SciPy's, scikit-learn's and pykdtree's here."""
    tree = KDTree(reference.detach().numpy())
    columns = min(k, len(reference))
    index = tree.query(query.detach().numpy(), k=columns)[1].astype(np.int64)
    return torch.from_numpy(index.reshape(-1, columns))


BUCKETS = 5
"""What fpsample recommends for workloads of this size: the height of its tree."""

ALL_DISTANCES = PlainTools("all distances", farthest_points, nearest_of_all)
TREES = PlainTools("trees and buckets", bucket_points, nearest_by_tree)
