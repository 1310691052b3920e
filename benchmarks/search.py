"""The neighbour searches of one training step: k-d trees against all distances."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from benchmarks.measuring import Way, compare
from benchmarks.patches import patch_of_an_object
from benchmarks.training_steps import trained_step
from model.config import ModelConfig
from model.hierarchy import build_hierarchy
from model.patches import collate
from model.points import Points, nearest, nearest_by_brute_force, nearest_by_tree
from study.objective import loss_terms

if TYPE_CHECKING:
    from torch import Tensor

    from model.points import Search

POINTS = 1024


def run(pairs: int) -> bool:
    """Measure and print; there is no bar."""
    searches = searches_of_a_step()
    trees = Way("k-d trees", lambda _: replay(searches, nearest_by_tree))
    brute = Way("all distances", lambda _: replay(searches, nearest_by_brute_force))
    distances = sum(q.xyz.shape[2] * r.xyz.shape[2] for q, r, _ in searches)
    print(f"  {len(searches)} searches, {distances / 1e6:.1f} million pairs of points")
    print("\n".join(compare(trees, brute, pairs).lines()))
    return True


def searches_of_a_step() -> list[tuple[Points, Points, int]]:
    """Query, reference and k of every search that the loss of one step asks for."""
    config = ModelConfig()
    hierarchy = build_hierarchy(patch_of_an_object(POINTS), config.downsample_rate, config.k)
    codec = trained_step(hierarchy, config).codec
    asked: list[tuple[Points, Points, int]] = []

    def listen(query: Points, reference: Points, k: int) -> Tensor:
        asked.append((query, reference, k))
        return nearest(query, reference, k)

    batch = collate([hierarchy])
    with torch.no_grad():
        loss_terms(codec(batch), batch, config.k, listen)
    return asked


def replay(searches: list[tuple[Points, Points, int]], search: Search) -> None:
    """Search again, on points that remember no tree; within a step trees are shared."""
    fresh = {points: Points(points.xyz, points.sizes) for q, r, _ in searches for points in (q, r)}
    for query, reference, k in searches:
        search(fresh[query], fresh[reference], k)
