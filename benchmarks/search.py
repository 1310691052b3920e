"""The neighbour searches of one training step, as trained with and in two other ways.

`python -m benchmarks search`. With a CUDA device it goes on with the Triton kernel against all
distances, for several trials at once, and tells which of them `nearest` takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from benchmarks.measuring import Way, compare, device, on_gpu, take_turns
from benchmarks.members import batches, trained_states
from benchmarks.patches import whole_objects
from model.codec import Codec
from model.config import ModelConfig
from model.nearest import nearest
from model.nearest_choice import choose, size_of, why_no_triton
from model.nearest_plain import nearest_by_brute_force, nearest_by_tree, nearest_on_cpu
from model.points import Points
from study.families.dpcc.architecture import DpccArchitecture
from study.families.dpcc.objective import loss_terms
from study.training.population import Population

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from model.nearest_plain import Search

    Asked = list[tuple[Points, Points, int]]
    """Query, reference and k of every search that the loss of one step asks for."""

COHORTS = (1, 8, 64)
"""Trials on a GPU: alone, a small cohort, and what fills it."""


def run(pairs: int) -> bool:
    """Measure and print; there is no bar."""
    searches = anew(searches_of_a_step(1), "cpu")
    trained = Way("as trained with", lambda _: replay(searches, nearest_on_cpu))
    trees = Way("k-d trees", lambda _: replay(searches, nearest_by_tree))
    brute = Way("all distances in PyTorch", lambda _: replay(searches, nearest_by_brute_force))
    print(f"  {told(searches)}")
    print("\n".join(take_turns((trained, trees, brute), pairs).lines()))
    if not on_gpu():
        print("  no CUDA device: the Triton kernel was not measured")
        return True
    why = why_no_triton(torch.device(device(), torch.cuda.current_device()))
    if why is not None:
        print(f"  {why}")
        return True
    for trials in COHORTS:
        for line in kernel_lines(trials, pairs):
            print(line, flush=True)
    return True


def kernel_lines(trials: int, pairs: int) -> Iterator[str]:
    """The kernel against all distances, and what `nearest` takes for each size of search."""
    from model.nearest_triton import nearest_by_triton  # noqa: PLC0415  not everywhere

    searches = searches_of_a_step(trials)
    kernel = Way("Triton", lambda _: replay(searches, nearest_by_triton))
    brute = Way("all distances", lambda _: replay(searches, nearest_by_brute_force))
    yield f"  {trials} trial(s) on the {device()} device: {told(searches)}"
    yield from compare(kernel, brute, pairs).lines()
    for size in dict.fromkeys(size_of(*asked) for asked in searches):
        choice = choose(searches[0][0].xyz.device, size)
        yield (
            f"    {size.searches:3} x {size.queries:4} queries, {size.references:4} references, "
            f"k {size.k:2}: {choice.search.__name__} ({choice.reason})"
        )


def searches_of_a_step(trials: int) -> Asked:
    """What the loss of one step of a cohort searches."""
    asked: Asked = []

    def listen(query: Points, reference: Points, k: int) -> Tensor:
        asked.append((query, reference, k))
        return nearest(query, reference, k)

    config = ModelConfig()
    codec = Population(DpccArchitecture(config), trained_states(config, trials), device()).network
    assert isinstance(codec, Codec), "D-PCC's networks are codecs"
    _, batch = next(batches(whole_objects()))
    with torch.no_grad():
        loss_terms(codec(batch), batch, config.k, listen)
    return asked


def anew(searches: Asked, where: torch.device | str) -> Asked:
    """The same on a device, among points that remember no tree; within a step trees are shared."""
    every = {points for q, r, _ in searches for points in (q, r)}
    fresh = {points: Points(points.xyz.to(where), points.sizes.to(where)) for points in every}
    return [(fresh[q], fresh[r], k) for q, r, k in searches]


def replay(searches: Asked, search: Search) -> None:
    """Search again, where the points are."""
    for query, reference, k in anew(searches, searches[0][0].xyz.device):
        search(query, reference, k)


def told(searches: Asked) -> str:
    """How much there is to do, padding included."""
    pairs = sum(
        max(len(q.xyz), len(r.xyz)) * q.xyz[0, ..., 0].numel() * r.xyz.shape[2]
        for q, r, _ in searches
    )
    return f"{len(searches)} searches, {pairs / 1e6:.1f} million pairs of points"
