"""Padded clouds and a neighbour search in their plainest form; losses know nothing of model/."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


class PlainCloud(NamedTuple):
    xyz: Tensor
    """(T or 1, B, N, D)."""
    valid: Tensor
    """(T or 1, B, N) bool."""


def cloud(points: Sequence[Sequence[float]]) -> PlainCloud:
    """One patch of one trial, in double precision, with a gradient."""
    xyz = torch.tensor([[points]], dtype=torch.float64, requires_grad=True)
    return PlainCloud(xyz, torch.ones(xyz.shape[:3], dtype=torch.bool))


def random_cloud(generator: torch.Generator, trials: int, sizes: Sequence[int]) -> PlainCloud:
    """(trials, len(sizes)) patches of 3-D points; all trials have the same sizes."""
    shape = (trials, len(sizes), max(sizes), 3)
    xyz = torch.randn(shape, dtype=torch.float64, generator=generator).requires_grad_()
    valid = torch.arange(max(sizes)) < torch.tensor(sizes)[:, None]
    return PlainCloud(xyz, valid.expand(trials, -1, -1))


def search(query: PlainCloud, reference: PlainCloud, k: int) -> Tensor:
    """The k nearest by sorting all squared differences."""
    differences = query.xyz.detach()[..., :, None, :] - reference.xyz.detach()[..., None, :, :]
    dist2 = differences.square().sum(dim=-1)
    dist2 = dist2.masked_fill(~reference.valid[..., None, :], torch.inf)
    return dist2.argsort(dim=-1)[..., :k] * query.valid[..., None]
