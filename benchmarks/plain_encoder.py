"""The published encoder the plain way; its modules carry the names of published checkpoints.

Legend: N entering points, M samples, K neighbours, C = dim, H = hidden_dim. Points are (1, 3, N),
features (1, C, N), those of (sample, neighbour) pairs (1, C, M, K).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812  the name everyone knows
from torch import Tensor, nn

if TYPE_CHECKING:
    from benchmarks.plain_geometry import PlainLevel
    from model.config import ModelConfig


def normalised(conv: type[nn.Conv1d | nn.Conv2d], a: int, hidden: int, b: int) -> nn.Sequential:
    """1x1 convolution a to hidden, GroupNorm with one group, ReLU, 1x1 convolution to b."""
    return nn.Sequential(conv(a, hidden, 1), nn.GroupNorm(1, hidden), nn.ReLU(), conv(hidden, b, 1))


def at(features: Tensor, index: Tensor) -> Tensor:
    """Columns of (1, C, N) at (...) indices, (1, C, ...)."""
    channels = features.shape[1]
    columns = features.gather(2, index.flatten().expand(1, channels, -1))
    return columns.view(1, channels, *index.shape)


class AncestorEmbedding(nn.Module):
    """Point transformer attention from a sample to the neighbours that it owns."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.w_qs = nn.Conv1d(dim, hidden, 1)
        self.w_ks = nn.Conv1d(dim, hidden, 1)
        self.w_vs = nn.Conv1d(dim, hidden, 1)
        self.conv_delta = normalised(nn.Conv2d, 3, hidden, hidden)
        self.conv_gamma = normalised(nn.Conv2d, hidden, hidden, hidden)
        self.post_conv = nn.Conv1d(hidden, dim, 1)

    def forward(self, features: Tensor, offsets: Tensor, level: PlainLevel) -> Tensor:
        """Embed (1, C, N) at the samples, (1, C, M); offsets: (1, 3, M, K), sample - neighbour."""
        at_samples = at(features, level.samples)
        query = self.w_qs(at_samples)[..., None]
        key = at(self.w_ks(features), level.neighbours)
        value = at(self.w_vs(features), level.neighbours)
        position = self.conv_delta(offsets)
        logits = self.conv_gamma(query - key + position) / query.shape[1] ** 0.5
        weight = logits.masked_fill(~level.owned, -torch.inf).softmax(dim=3)
        result: Tensor = self.post_conv((weight * (value + position)).sum(dim=3))
        return result + at_samples


class PositionEmbedding(nn.Module):
    """Attention over directions and distances of the neighbours that a sample owns."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.pre_nn = normalised(nn.Conv2d, 4, hidden, dim)
        self.attn_nn = normalised(nn.Conv2d, dim, hidden, dim)

    def forward(self, offsets: Tensor, level: PlainLevel) -> Tensor:
        """Embed (1, 3, M, K) offsets, (1, C, M)."""
        distance = offsets.norm(dim=1, keepdim=True)
        embedded = self.pre_nn(torch.cat([-F.normalize(offsets, dim=1), distance], dim=1))
        logits = self.attn_nn(embedded).masked_fill(~level.owned, -torch.inf)
        result: Tensor = (logits.softmax(dim=3) * embedded).sum(dim=3)
        return result


class DensityEmbedding(nn.Module):
    """What the number of points that a sample owns says."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.pre_nn = normalised(nn.Conv1d, 1, hidden, dim)

    def forward(self, level: PlainLevel) -> Tensor:
        """Embed the child counts, (1, C, M)."""
        embedded: Tensor = self.pre_nn(level.child_count[None, None])
        return embedded


class EncoderLayer(nn.Module):
    """One collapse of N points into M."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.pre_conv = nn.Conv1d(dim, dim, 1)
        self.feats_agg_nn = AncestorEmbedding(dim, hidden)
        self.position_embedding_nn = PositionEmbedding(dim, hidden)
        self.density_embedding_nn = DensityEmbedding(dim, hidden)
        self.post_conv = nn.Conv1d(3 * dim, dim, 1)

    def forward(self, xyz: Tensor, features: Tensor, level: PlainLevel) -> Tensor:
        """Collapse (1, C, N) features of (1, 3, N) points into (1, C, M)."""
        offsets = at(xyz, level.samples)[..., None] - at(xyz, level.neighbours)
        ancestor = self.feats_agg_nn(self.pre_conv(features), offsets, level)
        position = self.position_embedding_nn(offsets, level)
        density = self.density_embedding_nn(level)
        fused: Tensor = self.post_conv(torch.cat([ancestor, position, density], dim=1))
        return fused + at(features, level.samples)


class Encoder(nn.Module):
    """All collapses."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.encoder_layers = nn.ModuleList(
            EncoderLayer(config.dim, config.hidden_dim) for _ in range(config.stages)
        )

    def forward(
        self, xyz: Tensor, features: Tensor, levels: list[PlainLevel]
    ) -> tuple[Tensor, Tensor]:
        """Latent points (1, 3, M) and their features (1, C, M)."""
        for layer, level in zip(self.encoder_layers, levels, strict=True):
            features = layer(xyz, features, level)
            xyz = at(xyz, level.samples)
        return xyz, features
