"""The decoder: every stage predicts how many children a point has, and places that many.

Legend: T trials, B patches, N parents, P children (padded), U most children per parent, C = dim.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812  the name everyone knows
from torch import Tensor, nn

from model.directions import candidate_directions
from model.layers import PlainPerceptron
from model.points import Points, gather, nearest

if TYPE_CHECKING:
    from model.config import ModelConfig
    from model.points import Search


@dataclass(frozen=True)
class DecodedStage:
    """What one decoder stage made.

    Attributes:
        parents: the points that entered.
        children: the points that leave.
        child_count: (T, B, N), predicted number of children per parent, a real number in [1, U].
        features: (T, B, P, C) of the children; None where nobody reads them.
    """

    parents: Points
    children: Points
    child_count: Tensor
    features: Tensor | None


class SubPointNetwork(nn.Module):
    """Sub-point convolution: deal a parent's channels out to its children, one MLP for all.

    Of the a input channels, channel c * U + u belongs to child u, so each child sees a / U.
    """

    def __init__(self, trials: int, inputs: int, hidden: int, outputs: int, children: int) -> None:
        super().__init__()
        self.groups = children
        self.perceptron = PlainPerceptron(trials, inputs // children, hidden, outputs)

    def deal(self, features: Tensor) -> Tensor:
        """Rearrange (T, B, N, a) so that row parent * U + child holds what that child sees."""
        grouped: Tensor = features.unflatten(3, (-1, self.groups)).transpose(3, 4)
        return grouped.flatten(2, 3)

    def forward(self, dealt: Tensor) -> Tensor:
        """Map (T, B, P, a / U) to (T, B, P, b)."""
        y: Tensor = self.perceptron(dealt)
        return y


class Placement(nn.Module):
    """Coordinates and features of children from their parents' (or of points from their own)."""

    candidates: Tensor

    def __init__(self, trials: int, config: ModelConfig, children: int) -> None:
        super().__init__()
        dim, hidden = config.dim, config.hidden_dim
        self.register_buffer("candidates", candidate_directions(), persistent=False)
        count = len(self.candidates)
        self.direction = SubPointNetwork(trials, dim, hidden, count, children)
        self.length = SubPointNetwork(trials, dim, hidden, 1, children)
        self.features = SubPointNetwork(trials, dim, hidden, dim, children)

    def forward(
        self, xyz: Tensor, features: Tensor, chosen: Chosen | None, *, with_features: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Place the chosen children, or refine every point where ``chosen`` is None.

        Args:
            xyz: (T, B, N, 3) of the parents.
            features: (T, B, N, C) of the parents.
            chosen: which children to place.
            with_features: whether anybody reads the children's features.

        Returns:
            (T, B, P, 3) coordinates and (T, B, P, C) features.
        """
        dealt = self.direction.deal(features)
        if chosen is not None:
            dealt = gather(dealt, chosen.dealt_row)
            xyz, features = gather(xyz, chosen.parent), gather(features, chosen.parent)
        blended = self.direction(dealt).softmax(dim=-1) @ self.candidates
        # The length may be negative.
        placed = xyz + F.normalize(blended, dim=-1) * self.length(dealt)
        return placed, self.features(dealt) + features if with_features else None


@dataclass(frozen=True)
class Chosen:
    """The (parent, child) pairs that are kept, parents in order.

    Attributes:
        parent: (T, B, P) int64; 0 in padding.
        dealt_row: (T, B, P) int64, parent * U + child.
        sizes: (T, B) int64, how many pairs are kept.
    """

    parent: Tensor
    dealt_row: Tensor
    sizes: Tensor


def choose(child_count: Tensor, most: int, valid: Tensor) -> Chosen:
    """Keep the first round(count) children of each valid parent.

    The count is known before any child is, so only the chosen ones are ever computed.

    Args:
        child_count: (T, B, N) real numbers; a diverged trial's NaN counts as 1.
        most: U.
        valid: (T or 1, B, N) bool.
    """
    counts = torch.nan_to_num(child_count.detach(), nan=1.0).round().clamp(1, most)
    kept = torch.arange(most, device=counts.device) < (counts * valid)[..., None]
    kept = kept.flatten(2)
    sizes = kept.sum(dim=2)
    slot = kept.cumsum(dim=2) - 1
    row = torch.arange(kept.shape[2], device=kept.device).expand_as(kept)
    # Rows that are not kept all land in one slot past the end, which is cut off.
    pairs = int(sizes.max())
    slot = slot.masked_fill(~kept, pairs)
    dealt_row = kept.new_zeros((*sizes.shape, pairs + 1), dtype=torch.int64)
    dealt_row = dealt_row.scatter(2, slot, row)[..., :-1]
    return Chosen(dealt_row // most, dealt_row, sizes)


class DecoderStage(nn.Module):
    """One expansion: predict counts, place the chosen children, refine them."""

    def __init__(self, trials: int, config: ModelConfig, most: int) -> None:
        super().__init__()
        self.most = most
        self.count = PlainPerceptron(trials, config.dim, config.hidden_dim, 1)
        self.place = Placement(trials, config, most)
        self.refine = Placement(trials, config, 1)

    def forward(self, parents: Points, features: Tensor, *, with_features: bool) -> DecodedStage:
        """Expand (T, B, N) points with (T, B, N, C) features."""
        child_count = self.count(features).squeeze(-1).sigmoid() * (self.most - 1) + 1
        chosen = choose(child_count, self.most, parents.valid)
        xyz, of_children = self.place(parents.xyz, features, chosen, with_features=True)
        xyz, refined = self.refine(xyz, of_children, None, with_features=with_features)
        return DecodedStage(parents, Points(xyz, chosen.sizes), child_count, refined)


class Decoder(nn.Module):
    """Latent points and features to points."""

    def __init__(self, trials: int, config: ModelConfig) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            DecoderStage(trials, config, most) for most in config.max_upsample_num
        )

    def forward(
        self, latent: Points, features: Tensor, *, final_features: bool = False
    ) -> list[DecodedStage]:
        """Expand (T, B, M) latent points with (T, B, M, C) features, coarsest stage first.

        Args:
            latent: the points that the bitstream carried.
            features: their features.
            final_features: whether the features of the last stage are wanted; coordinates do not
                need them.
        """
        stages: list[DecodedStage] = []
        for number, stage in enumerate(self.stages, start=1):
            wanted = final_features or number < len(self.stages)
            made = stage(latent, features, with_features=wanted)
            stages.append(made)
            latent, features = made.children, made.features
        return stages


def mean_distances(stage: DecodedStage, k: int, search: Search = nearest) -> Tensor:
    """Predicted mean distance of every parent to its children, (T, B, N).

    From geometry alone: a child's owner is its nearest parent; the distances from a parent to those
    of its k nearest children that it owns are summed and divided by its *predicted* count.
    """
    parents, children = stage.parents, stage.children
    owner = search(children, parents, 1).squeeze(-1)
    neighbours = search(parents, children, k)
    count = parents.xyz.shape[2]
    owners = owner.gather(2, neighbours.flatten(2)).view_as(neighbours)
    owned = owners == torch.arange(count, device=owners.device)[:, None]
    owned &= torch.arange(k, device=owners.device) < children.sizes[..., None, None]
    to_children = parents.xyz[..., None, :] - gather(children.xyz, neighbours)
    total: Tensor = (to_children.norm(dim=-1) * owned).sum(dim=-1)
    return total / stage.child_count
