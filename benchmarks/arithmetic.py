"""Matrix products: how many a step needs, how fast, and how fast this machine can do them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measuring import Lap, Way, device, take_turns
from benchmarks.step import our_steps, plain_steps
from model.native.library import without_kernels

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.measuring import Turns

SHAPES = {
    "square": (1024, 1024, 1024),
    "skinny": (5456, 64, 64),
    "narrow": (1024, 64, 8),
}
"""Rows, inner and outer width of products: as machines like them; of all pairs of the first encoder
stage, hidden layer to hidden layer; of that stage's points, hidden layer to features."""
PRODUCTS = 20
"""Of a shape in a run."""


def run(pairs: int) -> bool:
    """Measure and print; there is no bar."""
    steps: dict[str, Callable[[Lap], None]] = {
        **{f"one trial, {norm}": step for norm, step in our_steps().items()},
        **{f"plain twin, {step.tools.name}": step for step in plain_steps()},
    }
    gflop = {name: gflop_of(step) for name, step in steps.items()}
    ways = [Way(name, step) for name, step in steps.items()]
    ways += [
        Way(f"{name} product, {' x '.join(map(str, shape))}", _Products(*shape), PRODUCTS)
        for name, shape in SHAPES.items()
    ]
    turns = take_turns(ways, pairs)
    print("\n".join(turns.table()))
    skinny = rate(turns, list(SHAPES).index("skinny") + len(steps), gflop_of_shape("skinny"))
    square = rate(turns, list(SHAPES).index("square") + len(steps), gflop_of_shape("square"))
    for place, (name, shape) in enumerate(SHAPES.items(), start=len(steps)):
        reached = rate(turns, place, gflop_of_shape(name))
        print(f"  {name} products ({' x '.join(map(str, shape))}): {reached:,.1f} GFLOP/s")
    for place, name in enumerate(steps):
        reached = rate(turns, place, gflop[name])
        print(
            f"  {name}: {gflop[name]:.2f} GFLOP, {reached:.1f} GFLOP/s: ratio "
            f"{reached / skinny:.3f} of the rate of skinny products, {reached / square:.3f} of "
            "square ones"
        )
    return True


def gflop_of(step: Callable[[Lap], None]) -> float:
    """Of the matrix products of a step, backward included; a multiplication and an addition each.

    Neighbour searches, norms, softmaxes and everything else element by element are not counted.
    Compiled kernels do the same products out of the counter's sight, so PyTorch does them here.
    """
    with without_kernels(), FlopCounterMode(display=False) as counter:
        step(Lap())
    return float(counter.get_total_flops()) / 1e9


def gflop_of_shape(name: str) -> float:
    """Of one product."""
    rows, inner, outer = SHAPES[name]
    return 2e-9 * rows * inner * outer


def rate(turns: Turns, way: int, gflop: float) -> float:
    """GFLOP/s of a way, in the time that counts."""
    return gflop / (turns.counted_ms(way) / 1e3)


class _Products:
    """Several products of one shape into the same place."""

    def __init__(self, rows: int, inner: int, outer: int) -> None:
        self._left = torch.rand(rows, inner, device=device())
        self._right = torch.rand(inner, outer, device=device())
        self._result = torch.empty(rows, outer, device=device())

    def __call__(self, _: Lap) -> None:
        for _turn in range(PRODUCTS):
            torch.mm(self._left, self._right, out=self._result)
