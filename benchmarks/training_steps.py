"""One training step on one patch, ours and the plain twin's, phase by phase."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from benchmarks.measuring import Lap
from benchmarks.plain_loss import plain_loss
from losses import weighted_sum
from model.codec import Codec
from model.patches import collate
from study.config import LossWeights
from study.objective import loss_terms, stacked_weights

if TYPE_CHECKING:
    from torch import nn

    from benchmarks.plain_twin import PlainTwin
    from model.config import ModelConfig
    from model.hierarchy import Hierarchy

LEARNING_RATE = 1e-3
"""As published, for the network and for the quantiles."""
STEPS_BEFORE = 100
"""Steps before anything is measured: a fresh decoder makes three times too many points, and nearly
all of a training is not like that."""
HELD = 0.0
"""A learning rate to measure at: the optimisers work as ever, and both ways, whose noise differs,
go on decoding the same number of points."""


class OurStep:
    """Trains a population of one as `study.training` does.

    Attributes:
        codec: in training.
        decoded: how many points the last step decoded.
    """

    def __init__(self, codec: Codec, hierarchy: Hierarchy, learning_rate: float) -> None:
        self.decoded = 0
        self.codec = codec
        self._hierarchy = hierarchy
        self._weights = stacked_weights([LossWeights()], "cpu")
        network, quantiles = _parameters(codec)
        self._network = torch.optim.Adam(network, learning_rate, fused=True)
        self._quantiles = torch.optim.Adam(quantiles, learning_rate, fused=True)

    def __call__(self, lap: Lap) -> None:
        """One step; the hierarchy was computed when the data was prepared."""
        codec = self.codec
        batch = collate([self._hierarchy])
        lap("geometry")
        noise = torch.rand(1, *batch.stages[-1].xyz.shape[1:3], codec.config.symbol_channels) - 0.5
        output = codec(batch, noise)
        lap("forward")
        loss = weighted_sum(loss_terms(output, batch, codec.config.k), self._weights)
        lap("loss")
        self._network.zero_grad()
        self._quantiles.zero_grad()
        (loss.total.sum() + codec.bottleneck.quantile_loss()).backward()
        lap("backward")
        self._network.step()
        self._quantiles.step()
        lap("optimisers")
        self.decoded = output.decoded.xyz.shape[2]


class PlainStep:
    """Trains the plain twin.

    Attributes:
        decoded: how many points the last step decoded.
    """

    def __init__(self, twin: PlainTwin, hierarchy: Hierarchy, learning_rate: float) -> None:
        self.decoded = 0
        self._twin = twin.train()
        self._points = torch.from_numpy(hierarchy.points)
        self._weights = LossWeights()
        network, quantiles = _parameters(twin)
        self._network = torch.optim.Adam(network, learning_rate)
        self._quantiles = torch.optim.Adam(quantiles, learning_rate)

    def __call__(self, lap: Lap) -> None:
        """One step, geometry included."""
        twin, points = self._twin, self._points
        levels = twin.geometry(points)
        lap("geometry")
        output = twin(points, levels)
        lap("forward")
        loss = plain_loss(output, points, levels, self._weights, twin.config.k, twin.tools)
        lap("loss")
        self._network.zero_grad()
        self._quantiles.zero_grad()
        (loss + twin.feats_eblock.loss() + twin.xyzs_eblock.loss()).backward()
        lap("backward")
        self._network.step()
        self._quantiles.step()
        lap("optimisers")
        self.decoded = len(output.stages[-1].children)


def trained_step(hierarchy: Hierarchy, config: ModelConfig) -> OurStep:
    """Ours, seeded, some steps into the training, with the weights held from there."""
    torch.manual_seed(0)
    codec = Codec(config)
    codec.reset([0])
    step = OurStep(codec, hierarchy, LEARNING_RATE)
    for _ in range(STEPS_BEFORE):
        step(Lap())
    return OurStep(codec, hierarchy, HELD)


def _parameters(module: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Those of the network, and the bottlenecks' quantiles."""
    named = list(module.named_parameters())
    return (
        [value for name, value in named if not name.endswith("quantiles")],
        [value for name, value in named if name.endswith("quantiles")],
    )
