"""Which search a GPU uses: the kernel or all distances, by which is faster there.

Both find the same neighbours, so the choice decides about time alone. Legend as in `model.points`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import torch

from model.nearest_plain import nearest_by_brute_force
from model.points import Points

if TYPE_CHECKING:
    from model.nearest_plain import Search

ROUNDS = 5
"""The fastest of so many counts: whatever disturbs one makes it slower."""
SEARCHES_PER_ROUND = 3
"""A step does not wait for the GPU after each search, so several are under way at once."""


@dataclass(frozen=True)
class Size:
    """How large a search is, each number rounded down to a power of 4, k to one of 2.

    Decoded counts change with every step, and nearly equal searches share one measurement. Rounded
    down, it takes no more memory than the search that asks for it.
    """

    searches: int
    """Searches at once: trials times patches."""
    queries: int
    references: int
    k: int


@dataclass(frozen=True)
class Choice:
    """The search to use, and in one line why."""

    search: Search
    reason: str


def size_of(query: Points, reference: Points, k: int) -> Size:
    """Class of a search by its padded sizes, which are known without asking the GPU."""
    trials = max(len(query.xyz), len(reference.xyz))
    patches, queries = query.xyz.shape[1:3]
    return Size(
        searches=_rounded_down(trials * patches, 2),
        queries=_rounded_down(queries, 2),
        references=_rounded_down(reference.xyz.shape[2], 2),
        k=_rounded_down(k, 1),
    )


@cache
def choose(device: torch.device, size: Size) -> Choice:
    """Measure both on points of this size, once per process; where Triton does not work, no more.

    Random points will do: neither search looks at where points are to decide how much it does.
    """
    why = why_no_triton(device)
    if why is not None:
        return Choice(nearest_by_brute_force, why)
    from model.nearest_triton import nearest_by_triton  # noqa: PLC0415  not everywhere

    query, reference = (
        _points(size.searches, count, device) for count in (size.queries, size.references)
    )
    kernel_ms, brute_ms = (
        _milliseconds(search, query, reference, size.k)
        for search in (nearest_by_triton, nearest_by_brute_force)
    )
    reason = f"Triton {kernel_ms:.3g} ms, all distances {brute_ms:.3g} ms"
    # Where memory sufficed for neither, the kernel, which takes the least of it.
    faster: Search = nearest_by_brute_force if brute_ms < kernel_ms else nearest_by_triton
    return Choice(faster, reason)


@cache
def why_no_triton(device: torch.device) -> str | None:
    """Why the kernel does not run on a device, in one line; None where it does."""
    point = _points(1, 1, device)
    try:
        from model.nearest_triton import nearest_by_triton  # noqa: PLC0415  not everywhere

        nearest_by_triton(point, point)
    except torch.OutOfMemoryError:
        raise  # which says nothing of Triton, and is not to be remembered
    # No Triton, no C compiler, no headers of Python, too old a GPU: each has an error of its own
    # kind, and all of them mean that the other search is used.
    except Exception as error:  # noqa: BLE001
        first_line = str(error).strip().partition("\n")[0]
        return f"Triton does not work here ({type(error).__name__}: {first_line})"
    return None


def _points(clouds: int, count: int, device: torch.device) -> Points:
    xyz = torch.rand((clouds, 1, count, 3), generator=torch.Generator().manual_seed(0))
    return Points(xyz.to(device), torch.full((clouds, 1), count, device=device))


def _milliseconds(search: Search, query: Points, reference: Points, k: int) -> float:
    """Wall time of one search, launching included; infinite where memory does not suffice."""
    fastest = float("inf")
    try:
        search(query, reference, k)  # compiles
        for _ in range(ROUNDS):
            _wait_for(query.xyz.device)
            start = time.perf_counter()
            for _ in range(SEARCHES_PER_ROUND):
                search(query, reference, k)
            _wait_for(query.xyz.device)
            fastest = min(fastest, time.perf_counter() - start)
    except torch.OutOfMemoryError:
        return float("inf")
    return 1e3 * fastest / SEARCHES_PER_ROUND


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _rounded_down(count: int, bits: int) -> int:
    """To the next power of 2 ** bits."""
    return 1 << (max(1, count).bit_length() - 1) // bits * bits
