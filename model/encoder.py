"""The encoder: every stage collapses its points into a third and describes what collapsed.

Legend: T trials, B patches, N entering points, M samples, E owned pairs, C = dim, H = hidden_dim.
Geometry comes from the hierarchy; only features are computed here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from model.kernels import attend
from model.layers import Linear, NormalisedLinear, Perceptron, affine, linear_moments
from model.native import functions as native
from model.native.library import usable
from model.points import gather

if TYPE_CHECKING:
    from model.config import ModelConfig
    from model.layers import Folded
    from model.patches import LevelBatch, PatchBatch


class Attention:
    """Softmax over each sample's owned neighbours, shared by a stage's two networks that use it."""

    def __init__(self, level: LevelBatch) -> None:
        """Note whose pairs they are."""
        self._level = level
        self._slot: Tensor | None = None

    def __call__(self, logits: Tensor, values: Tensor) -> Tensor:
        """Per channel, the sum of the values weighted by the softmax.

        Args:
            logits: (T, B, E, C), one row per owned pair.
            values: (T, B, E, C).

        Returns:
            (T, B, M, C). A sample that owns none of its neighbours (possible with duplicate points)
            gets zeros.
        """
        level = self._level
        if usable(logits, values):
            return native.attend(logits, values, level.first_of_samples)
        if self._slot is None:
            self._slot = level.slot(logits.shape[0])
        samples = level.samples.shape[2]
        attended = attend(logits, values, self._slot, level.slots)
        return attended if level.slots == samples else attended[:, :, :samples]


def logits_of(hidden: Tensor, layer: Linear) -> Tensor:
    """The last layer before a softmax over pairs, channel by channel.

    The softmax does not change when all logits of a channel do, so the bias has no gradient but
    rounding errors, and Adam would blow them up to whole steps: it is left out of the gradients.
    """
    return affine(hidden, layer.weight, layer.bias.detach())


class AncestorEmbedding(nn.Module):
    """Point transformer attention from a sample to the neighbours that collapse into it.

    Published as: logits = MLP(query - key + position), output = sum of softmax(logits) *
    (value + position), with query, key, value linear in features and position an MLP of offsets.
    All that enters the logits' first layer and the value is linear in [position's hidden layer,
    neighbour's features, sample's features]; so the linear maps are multiplied together first and
    the wide intermediate tensors never exist. Only the published normalisation sees pairs that are
    not owned, and it needs no more than the moments of that concatenation. Same result up to
    rounding.
    """

    def __init__(self, trials: int, config: ModelConfig) -> None:
        super().__init__()
        dim, hidden = config.dim, config.hidden_dim
        self.masked = config.norm == "masked"
        self.query = Linear(trials, dim, hidden)
        self.key = Linear(trials, dim, hidden)
        self.value = Linear(trials, dim, hidden)
        self.position = Perceptron(trials, 3, hidden, hidden)
        self.logits_hidden = NormalisedLinear(trials, hidden, hidden)
        self.logits = Linear(trials, hidden, hidden)
        self.output = Linear(trials, hidden, dim)

    def forward(
        self, features: Tensor, at_samples: Tensor, level: LevelBatch, attention: Attention
    ) -> Tensor:
        """Embed (T, B, N, C) features at the samples, (T, B, M, C)."""
        if self.masked:
            position = self.position.hidden(level.owned_offsets, level.owned_valid)
            owned = self._owned(position, features, at_samples, level)
            weight, bias = self._into_logits_layer()
            hidden = self.logits_hidden.through(weight, bias, owned, level.owned_valid)
        else:
            folded = self.position.hidden.folded(level.offset_moments)
            owned = self._owned(folded(level.owned_offsets), features, at_samples, level)
            all_pairs = self._moments_of_all(folded, features, at_samples, level)
            hidden = self.logits_hidden.fold(*self._into_logits_layer(), all_pairs)(owned)
        logits = logits_of(hidden, self.logits)
        scale = self.query.weight.shape[2] ** -0.5
        embedded = attention(logits * scale, self._positioned_values(owned))
        result: Tensor = self.output(embedded)
        return result + at_samples

    def _owned(
        self, position: Tensor, features: Tensor, at_samples: Tensor, level: LevelBatch
    ) -> Tensor:
        """The concatenation over the owned pairs, (T, B, E, H + 2C)."""
        return torch.cat([
            position,
            gather(features, level.owned_neighbours),
            gather(at_samples, level.owner_or_first),
        ], dim=-1)  # fmt: skip

    def _moments_of_all(
        self, position: Folded, features: Tensor, at_samples: Tensor, level: LevelBatch
    ) -> Tensor:
        """Second moments of the concatenation over all pairs."""
        of_pairs = torch.cat([
            gather(features, level.neighbours.flatten(2)),
            at_samples.repeat_interleave(level.neighbours.shape[-1], dim=2),
        ], dim=-1)  # fmt: skip
        return position.moments(level.offsets, of_pairs, level.pair_valid)

    def _into_logits_layer(self) -> tuple[Tensor, Tensor]:
        """From the concatenation through query - key + position into the logits' hidden layer."""
        layer, position = self.logits_hidden.linear, self.position.output
        inner = torch.cat([position.weight, -self.key.weight, self.query.weight], dim=1)
        inner_bias = self.query.bias - self.key.bias + position.bias
        bias = torch.baddbmm(layer.bias, inner_bias, layer.weight)
        return torch.bmm(inner, layer.weight), bias

    def _positioned_values(self, owned: Tensor) -> Tensor:
        """Value + position; (T, B, E, H)."""
        position = self.position.output
        # The sample's own features, the last columns, do not enter the value.
        nothing = torch.zeros_like(self.value.weight)
        weight = torch.cat([position.weight, self.value.weight, nothing], dim=1)
        return affine(owned, weight, self.value.bias + position.bias)


