"""Searches for the contract's tests: the kernel, and any of them on a GPU."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from model.points import Points

if TYPE_CHECKING:
    from torch import Tensor

    from model.nearest_plain import Search

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
"""Whether this process runs Triton's kernels on the CPU. Triton reads it when it is imported."""
interpreted = pytest.mark.skipif(
    not INTERPRETED, reason="runs in the session that test_nearest_triton.py starts"
)
compiled = pytest.mark.skipif(INTERPRETED, reason="the interpreter compiles nothing")


def by_triton(query: Points, reference: Points, k: int) -> Tensor:
    """The kernel; Triton is imported when it is called."""
    from model.nearest_triton import nearest_by_triton

    return nearest_by_triton(query, reference, k)


def on_gpu(search: Search) -> Search:
    """The same of points that are moved there; the neighbours come back."""

    def moved(query: Points, reference: Points, k: int) -> Tensor:
        here, there = (Points(p.xyz.cuda(), p.sizes.cuda()) for p in (query, reference))
        return search(here, there, k).cpu()

    moved.__name__ = f"{search.__name__}_on_gpu"
    return moved
