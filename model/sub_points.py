"""Sub-point convolution: what a decoder stage's networks make of parents' features for each child.

Legend: T trials, B patches, N parents, P children (padded), U most children per parent, C = dim.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from torch import Tensor, nn

from model.edges import EdgeConvolution, feature_neighbours
from model.layers import PlainPerceptron
from model.points import Points, gather

if TYPE_CHECKING:
    from model.config import ModelConfig


class Dealing:
    """Parents' features on their way to the chosen children, shared by the networks that read them.

    Channel c * U + u of a parent belongs to child u.
    """

    def __init__(self, features: Tensor, sizes: Tensor, children: int, rows: Tensor | None) -> None:
        """Note what is dealt.

        Args:
            features: (T, B, N, C) of the parents.
            sizes: (T, B), how many parents are valid.
            children: U.
            rows: (T, B, P) parent * U + child of every chosen pair; None takes all, in order.
        """
        self.features = features
        self._sizes = sizes
        self._children = children
        self._rows = rows
        self._neighbours: Tensor | None = None

    def to_children(self, of_parents: Tensor) -> Tensor:
        """Rows of the chosen children, (T, B, P, b), from (T, B, N, b * U)."""
        grouped: Tensor = of_parents.unflatten(3, (-1, self._children)).transpose(3, 4)
        dealt = grouped.flatten(2, 3)
        return dealt if self._rows is None else gather(dealt, self._rows)

    @cached_property
    def dealt(self) -> Tensor:
        """(T, B, P, C / U), the features that each chosen child sees."""
        return self.to_children(self.features)

    def neighbours(self, k: int) -> Tensor:
        """(T, B, N, K) of every parent in feature space."""
        if self._neighbours is None:
            self._neighbours = feature_neighbours(Points(self.features, self._sizes), k)
        return self._neighbours


class SubPointPerceptron(nn.Module):
    """Sub-point convolution: each child sees its share of the channels; one MLP for all."""

    def __init__(self, trials: int, config: ModelConfig, outputs: int, children: int) -> None:
        super().__init__()
        inputs = config.dim // children
        self.perceptron = PlainPerceptron(trials, inputs, config.hidden_dim, outputs)

    def forward(self, dealing: Dealing) -> Tensor:
        """Map to (T, B, P, outputs)."""
        y: Tensor = self.perceptron(dealing.dealt)
        return y


class SubPointEdges(nn.Module):
    """The same by an edge convolution among the parents; its outputs are dealt to the children."""

    def __init__(self, trials: int, config: ModelConfig, outputs: int, children: int) -> None:
        super().__init__()
        self.k = config.k
        self.convolution = EdgeConvolution(
            trials, config.dim, config.hidden_dim, outputs * children
        )

    def forward(self, dealing: Dealing) -> Tensor:
        """Map to (T, B, P, outputs)."""
        return dealing.to_children(self.convolution(dealing.features, dealing.neighbours(self.k)))


SUB_POINT_NETWORKS = {"mlp": SubPointPerceptron, "edge_conv": SubPointEdges}
