"""Nearest neighbours on a GPU without the matrix of all distances: a Triton kernel.

Legend as in `model.points`. Triton comes with PyTorch on Linux only, so this module is imported
where it is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import triton
import triton.language as tl

if TYPE_CHECKING:
    from torch import Tensor

    from model.points import Points

QUERIES_PER_PROGRAM = 32
REFERENCES_PER_STEP = 64
"""One program works on a tile of as many pairs: each of its 128 threads holds one reference against
16 queries in 128 registers (ptxas, for sm_80 and sm_90; none spilt), so that 16 warps fit on a
multiprocessor, and a single patch of 1,024 points still makes 32 programs."""

OPTIONS = {"enable_fp_fusion": False}
"""For the compiler. A fused multiply and add rounds once where PyTorch rounds twice; without it the
distances are those of brute force to the last bit, and so are the neighbours."""


def nearest_by_triton(query: Points, reference: Points, k: int = 1) -> Tensor:
    """Search by the kernel; of equally near points the lowest index first."""
    return search(query, reference, k)[1]


def search(query: Points, reference: Points, k: int = 1) -> tuple[Tensor, Tensor]:
    """The k nearest valid reference points of every query point, and how far they are.

    Returns:
        (max of both L, B, Q, k) squared distances, float32, infinite where there is no neighbour;
        and the indices, as :func:`model.nearest.nearest` has them. Neither is differentiable.
    """
    here, there = query.xyz.detach().contiguous(), reference.xyz.detach().contiguous()
    assert here.dtype == there.dtype == torch.float32, "the kernel reads float32"
    assert here.shape[-1] == there.shape[-1] == 3, "the kernel knows points of 3 coordinates"
    trials, (patches, queries) = max(len(here), len(there)), here.shape[1:3]
    dist2 = here.new_empty((trials, patches, queries, k))
    index = here.new_empty((trials, patches, queries, k), dtype=torch.int64)
    if index.numel() == 0:
        return dist2, index
    grid = (triton.cdiv(queries, QUERIES_PER_PROGRAM), patches, trials)
    with torch.cuda.device_of(here):
        _nearest[grid](
            here,
            query.sizes.contiguous(),
            there,
            reference.sizes.contiguous(),
            dist2,
            index,
            queries,
            there.shape[2],
            len(here),
            len(there),
            k,
            SINGLE=k == 1,
            QUERIES=QUERIES_PER_PROGRAM,
            REFERENCES=REFERENCES_PER_STEP,
            **OPTIONS,
        )
    return dist2, index


@triton.jit  # type: ignore[untyped-decorator]  # Triton carries no types
def _coordinates(
    points: tl.tensor, row: tl.tensor, valid: tl.tensor
) -> tuple[tl.tensor, tl.tensor, tl.tensor]:
    """x, y and z of some rows; 0 for what is no number, and for rows that are not valid."""
    x = tl.load(points + row * 3, mask=valid, other=0.0)
    y = tl.load(points + row * 3 + 1, mask=valid, other=0.0)
    z = tl.load(points + row * 3 + 2, mask=valid, other=0.0)
    x = tl.where(tl.abs(x) < float("inf"), x, 0.0)
    y = tl.where(tl.abs(y) < float("inf"), y, 0.0)
    z = tl.where(tl.abs(z) < float("inf"), z, 0.0)
    return x, y, z


@triton.jit(do_not_specialize=[*range(11)])  # type: ignore[untyped-decorator]  # the same
def _nearest(  # noqa: PLR0913, PLR0917  a kernel's arguments are flat
    query: tl.tensor,
    query_sizes: tl.tensor,
    reference: tl.tensor,
    reference_sizes: tl.tensor,
    dist2_out: tl.tensor,
    index_out: tl.tensor,
    queries: tl.tensor,
    references: tl.tensor,
    query_trials: tl.tensor,
    reference_trials: tl.tensor,
    columns: tl.tensor,
    SINGLE: tl.constexpr,
    QUERIES: tl.constexpr,
    REFERENCES: tl.constexpr,
) -> None:
    """One program: the neighbours of QUERIES points of one patch and trial.

    Each of the REFERENCES lanes of a query keeps the nearest of the points that it met; the lanes
    are compared once, at the end. The next column is the nearest point beyond the last one, in the
    order of distance and then index: another pass over the points, but no list to keep sorted.

    Decoded counts change with every step, so nothing is specialised to the values of the first 11
    arguments: a kernel would be compiled again and again.
    """
    patch, trial = tl.program_id(1), tl.program_id(2)
    patches = tl.num_programs(1)
    here = ((trial % query_trials) * patches + patch).to(tl.int64)
    there = ((trial % reference_trials) * patches + patch).to(tl.int64)
    first_query = tl.program_id(0) * QUERIES
    query_size = tl.load(query_sizes + here)
    # A program of padding has nothing to visit.
    size = tl.where(first_query < query_size, tl.load(reference_sizes + there), 0).to(tl.int32)

    row = first_query + tl.arange(0, QUERIES)[:, None]
    valid = row < query_size
    x, y, z = _coordinates(query + here * queries * 3, row, valid)
    lane = tl.arange(0, REFERENCES)[None, :]
    reference += there * references * 3
    made = (trial * patches + patch).to(tl.int64) * queries * columns + row * columns
    last_dist2 = tl.full((QUERIES, 1), -1.0, tl.float32)
    last = tl.full((QUERIES, 1), -1, tl.int32)
    for column in range(columns):
        best = tl.full((QUERIES, REFERENCES), float("inf"), tl.float32)
        index = tl.zeros((QUERIES, REFERENCES), tl.int32)
        for first in range(0, size, REFERENCES):
            candidate = first + lane
            exists = candidate < size
            to_x, to_y, to_z = _coordinates(reference, candidate, exists)
            # Padding is infinitely far, which is not nearer than nothing.
            to_x = tl.where(exists, to_x, float("inf"))
            dx, dy, dz = x - to_x, y - to_y, z - to_z
            dist2 = dx * dx + dy * dy + dz * dz
            closer = dist2 < best
            if not SINGLE:
                beyond = (dist2 > last_dist2) | ((dist2 == last_dist2) & (candidate > last))
                closer = closer & beyond
            best = tl.where(closer, dist2, best)
            index = tl.where(closer, candidate, index)
        last_dist2 = tl.min(best, axis=1, keep_dims=True)
        # Equally near lanes: the lowest index.
        last = tl.min(tl.where(best == last_dist2, index, 2147483647), axis=1, keep_dims=True)
        found = row < queries
        tl.store(dist2_out + made + column, tl.where(valid, last_dist2, float("inf")), mask=found)
        tl.store(index_out + made + column, tl.where(valid, last, 0).to(tl.int64), mask=found)
