"""The encoder: every stage collapses its points into a third and describes what collapsed.

Legend: T trials, B patches, N entering points, M samples, K neighbours, C = dim, H = hidden_dim.
Geometry comes from the hierarchy; only features are computed here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from model.layers import Linear, NormalisedLinear, Perceptron, fold_normalisation, moments
from model.points import gather

if TYPE_CHECKING:
    from model.config import ModelConfig
    from model.patches import LevelBatch, PatchBatch


def masked_softmax(logits: Tensor, owned: Tensor) -> Tensor:
    """Softmax over neighbours, per channel, where only owned ones take part.

    Args:
        logits: (T, B, M, K, C).
        owned: (1, B, M, K) bool. A sample that owns none of its neighbours (possible with duplicate
            points, and in padding) weighs them all alike instead of giving NaN.
    """
    lowest = torch.finfo(logits.dtype).min
    return logits.masked_fill(~owned[..., None], lowest).softmax(dim=3)


class AncestorEmbedding(nn.Module):
    """Point transformer attention from a sample to the neighbours that collapse into it.

    Published as: logits = MLP(query - key + position), output = sum of softmax(logits) *
    (value + position), with query, key, value linear in features and position an MLP of offsets.
    All that enters the logits' first layer and the value is linear in [position's hidden layer,
    neighbour's features, sample's features]; so the linear maps are multiplied together first and
    the four wide intermediate tensors never exist. Same result up to rounding.
    """

    def __init__(self, trials: int, config: ModelConfig) -> None:
        super().__init__()
        dim, hidden = config.dim, config.hidden_dim
        self.query = Linear(trials, dim, hidden)
        self.key = Linear(trials, dim, hidden)
        self.value = Linear(trials, dim, hidden)
        self.position = Perceptron(trials, 3, hidden, hidden)
        self.logits_hidden = NormalisedLinear(trials, hidden, hidden)
        self.logits = Linear(trials, hidden, hidden)
        self.output = Linear(trials, hidden, dim)

    def forward(self, features: Tensor, at_samples: Tensor, level: LevelBatch) -> Tensor:
        """Embed (T, B, N, C) features at the samples, (T, B, M, C)."""
        trials, patches, samples, _ = at_samples.shape
        neighbours = level.neighbours.shape[-1]
        hidden = self.position.hidden(level.offset_rows, level.pair_valid, level.offset_moments)
        of_sample = at_samples[..., None, :].expand(-1, -1, -1, neighbours, -1)
        of_neighbour = gather(features, level.neighbours)
        pairs = torch.cat([hidden, of_neighbour.flatten(2, 3), of_sample.flatten(2, 3)], dim=-1)
        logits = self.logits(self._logits_hidden(pairs, level)) * self.query.weight.shape[1] ** -0.5
        grouped = (trials, patches, samples, neighbours, -1)
        attention = masked_softmax(logits.view(grouped), level.owned)
        embedded = (attention * self._positioned_values(pairs).view(grouped)).sum(dim=3)
        result: Tensor = self.output(embedded)
        return result + at_samples

    def _logits_hidden(self, pairs: Tensor, level: LevelBatch) -> Tensor:
        """Query - key + position, through the logits' first layer; (T, B, M * K, H)."""
        layer, position = self.logits_hidden, self.position.output
        inner = torch.cat([position.weight, -self.key.weight, self.query.weight], dim=2)
        inner_bias = self.query.bias - self.key.bias + position.bias
        weight = layer.linear.weight @ inner
        bias = (layer.linear.weight @ inner_bias[..., None]).squeeze(-1) + layer.linear.bias
        folded_weight, folded_bias = fold_normalisation(
            weight[:, None], bias[:, None], layer.scale, layer.shift,
            moments(pairs, level.pair_valid),
        )  # fmt: skip
        return (pairs @ folded_weight + folded_bias[:, :, None]).relu_()

    def _positioned_values(self, pairs: Tensor) -> Tensor:
        """Value + position; (T, B, M * K, H)."""
        position = self.position.output
        weight = torch.cat([position.weight, self.value.weight], dim=2)
        bias = self.value.bias + position.bias
        rows = pairs[..., : weight.shape[2]].flatten(1, 2)
        return torch.baddbmm(bias[:, None], rows, weight.transpose(1, 2))


class PositionEmbedding(nn.Module):
    """Attention over the directions and distances of the owned neighbours."""

    def __init__(self, trials: int, config: ModelConfig) -> None:
        super().__init__()
        self.embed = Perceptron(trials, 4, config.hidden_dim, config.dim)
        self.weigh = Perceptron(trials, config.dim, config.hidden_dim, config.dim)

    def forward(self, level: LevelBatch) -> Tensor:
        """Embed the local geometry, (T, B, M, C)."""
        embedded = self.embed(level.direction_rows, level.pair_valid, level.direction_moments)
        logits = self.weigh(embedded, level.pair_valid)
        grouped = (*embedded.shape[:2], *level.neighbours.shape[2:], -1)
        attention = masked_softmax(logits.view(grouped), level.owned)
        return (attention * embedded.view(grouped)).sum(dim=3)


class EncoderStage(nn.Module):
    """One collapse: ancestor, position and density embeddings, fused, plus the input features."""

    def __init__(self, trials: int, config: ModelConfig) -> None:
        super().__init__()
        self.mix = Linear(trials, config.dim, config.dim)
        self.ancestor = AncestorEmbedding(trials, config)
        self.position = PositionEmbedding(trials, config)
        self.density = Perceptron(trials, 1, config.hidden_dim, config.dim)
        self.fuse = Linear(trials, 3 * config.dim, config.dim)

    def forward(self, features: Tensor, level: LevelBatch) -> Tensor:
        """Collapse (T, B, N, C) features into (T, B, M, C)."""
        mixed = self.mix(features)
        ancestor = self.ancestor(mixed, gather(mixed, level.samples), level)
        position = self.position(level)
        density = self.density(level.child_count[..., None], level.sample_valid)
        fused: Tensor = self.fuse(torch.cat([ancestor, position, density], dim=-1))
        return fused + gather(features, level.samples)


class Encoder(nn.Module):
    """Points to latent features."""

    def __init__(self, trials: int, config: ModelConfig) -> None:
        super().__init__()
        self.embed = Perceptron(trials, 3, config.hidden_dim, config.dim)
        self.stages = nn.ModuleList(EncoderStage(trials, config) for _ in range(config.stages))

    def forward(self, patches: PatchBatch) -> Tensor:
        """Latent features, (T, B, latent points, C)."""
        features: Tensor = self.embed(patches.stages[0].xyz, patches.valid_rows(0))
        for stage, level in zip(self.stages, patches.levels, strict=True):
            features = stage(features, level)
        return features
