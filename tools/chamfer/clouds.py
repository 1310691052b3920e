"""Point sets for the losses, and the losses by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from losses import (
    Matches,
    Sides,
    chamfer,
    density_aware_chamfer,
    shape_error,
    sinkhorn_divergence,
    sliced_wasserstein2,
)
from losses.clouds import matched_dist2
from model.nearest_plain import squared_distances

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    Loss = Callable[["Sets", "Sets"], Tensor]
    """Two times B sets to (B,)."""


class Sets(NamedTuple):
    """B sets of equally many points, as the losses want them: one trial, no padding."""

    xyz: Tensor
    """(1, B, N, D)."""
    valid: Tensor
    """(1, B, N), all true."""


def sets(points: Tensor) -> Sets:
    """(B, N, D) points."""
    return Sets(points[None], torch.ones((1, *points.shape[:2]), dtype=torch.bool))


def one_set(points: list[list[float]]) -> Sets:
    """A single set, in double precision, with a gradient."""
    return sets(torch.tensor([points], dtype=torch.float64, requires_grad=True))


def nearest(query: Sets, reference: Sets, k: int) -> Tensor:
    """The k nearest, by all distances: (1, B, N, k)."""
    dist2 = squared_distances(query.xyz.detach(), reference.xyz.detach())
    return dist2.topk(min(k, dist2.shape[-1]), largest=False).indices


def matches(ours: Sets, theirs: Sets) -> Matches:
    """Both sides' nearest points."""
    return chamfer(ours, theirs, nearest)[1]


def two_sided(ours: Sets, theirs: Sets) -> Tensor:
    """Chamfer distance, (1, B)."""
    return chamfer(ours, theirs, nearest)[0]


def one_sided(ours: Sets, theirs: Sets) -> Tensor:
    """From ours to theirs only: accuracy without coverage."""
    return chamfer(ours, theirs, nearest, sides=Sides.DECODED_TO_TRUE)[0]


def density_aware(ours: Sets, theirs: Sets) -> Tensor:
    """Density-aware chamfer, for sets of the unit square."""
    return density_aware_chamfer(ours, theirs, matches(ours, theirs), 20.0)


def with_shape(ours: Sets, theirs: Sets) -> Tensor:
    """Chamfer, and a hundredth of the shape error."""
    found = matches(ours, theirs)
    return two_sided(ours, theirs) + 0.01 * shape_error(ours, theirs, found, nearest, 4)


def assigned(ours: Sets, theirs: Sets) -> Tensor:
    """Exact squared 2-Wasserstein distance of equally many points (earth mover's), (1, B)."""
    dist2 = squared_distances(ours.xyz[0].detach(), theirs.xyz[0].detach()).numpy()
    match = torch.from_numpy(np.stack([linear_sum_assignment(each)[1] for each in dist2]))[None]
    return matched_dist2(ours, theirs, match).mean(dim=-1)


LOSSES: dict[str, Loss] = {
    "chamfer": two_sided,
    "chamfer, one side": one_sided,
    "density-aware chamfer": density_aware,
    "chamfer and shape": with_shape,
    "sliced Wasserstein": sliced_wasserstein2,
    "Sinkhorn divergence": sinkhorn_divergence,
    "earth mover's (exact)": assigned,
}
