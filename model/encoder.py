"""The encoder: every stage collapses its points into a third and describes what collapsed.

Legend: T trials, B patches, N entering points, M samples, E owned pairs, C = dim, H = hidden_dim.
Geometry comes from the hierarchy; only features are computed here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from model.layers import Linear, NormalisedLinear, Perceptron, linear_moments, moments
from model.points import gather

if TYPE_CHECKING:
    from model.config import ModelConfig
    from model.layers import Folded, Moments
    from model.patches import LevelBatch, PatchBatch


def attend(logits: Tensor, values: Tensor, level: LevelBatch) -> Tensor:
    """Softmax over each sample's owned neighbours, per channel, and the sum of weighted values.

    A sample that owns none of its neighbours (possible with duplicate points) gets zeros.

    Args:
        logits: (T, B, E, C), one row per owned pair.
        values: (T, B, E, C).
        level: whose pairs they are.

    Returns:
        (T, B, M, C).
    """
    trials, patches, _, channels = logits.shape
    # Padding has a sample of its own behind the last one, which is cut off.
    slots = level.samples.shape[2] + 1
    first = torch.arange(trials * patches, device=logits.device) * slots
    slot = (level.owner + first.view(trials, patches, 1)).flatten()
    index = slot[:, None].expand(-1, channels)
    rows = logits.reshape(-1, channels)
    zeros = rows.new_zeros((trials * patches * slots, channels))
    with torch.no_grad():
        peak = zeros.scatter_reduce(0, index, rows, "amax", include_self=False)
    weight = (rows - peak[slot]).exp()
    total = zeros.scatter_add(0, index, weight)
    summed = zeros.scatter_add(0, index, weight * values.reshape(-1, channels))
    # The largest weight is exp(0), so only an empty sum is below 1.
    attended = (summed / total.clamp_min(1.0)).view(trials, patches, slots, channels)
    return attended[:, :, :-1]


class AncestorEmbedding(nn.Module):
    """Point transformer attention from a sample to the neighbours that collapse into it.

    Published as: logits = MLP(query - key + position), output = sum of softmax(logits) *
    (value + position), with query, key, value linear in features and position an MLP of offsets.
    All that enters the logits' first layer and the value is linear in [position's hidden layer,
    neighbour's features, sample's features]; so the linear maps are multiplied together first and
    the wide intermediate tensors never exist. Only the normalisation sees pairs that are not owned,
    and it needs no more than the moments of that concatenation. Same result up to rounding.
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
        position = self.position.hidden.folded(level.offset_moments)
        neighbours = level.neighbours.shape[-1]
        all_pairs = moments(
            torch.cat([
                position(level.offsets),
                gather(features, level.neighbours.flatten(2)),
                at_samples.repeat_interleave(neighbours, dim=2),
            ], dim=-1),
            level.pair_valid,
        )  # fmt: skip
        owned = torch.cat([
            position(level.owned_offsets),
            gather(features, level.owned_neighbours),
            gather(at_samples, level.owner_or_first),
        ], dim=-1)  # fmt: skip
        logits = self.logits(self._logits_layer(all_pairs)(owned))
        scale = self.query.weight.shape[1] ** -0.5
        result: Tensor = self.output(attend(logits * scale, self._positioned_values(owned), level))
        return result + at_samples

    def _logits_layer(self, all_pairs: Moments) -> Folded:
        """From the concatenation through query - key + position to the logits' hidden layer."""
        layer, position = self.logits_hidden, self.position.output
        inner = torch.cat([position.weight, -self.key.weight, self.query.weight], dim=2)
        inner_bias = self.query.bias - self.key.bias + position.bias
        weight = layer.linear.weight @ inner
        bias = (layer.linear.weight @ inner_bias[..., None]).squeeze(-1) + layer.linear.bias
        return layer.fold(weight[:, None], bias[:, None], all_pairs)

    def _positioned_values(self, owned: Tensor) -> Tensor:
        """Value + position; (T, B, E, H)."""
        position = self.position.output
        weight = torch.cat([position.weight, self.value.weight], dim=2)
        bias = self.value.bias + position.bias
        rows = owned[..., : weight.shape[2]].flatten(1, 2)
        return torch.baddbmm(bias[:, None], rows, weight.mT).view(*owned.shape[:3], -1)


class PositionEmbedding(nn.Module):
    """Attention over the directions and distances of the owned neighbours."""

    def __init__(self, trials: int, config: ModelConfig) -> None:
        super().__init__()
        self.embed = Perceptron(trials, 4, config.hidden_dim, config.dim)
        self.weigh = Perceptron(trials, config.dim, config.hidden_dim, config.dim)

    def forward(self, level: LevelBatch) -> Tensor:
        """Embed the local geometry, (T, B, M, C)."""
        hidden = self.embed.hidden.folded(level.direction_moments)
        all_pairs = moments(hidden(level.directions), level.pair_valid)
        embedded = self.embed.output(hidden(level.owned_directions))
        logits = self.weigh(embedded, linear_moments(all_pairs, self.embed.output))
        return attend(logits, embedded, level)


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
        density = self.density(level.child_count[..., None], level.count_moments)
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
        features: Tensor = self.embed(patches.stages[0].xyz, patches.point_moments(0))
        for stage, level in zip(self.stages, patches.levels, strict=True):
            features = stage(features, level)
        return features
