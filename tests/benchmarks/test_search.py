"""The part of the benchmark of searches that needs a kernel."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import torch

from benchmarks import search
from model.points import Points
from tests.model.searches import interpreted

if TYPE_CHECKING:
    import pytest


@interpreted
def test_the_kernel_is_compared_as_interpreted(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a few points: the interpreter is slow."""
    decoded = Points(torch.rand(2, 1, 20, 3), torch.full((2, 1), 20))
    true = Points(torch.rand(1, 1, 10, 3), torch.tensor([[10]]))
    asked = [(decoded, true, 1), (true, decoded, 1), (decoded, true, 2)]
    monkeypatch.setattr(search, "searches_of_a_step", lambda _: asked)
    lines = list(search.kernel_lines(trials=2, pairs=2))
    assert lines[0].endswith("3 searches, 0.0 million pairs of points")
    assert re.search(r"ratio \d+\.\d+ of the CPU time", lines[-4])
    for line, size in zip(lines[-3:], ("16 queries,    4", "4 queries,   16"), strict=False):
        assert f"{size} references, k  1: nearest_by_brute_force (Triton " in line