class PositionEmbedding(nn.Module):
    """Attention over the directions and distances of the owned neighbours."""

    def __init__(self, trials: int, config: ModelConfig) -> None:
        super().__init__()
        self.masked = config.norm == "masked"
        self.embed = Perceptron(trials, 4, config.hidden_dim, config.dim)
        self.weigh = Perceptron(trials, config.dim, config.hidden_dim, config.dim)

    def forward(self, level: LevelBatch, attention: Attention) -> Tensor:
        """Embed the local geometry, (T, B, M, C)."""
        if self.masked:
            embedded = self.embed(level.owned_directions, level.owned_valid)
            weighed = self.weigh.hidden(embedded, level.owned_valid)
            return attention(logits_of(weighed, self.weigh.output), embedded)
        hidden = self.embed.hidden.folded(level.direction_moments)
        all_pairs = hidden.moments(level.directions, None, level.pair_valid)
        embedded = self.embed.output(hidden(level.owned_directions))
        weigh = self.weigh.hidden.folded(linear_moments(all_pairs, self.embed.output))
        return attention(logits_of(weigh(embedded), self.weigh.output), embedded)


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
        mixed, attention = self.mix(features), Attention(level)
        ancestor = self.ancestor(mixed, gather(mixed, level.samples), level, attention)
        position = self.position(level, attention)
        density = self.density(level.child_count[..., None], level.sample_valid)
        fused: Tensor = self.fuse(torch.cat([ancestor, position, density], dim=-1))
        return fused + gather(features, level.samples)


class Encoder(nn.Module):
    """Points to latent features."""

    def __init__(self, trials: int, config: ModelConfig) -> None:
        super().__init__()
        self.embed = Perceptron(trials, config.input_channels, config.hidden_dim, config.dim)
        self.codes_normals = config.compress_normal
        self.stages = nn.ModuleList(EncoderStage(trials, config) for _ in range(config.stages))

    def forward(self, patches: PatchBatch) -> Tensor:
        """Latent features, (T, B, latent points, C)."""
        inputs = patches.stages[0].xyz
        if self.codes_normals:
            assert patches.normals is not None, "a codec of normals needs patches with normals"
            inputs = torch.cat([inputs, patches.normals], dim=-1)
        features: Tensor = self.embed(inputs, patches.stages[0].valid_rows)
        for stage, level in zip(self.stages, patches.levels, strict=True):
            features = stage(features, level)
        return features
