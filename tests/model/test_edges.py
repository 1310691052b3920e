"""The search in feature space: the published product, in little memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from model import edges
from model.edges import feature_neighbours
from model.points import Points

if TYPE_CHECKING:
    import pytest


def lattice(seed: int, count: int) -> Points:
    """(1, 1, count) points of width 8, as quantised latents are: many pairs are equally far."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randint(-2, 3, (1, 1, count, 8), generator=generator).float() + 0.3
    return Points(values, torch.tensor([[count]]))


def published(points: Points, k: int) -> torch.Tensor:
    """As it is written there."""
    x = points.xyz[0].mT.contiguous()
    inner = -2 * torch.matmul(x.transpose(2, 1), x)
    xx = torch.sum(x**2, dim=1, keepdim=True)
    distance = -xx - inner - xx.transpose(2, 1)
    return distance.topk(k=k, dim=-1)[1]


def test_the_product_is_the_published_one(seed: int) -> None:
    points = lattice(seed, 700)
    torch.testing.assert_close(feature_neighbours(points, 16)[0], published(points, 16))


def test_blocks_find_neighbours_as_near(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    points = lattice(seed, 300)
    whole = feature_neighbours(points, 9)[0, 0]
    monkeypatch.setattr(edges, "CLOSENESS_PER_BLOCK", 300 * 7 + 1)
    blocks = feature_neighbours(points, 9)[0, 0]
    values = points.xyz[0, 0]
    distances = [(values[found] - values[:, None]).norm(dim=-1) for found in (whole, blocks)]
    torch.testing.assert_close(distances[0], distances[1])
