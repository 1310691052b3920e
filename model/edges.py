"""Edge convolutions: what a point's neighbours in feature space say about it.

Legend: L = T trials, or 1 where all trials share the points; B patches, N points, K neighbours, a
inputs, b outputs, H hidden.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from model.layers import PlainPerceptron, affine
from model.nearest import nearest
from model.points import gather

if TYPE_CHECKING:
    from model.points import Points

CLOSENESS_PER_BLOCK = 1 << 24
"""Entries of one matrix of closeness: 64 MiB of float32. A patch may decode to 20,000 points."""


def feature_neighbours(points: Points, k: int) -> Tensor:
    """The k nearest points in the space of the points' own values, each itself included.

    Quantised latents lie on a lattice, where many pairs are equally far apart, and which of them
    count as neighbours changes what is decoded. The published network decides it by the rounding
    of a matrix product, so the same product is taken here, patch by patch: a batch would round
    otherwise. Coordinates have no such ties and are searched as everywhere.

    Args:
        points: (L, B, N, a) values of any width.
        k: limited to the number of points of a patch; the first neighbour is repeated beyond it,
            which changes no maximum.

    Returns:
        (L, B, N, min(k, N)) int64.
    """
    columns = min(k, points.xyz.shape[2])
    if points.xyz.shape[-1] == 3:
        found = nearest(points, points, columns)
        exists = torch.arange(columns, device=found.device) < points.sizes[..., None, None]
        return torch.where(exists, found, found[..., :1])
    found = points.sizes.new_zeros((*points.xyz.shape[:3], columns))
    values = points.xyz.detach()
    for trial, sizes in enumerate(points.sizes.tolist()):
        for patch, size in enumerate(sizes):
            rows = _nearest_by_product(values[trial, patch, :size], min(k, size))
            found[trial, patch, :size, : rows.shape[1]] = rows
            found[trial, patch, :size, rows.shape[1] :] = rows[:, :1]
    return found


def _nearest_by_product(values: Tensor, k: int) -> Tensor:
    """(n, k) int64 nearest rows of (n, a) values, by -|x|^2 + 2 x y - |y|^2 as published."""
    # Channels first, as published: the order of the sums decides the ties.
    channels = values.T.contiguous()
    squares = channels.square().sum(dim=0)
    blocks = []
    height = max(1, CLOSENESS_PER_BLOCK // len(values))
    for first in range(0, len(values), height):
        rows = slice(first, first + height)
        closeness = channels[:, rows].T @ channels
        closeness.mul_(2).sub_(squares).sub_(squares[rows, None])
        blocks.append(closeness.topk(k, dim=1).indices)
    return torch.cat(blocks)


class EdgeConvolution(nn.Module):
    """Maximum over neighbours of an MLP of [neighbour - self, self] (Wang et al. 2019, eq. 8).

    The first layer is linear in both halves, so it is applied to points rather than to pairs: a
    pair's value is a sum of two points' values. Same result up to the order of the sums.
    """

    def __init__(self, trials: int, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.edges = PlainPerceptron(trials, 2 * inputs, hidden, outputs)

    def forward(self, features: Tensor, neighbours: Tensor) -> Tensor:
        """Map (L, B, N, a) features and their (L, B, N, K) neighbours to (T, B, N, b)."""
        of_difference, of_self = self.edges.hidden.weight.chunk(2, dim=1)
        at_neighbour = affine(features, of_difference, self.edges.hidden.bias)
        at_self = features @ (of_self - of_difference)[:, None]
        count = neighbours.shape[-1]
        pairs = gather(at_neighbour, neighbours) + at_self[..., None, :]
        per_pair: Tensor = self.edges.output(pairs.relu_().flatten(2, 3))
        largest: Tensor = per_pair.unflatten(2, (-1, count)).amax(dim=3)
        return largest
