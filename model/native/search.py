"""The search for nearest points as a kernel.

Legend: T trials, B patches, Q queries, N references, k neighbours.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

import torch

from model.native.border import SearchArguments, call, pointer

if TYPE_CHECKING:
    from torch import Tensor


def nearest(
    query: Tensor, query_sizes: Tensor, reference: Tensor, reference_sizes: Tensor, k: int
) -> Tensor:
    """What :func:`model.nearest.nearest` returns, by all distances, eight at a time.

    Args:
        query: (T or 1, B, Q, 3).
        query_sizes: (T or 1, B) int64, how many leading points are valid.
        reference: (T or 1, B, N, 3).
        reference_sizes: (T or 1, B) int64.
        k: neighbours.

    Returns:
        (T, B, Q, k) int64; of equally near points the first is the nearer one.
    """
    trials, patches = max(len(query), len(reference)), query.shape[1]
    found = torch.zeros((trials, patches, query.shape[2], k), dtype=torch.int64)
    # Held until the call is over: they may be copies.
    held = [tensor.detach().contiguous() for tensor in (query, reference)]
    sizes = [tensor.contiguous() for tensor in (query_sizes, reference_sizes)]
    for points, counts in zip(held, sizes, strict=True):
        assert points.shape[:2] == counts.shape, f"{points.shape} do not go with {counts.shape}"
        assert len(points) in {1, trials}, f"{len(points)} sets of points for {trials} trials"
        assert points.shape[1] == patches, f"{points.shape[1]} patches, not {patches}"
        assert points.shape[3] == 3, f"points have 3 coordinates, not {points.shape[3]}"
        assert counts.dtype == torch.int64, f"sizes are int64, not {counts.dtype}"
        assert not counts.numel() or int(counts.max()) <= points.shape[2], f"{counts} points"
    given = SearchArguments(
        *(trials, patches, query.shape[2], reference.shape[2], k),
        *(int(len(points) == trials) for points in held),
        *map(pointer, (*held, *sizes)),
    )
    call("nearest_forward", ctypes.byref(given), pointer(found))
    return found
