"""What may differ by rounding, measured by rounding: the effect of one unit in the last place.

Two ways of computing the same thing round otherwise, and 24 steps of Adam make of that what they
make of any disturbance. How much differs from processor to processor, so no constant says what is
too much. What says it is the same training with one weight moved by one unit in the last place.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from model.native.library import library

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    from torch import Tensor

DISTURBANCES = 3
TIMES = 10.0
"""What is a matter of rounding stays within so many times the largest disturbance. More than once,
because company disturbs sums in every layer and step. Measured without kernels on eight members
that train 24 steps: at most 1.0 times the largest of six; a learning rate off by 1 % 6 to 60 times,
another trial's noise 40 times and more. And gradients of a batch on 24 codecs: at most 1.4 times.
"""


def bits_are_promised() -> bool:
    """Whether company changes no bit: with the kernels, where that was measured.

    That was on AMD's processors, with and without AVX-512. Nothing that is known speaks against it
    on others, but there the bound is asked.
    """
    cpuinfo = Path("/proc/cpuinfo")
    told = cpuinfo.read_text(encoding="utf-8") if cpuinfo.exists() else ""
    return "AuthenticAMD" in told and library() is not None


def moved_by_a_bit(weights: Tensor, rng: np.random.Generator) -> Tensor:
    """A copy with one number moved to the next one up or down."""
    moved = weights.clone()
    flat = moved.view(-1)
    which = int(rng.integers(len(flat)))
    to = torch.tensor((-torch.inf, torch.inf)[rng.integers(2)])
    flat[which] = torch.nextafter(flat[which], to)
    return moved


def all_moved_by_a_bit(weights: Tensor, rng: np.random.Generator) -> Tensor:
    """A copy with every number moved to the next one up or down."""
    up = torch.from_numpy(rng.integers(2, size=tuple(weights.shape)) == 1)
    return torch.nextafter(weights.detach(), torch.where(up, torch.inf, -torch.inf))


def distance(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> float:
    """Root mean square of the differences of all numbers."""
    assert ours.keys() == theirs.keys()
    return root_mean_square(ours[name] - theirs[name] for name in ours)


def root_mean_square(tensors: Iterable[Tensor]) -> float:
    numbers = torch.cat([tensor.detach().flatten().double() for tensor in tensors])
    return float(numbers.square().mean().sqrt())
