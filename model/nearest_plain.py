"""Nearest neighbours without a GPU's kernel: by all distances, or by k-d trees.

Each search here returns what `model.nearest.nearest` returns. Legend as in `model.points`;
Q queries, k neighbours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from model.native.library import usable
from model.native.search import nearest as all_distances

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from model.points import Points

    Search = Callable[[Points, Points, int], Tensor]
    """Query, reference and k to indices: see `model.nearest.nearest`."""

MOST_PAIRS = 1 << 25
"""Of points, in one patch, up to which a CPU is faster with all distances than with a tree."""
DISTANCES_PER_BLOCK = 1 << 25
"""Entries of one distance matrix on a GPU: 128 MiB of float32. Two are held at a time."""


def nearest_on_cpu(query: Points, reference: Points, k: int = 1) -> Tensor:
    """The search of a CPU: by all distances in a kernel, and by k-d trees for large patches."""
    pairs = query.xyz.shape[2] * reference.xyz.shape[2]
    if pairs > MOST_PAIRS or not usable(query.xyz, reference.xyz):
        return nearest_by_tree(query, reference, k)
    return all_distances(query.xyz, query.sizes, reference.xyz, reference.sizes, k)


def nearest_by_tree(query: Points, reference: Points, k: int = 1) -> Tensor:
    """Search by k-d trees, one per trial and patch; for the CPU.

    It uses as many threads as ``OMP_NUM_THREADS`` allows.
    """
    trials = max(query.xyz.shape[0], reference.xyz.shape[0])
    patches, queries = query.xyz.shape[1:3]
    index = np.zeros((trials, patches, queries, k), dtype=np.int64)
    shared_query, shared_reference = query.xyz.shape[0] == 1, reference.xyz.shape[0] == 1
    for trial in range(trials):
        for patch in range(patches):
            points = query.arrays[0 if shared_query else trial][patch]
            tree = reference.trees[0 if shared_reference else trial][patch]
            columns = min(k, tree.n)
            found = tree.query(points, k=columns)[1]
            index[trial, patch, : len(points), :columns] = found.reshape(-1, columns)
    return torch.from_numpy(index)


def nearest_by_brute_force(query: Points, reference: Points, k: int = 1) -> Tensor:
    """Search by all distances, in blocks; for a GPU, and the oracle of the tests.

    Squared differences are summed as they are: the matrix-product form is inexact far from the
    origin, and a square root would make near ties into ties. The nearest one of several equally
    near is the first of them; among k > 1, ``topk`` decides.
    """
    trials = max(query.xyz.shape[0], reference.xyz.shape[0])
    patches, queries = query.xyz.shape[1:3]
    columns = min(k, reference.xyz.shape[2])
    rows = max(1, DISTANCES_PER_BLOCK // max(1, trials * patches * reference.xyz.shape[2]))
    outside = ~reference.valid[:, :, None]
    targets = torch.nan_to_num(reference.xyz.detach(), posinf=0.0, neginf=0.0)
    blocks = []
    for block in torch.nan_to_num(query.xyz.detach(), posinf=0.0, neginf=0.0).split(rows, dim=2):
        dist2 = squared_distances(block, targets).masked_fill_(outside, torch.inf)
        if columns == 1:
            blocks.append(dist2.argmin(dim=-1, keepdim=True))
        else:
            blocks.append(dist2.topk(columns, dim=-1, largest=False).indices)
    index = query.xyz.new_zeros((trials, patches, queries, k), dtype=torch.int64)
    index[..., :columns] = torch.cat(blocks, dim=2)
    inside = torch.arange(k, device=index.device) < reference.sizes[..., None, None]
    return index * inside * query.valid[..., None]


def squared_distances(query: Tensor, reference: Tensor) -> Tensor:
    """All pairs' squared distances, (..., Q, 3) and (..., N, 3) to (..., Q, N)."""
    total = (query[..., 0, None] - reference[..., None, :, 0]).square_()
    for axis in range(1, query.shape[-1]):
        # No name: a matrix that is still called something would be a third one beside the next.
        total += (query[..., axis, None] - reference[..., None, :, axis]).square_()
    return total
