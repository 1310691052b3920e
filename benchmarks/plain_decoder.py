"""The published decoder the plain way; its modules carry the names of published checkpoints.

Legend: N parents, U children at most, P children kept, C = dim, H = hidden_dim. Points are
(1, 3, N), features (1, C, N), those of all children (1, C, U, N).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812  the name everyone knows
from torch import Tensor, nn

from model.directions import candidate_directions

if TYPE_CHECKING:
    from model.config import ModelConfig


class PlainStage(NamedTuple):
    """What one decoder stage made."""

    parents: Tensor
    """(N, 3)."""
    child_count: Tensor
    """(N,) real numbers in [1, U]."""
    children: Tensor
    """(P, 3)."""


class SubPointConvolution(nn.Module):
    """One MLP for all children: channel c * U + u of the parent belongs to child u."""

    def __init__(self, a: int, hidden: int, b: int, children: int) -> None:
        super().__init__()
        self.most = children
        self.mlp = nn.Sequential(
            nn.Conv2d(a // children, hidden, 1), nn.ReLU(), nn.Conv2d(hidden, b, 1)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map (1, a, N) to (1, b, U, N)."""
        result: Tensor = self.mlp(features.unflatten(1, (-1, self.most)))
        return result


class ChildrenCoordinates(nn.Module):
    """Where the children of a parent are."""

    candidates: Tensor

    def __init__(self, dim: int, hidden: int, children: int) -> None:
        super().__init__()
        self.register_buffer("candidates", candidate_directions(), persistent=False)
        self.weight_nn = SubPointConvolution(dim, hidden, len(self.candidates), children)
        self.scale_nn = SubPointConvolution(dim, hidden, 1, children)

    def forward(self, xyz: Tensor, features: Tensor) -> Tensor:
        """All children of (1, 3, N) parents with (1, C, N) features, (1, 3, U, N)."""
        weight = self.weight_nn(features).softmax(dim=1)
        blended = torch.einsum("bwun,wd->bdun", weight, self.candidates)
        placed: Tensor = F.normalize(blended, dim=1) * self.scale_nn(features)
        return xyz[:, :, None] + placed


class ChildrenFeatures(nn.Module):
    """What the children of a parent are."""

    def __init__(self, dim: int, hidden: int, children: int) -> None:
        super().__init__()
        self.feats_nn = SubPointConvolution(dim, hidden, dim, children)

    def forward(self, features: Tensor) -> Tensor:
        """All children of parents with (1, C, N) features, (1, C, U, N)."""
        result: Tensor = self.feats_nn(features) + features[:, :, None]
        return result


class Upsampling(nn.Module):
    """All U children of every parent."""

    def __init__(self, dim: int, hidden: int, children: int) -> None:
        super().__init__()
        self.xyzs_upsample_nn = ChildrenCoordinates(dim, hidden, children)
        self.feats_upsample_nn = ChildrenFeatures(dim, hidden, children)

    def forward(self, xyz: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """Coordinates (1, 3, U, N) and features (1, C, U, N)."""
        return self.xyzs_upsample_nn(xyz, features), self.feats_upsample_nn(features)


class ChildCount(nn.Module):
    """How many children a parent has."""

    def __init__(self, dim: int, hidden: int, children: int) -> None:
        super().__init__()
        self.most = children
        self.upsample_num_nn = nn.Sequential(
            nn.Conv1d(dim, hidden, 1), nn.ReLU(), nn.Conv1d(hidden, 1, 1)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Real numbers in [1, U], (N,)."""
        count: Tensor = self.upsample_num_nn(features)[0, 0].sigmoid() * (self.most - 1) + 1
        return count


class Refinement(nn.Module):
    """Every point moves once more: an upsampling with one child."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.xyzs_refine_nn = ChildrenCoordinates(dim, hidden, 1)
        self.feats_refine_nn = ChildrenFeatures(dim, hidden, 1)

    def forward(self, xyz: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """Coordinates (1, 3, P) and features (1, C, P)."""
        return self.xyzs_refine_nn(xyz, features)[:, :, 0], self.feats_refine_nn(features)[:, :, 0]


class DecoderLayer(nn.ModuleList):
    """One expansion; the order of its parts is that of published checkpoints."""

    def __init__(self, dim: int, hidden: int, children: int) -> None:
        super().__init__([
            Upsampling(dim, hidden, children),
            ChildCount(dim, hidden, children),
            Refinement(dim, hidden),
        ])  # fmt: skip

    def forward(self, xyz: Tensor, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Child counts (N,), coordinates (1, 3, P) and features (1, C, P)."""
        upsample, count, refine = self
        child_count = count(features)
        children, of_children = upsample(xyz, features)
        order = torch.arange(children.shape[2], device=xyz.device)
        kept = order < child_count.detach().round()[:, None]
        children, of_children = select(children, kept), select(of_children, kept)
        return child_count, *refine(children, of_children)


def select(all_children: Tensor, kept: Tensor) -> Tensor:
    """Of (1, C, U, N) the children that (N, U) says, parents in order; (1, C, P)."""
    return all_children.transpose(2, 3)[:, :, kept]


class Decoder(nn.Module):
    """Latent points and features to points."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.decoder_layers = nn.ModuleList(
            DecoderLayer(config.dim, config.hidden_dim, most) for most in config.max_upsample_num
        )

    def forward(self, xyz: Tensor, features: Tensor) -> list[PlainStage]:
        """Expand (1, 3, M) points with (1, C, M) features, coarsest stage first."""
        stages = []
        for layer in self.decoder_layers:
            parents = xyz
            child_count, xyz, features = layer(parents, features)
            stages.append(PlainStage(parents[0].T, child_count, xyz[0].T))
        return stages
