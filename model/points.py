"""Padded sets of points, and the search for neighbours between them.

Legend: L = T trials, or 1 where all trials share the points; B patches; N, Q points; k neighbours.
Valid points come first, padding after them.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from pykdtree.kdtree import KDTree
from torch import Tensor

from model.native.library import usable
from model.native.search import nearest as all_distances

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Search = Callable[["Points", "Points", int], Tensor]
    """What :func:`nearest` is."""

FARTHEST = 1e15
"""Beyond any codec that has not diverged; squared distances of such points are float32 numbers."""
MOST_PAIRS = 1 << 25
"""Of points, in one patch, up to which a CPU is faster with all distances than with a tree."""
DISTANCES_PER_BLOCK = 1 << 25
"""Entries of one distance matrix on a GPU: 128 MiB of float32. Two are held at a time."""


class Points:
    """Points of several patches and trials, padded to one size.

    Attributes:
        xyz: (L, B, N, 3) coordinates; differentiable where a decoder made them.
        sizes: (L, B) int64, how many leading points are valid.
    """

    def __init__(self, xyz: Tensor, sizes: Tensor, *, full: bool | None = None) -> None:
        """Note them.

        Args:
            xyz: coordinates.
            sizes: how many are valid.
            full: whether all are, where that is known: a GPU that is asked makes the caller wait.
        """
        assert xyz.shape[:2] == sizes.shape, f"{xyz.shape} does not go with {sizes.shape}"
        self.xyz = xyz
        self.sizes = sizes
        self._full = full

    @cached_property
    def valid(self) -> Tensor:
        """(L, B, N) bool."""
        return torch.arange(self.xyz.shape[2], device=self.sizes.device) < self.sizes[..., None]

    @cached_property
    def full(self) -> bool:
        """Whether no point is padding."""
        return bool(self.valid.all()) if self._full is None else self._full

    @cached_property
    def valid_rows(self) -> Tensor | None:
        """(B, N) of 0 and 1, for points of which all trials have equally many; None where full."""
        return None if self.full else self.valid[0].float()

    @cached_property
    def arrays(self) -> list[list[NDArray[np.float32]]]:
        """The valid points as NumPy arrays, per trial and patch.

        A diverged trial's NaN become zeros: a tree refuses them, and the loss, which keeps them,
        is what ends that trial. Its huge numbers are bounded: their squares would overflow.
        """
        finite = torch.nan_to_num(self.xyz.detach(), posinf=0.0, neginf=0.0)
        xyz = finite.clamp(-FARTHEST, FARTHEST).contiguous().numpy()
        return [
            [xyz[row, patch, :size] for patch, size in enumerate(sizes)]
            for row, sizes in enumerate(self.sizes.tolist())
        ]

    @cached_property
    def trees(self) -> list[list[KDTree]]:
        """One k-d tree per trial and patch."""
        return [[KDTree(points) for points in row] for row in self.arrays]


def nearest(query: Points, reference: Points, k: int = 1) -> Tensor:
    """Indices of the k nearest valid reference points of every query point.

    Neighbours come nearest first; which of two equally near ones is first is not defined. Rows of
    padded queries, and columns beyond the number of reference points, hold 0.

    Returns:
        (max of both L, B, Q, k) int64, on the device of the points. Not differentiable: distances
        are recomputed from the matched pairs, so that their gradients are exact.
    """
    device = query.xyz.device
    if device.type == "cpu":
        return nearest_on_cpu(query, reference, k)
    if device.type != "cuda" or query.xyz.dtype != torch.float32:
        return nearest_by_brute_force(query, reference, k)
    from model.nearest_choice import choose, size_of  # noqa: PLC0415  it imports this file

    return choose(device, size_of(query, reference, k)).search(query, reference, k)


def nearest_on_cpu(query: Points, reference: Points, k: int = 1) -> Tensor:
    """:func:`nearest` by all distances in a kernel, and by k-d trees for large patches."""
    pairs = query.xyz.shape[2] * reference.xyz.shape[2]
    if pairs > MOST_PAIRS or not usable(query.xyz, reference.xyz):
        return nearest_by_tree(query, reference, k)
    return all_distances(query.xyz, query.sizes, reference.xyz, reference.sizes, k)


def nearest_by_tree(query: Points, reference: Points, k: int = 1) -> Tensor:
    """:func:`nearest` by k-d trees, one per trial and patch; for the CPU.

    A search uses as many threads as ``OMP_NUM_THREADS`` allows.
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
    """:func:`nearest` by all distances, in blocks; for a GPU, and the oracle of the tests.

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


def gather(values: Tensor, index: Tensor) -> Tensor:
    """Rows of (L, B, N, C) at (L', B, ...) indices, as (max of both L, B, ..., C).

    L and L' are each the number of trials or 1.
    """
    trials = max(values.shape[0], index.shape[0])
    patches, points, channels = values.shape[1:]
    if trials * patches == 1:
        return values.reshape(points, channels)[index]
    first = torch.arange(trials * patches, device=index.device) * points
    rows = index + first.view(trials, patches, *[1] * (index.dim() - 2))
    return values.expand(trials, *values.shape[1:]).reshape(-1, channels)[rows]
