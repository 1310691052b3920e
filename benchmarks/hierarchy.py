"""The hierarchy of one patch: `build_hierarchy` against the plain twins' geometry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from benchmarks.measuring import Way, compare
from benchmarks.patches import patch_of_an_object
from benchmarks.plain_geometry import ALL_DISTANCES, plain_hierarchy
from model.config import ModelConfig
from model.hierarchy import build_hierarchy

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SIZES = (256, 1024, 2048)


def run(pairs: int) -> bool:
    """Measure and print, per size of the patch; there is no bar."""
    for size in SIZES:
        print(f"  {size:,} points")
        print("\n".join(compare(*ways(patch_of_an_object(size)), pairs).lines()))
    return True


def ways(points: NDArray[np.float32]) -> tuple[Way, Way]:
    """Both, on the same (n, 3) points."""
    config = ModelConfig()
    rates, k = config.downsample_rate, config.k
    tensor = torch.from_numpy(points)
    return (
        Way("build_hierarchy", lambda _: build_hierarchy(points, rates, k)),
        Way("torch", lambda _: plain_hierarchy(tensor, rates, k, ALL_DISTANCES)),
    )
