"""The search for nearest neighbours, by whichever way is fastest on a device.

Legend as in `model.points`; Q queries, k neighbours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from model.nearest_choice import choose, size_of
from model.nearest_plain import nearest_by_brute_force, nearest_on_cpu

if TYPE_CHECKING:
    from torch import Tensor

    from model.points import Points


def nearest(query: Points, reference: Points, k: int = 1) -> Tensor:
    """Indices of the k nearest valid reference points of every query point.

    Neighbours come nearest first; which of two equally near ones is first is not defined. Rows of
    padded queries, and columns beyond the number of reference points, hold 0.

    Returns:
        (max of both L, B, Q, k) int64, on the device of the points. Not differentiable: distances
        are recomputed from the matched pairs, so that their gradients are exact.
    """
    device = query.xyz.device
    if device.type == "cpu":
        return nearest_on_cpu(query, reference, k)
    if device.type != "cuda" or query.xyz.dtype != torch.float32:
        return nearest_by_brute_force(query, reference, k)
    return choose(device, size_of(query, reference, k)).search(query, reference, k)
