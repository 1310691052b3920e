"""The decoder: every stage predicts how many children a point has, and places that many.

Legend: T trials, B patches, N parents, P children (padded), U most children per parent, C = dim.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, prod
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812  the name everyone knows
from torch import Tensor, nn

from model.directions import candidate_directions
from model.growth import FREE_POINTS, check_growth
from model.layers import PlainPerceptron, each_alike
from model.native.library import usable
from model.native.placement import place
from model.nearest import nearest
from model.points import Points, gather
from model.sub_points import SUB_POINT_NETWORKS, Dealing, SubPointPerceptron

if TYPE_CHECKING:
    from model.config import ModelConfig
    from model.nearest_plain import Search


@dataclass(frozen=True)
class DecodedStage:
    """What one decoder stage made.

    Attributes:
        parents: the points that entered.
        children: the points that leave.
        child_count: (T, B, N), predicted number of children per parent, a real number in [1, U].
        features: (T, B, P, C) of the children; None where nobody reads them. (T, B, P, 3) in the
            last stage of a codec of normals, which are their tanh.
    """

    parents: Points
    children: Points
    child_count: Tensor
    features: Tensor | None

    @property
    def normals(self) -> Tensor:
        """(T, B, P, 3) of the last stage of a codec of normals; not of length 1."""
        assert self.features is not None, "the last stage of a codec of normals makes features"
        return each_alike(torch.tanh, self.features, len(self.features))


class Placement(nn.Module):
    """Coordinates and features of children from their parents' (or of points from their own)."""

    candidates: Tensor

    def __init__(
        self, trials: int, config: ModelConfig, children: int, *, to_normals: bool = False
    ) -> None:
        super().__init__()
        network = SUB_POINT_NETWORKS[config.sub_point_conv_mode]
        self.most = children
        self.to_normals = to_normals
        self.register_buffer("candidates", candidate_directions(), persistent=False)
        self.direction = network(trials, config, len(self.candidates), children)
        self.length = network(trials, config, 1, children)
        self.features = network(trials, config, 3 if to_normals else config.dim, children)

    def forward(
        self, parents: Points, features: Tensor, chosen: Chosen | None, *, with_features: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Place the chosen children, or refine every point where ``chosen`` is None.

        Args:
            parents: (T, B, N) points.
            features: (T, B, N, C) of the parents.
            chosen: which children to place.
            with_features: whether anybody reads the children's features.

        Returns:
            (T, B, P, 3) coordinates and (T, B, P, C) features: the parent's plus what the network
            makes of them; or (T, B, P, 3), the network's alone, where they become normals.
        """
        rows = None if chosen is None else chosen.dealt_row
        dealing = Dealing(features, parents.sizes, self.most, rows)
        xyz = parents.xyz.expand(len(features), -1, -1, -1)
        if chosen is not None:
            xyz, features = gather(xyz, chosen.parent), gather(features, chosen.parent)
        networks = [
            network.perceptron.layers
            for network in (self.direction, self.length, self.features)
            if isinstance(network, SubPointPerceptron)
        ]
        if networks and usable(xyz, dealing.dealt):
            direction, length, made_by = networks
            residual = None if self.to_normals else features
            what_for = (made_by, residual) if with_features else (None, None)
            sizes = (parents if chosen is None else chosen).sizes.expand(xyz.shape[:2])
            return place(dealing.dealt, xyz, sizes, self.candidates, direction, length, *what_for)
        blended = self.direction(dealing).softmax(dim=-1) @ self.candidates
        # The length may be negative.
        placed = xyz + F.normalize(blended, dim=-1) * self.length(dealing)
        if not with_features:
            return placed, None
        made: Tensor = self.features(dealing)
        return placed, made if self.to_normals else made + features


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


def choose(child_count: Tensor, most: int, valid: Tensor, most_pairs: int | None = None) -> Chosen:
    """Keep the first round(count) children of each valid parent.

    The count is known before any child is, so only the chosen ones are ever computed.

    Args:
        child_count: (T, B, N) real numbers; a diverged trial's NaN counts as 1.
        most: U.
        valid: (T or 1, B, N) bool.
        most_pairs: how many may be kept; None: any number.

    Raises:
        TooManyPointsError: more would be kept.
    """
    room = most * child_count.shape[2]
    if most_pairs is not None:
        check_growth(0, room, most_pairs)
    counts = torch.nan_to_num(child_count.detach(), nan=1.0).round().clamp(1, most)
    kept = torch.arange(most, device=counts.device) < (counts * valid)[..., None]
    kept = kept.flatten(2)
    sizes = kept.sum(dim=2)
    slot = kept.cumsum(dim=2) - 1
    row = torch.arange(kept.shape[2], device=kept.device).expand_as(kept)
    # Rows that are not kept all land in one slot past the end, which is cut off.
    pairs = int(sizes.max())
    if most_pairs is not None:
        check_growth(pairs, room, most_pairs)
    slot = slot.masked_fill(~kept, pairs)
    dealt_row = kept.new_zeros((*sizes.shape, pairs + 1), dtype=torch.int64)
    dealt_row = dealt_row.scatter(2, slot, row)[..., :-1]
    return Chosen(dealt_row // most, dealt_row, sizes)


class DecoderStage(nn.Module):
    """One expansion: predict counts, place the chosen children, refine them."""

    def __init__(
        self, trials: int, config: ModelConfig, most: int, *, to_normals: bool = False
    ) -> None:
        super().__init__()
        self.most = most
        self.count = PlainPerceptron(trials, config.dim, config.hidden_dim, 1)
        self.place = Placement(trials, config, most)
        self.refine = Placement(trials, config, 1, to_normals=to_normals)

    def forward(
        self,
        parents: Points,
        features: Tensor,
        *,
        with_features: bool,
        most_children: int | None = None,
    ) -> DecodedStage:
        """Expand (T, B, N) points with (T, B, N, C) features."""
        logits = self.count(features).squeeze(-1)
        share = each_alike(torch.sigmoid, logits, len(logits))
        child_count = share * (self.most - 1) + 1
        chosen = choose(child_count, self.most, parents.valid, most_children)
        xyz, of_children = self.place(parents, features, chosen, with_features=True)
        placed = Points(xyz, chosen.sizes)
        xyz, refined = self.refine(placed, of_children, None, with_features=with_features)
        return DecodedStage(parents, Points(xyz, chosen.sizes), child_count, refined)


class Decoder(nn.Module):
    """Latent points and features to points."""

    def __init__(self, trials: int, config: ModelConfig) -> None:
        super().__init__()
        last = config.stages - 1
        self.makes_normals = config.compress_normal
        # Of a patch's points, those that leave each stage, coarsest first.
        self._shares = [
            prod(config.downsample_rate[:level]) for level in reversed(range(config.stages))
        ]
        self.stages = nn.ModuleList(
            DecoderStage(trials, config, most, to_normals=config.compress_normal and stage == last)
            for stage, most in enumerate(config.max_upsample_num)
        )

    def forward(
        self,
        latent: Points,
        features: Tensor,
        *,
        final_features: bool = False,
        most_points: int | None = None,
    ) -> list[DecodedStage]:
        """Expand (T, B, M) latent points with (T, B, M, C) features, coarsest stage first.

        Args:
            latent: the points that the bitstream carried.
            features: their features.
            final_features: whether the features of the last stage are wanted; coordinates do not
                need them, normals do.
            most_points: how many points a patch may become, and in proportion the stages before the
                last; None: any number.

        Raises:
            TooManyPointsError: it becomes more.
        """
        stages: list[DecodedStage] = []
        for number, stage in enumerate(self.stages, start=1):
            wanted = final_features or self.makes_normals or number < len(self.stages)
            most = None
            if most_points is not None:
                share = self._shares[number - 1]
                most = max(min(FREE_POINTS, most_points), ceil(share * most_points))
            made = stage(latent, features, with_features=wanted, most_children=most)
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
