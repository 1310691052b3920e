"""The codec as a population of T trials: D-PCC (He et al., CVPR 2022, arXiv 2204.12684).

Legend: T trials, B patches, M latent points, C = dim.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from model.bottleneck import PopulationBottleneck
from model.decoder import DecodedStage, Decoder
from model.encoder import Encoder
from model.layers import Linear, Perceptron
from model.patches import none_if_full
from model.points import Points

if TYPE_CHECKING:
    from collections.abc import Sequence

    from model.config import ModelConfig
    from model.patches import PatchBatch


@dataclass(frozen=True)
class CodecOutput:
    """One pass through encoder, bottleneck and decoder.

    Attributes:
        symbols: (T, B, M, 2C) before quantisation: C channels of features, C of coordinates.
        quantised: (T, B, M, 2C), after it.
        likelihoods: (T, B, M, 2C) of the quantised symbols, padding included.
        latent_points: the decoder's version of the coarsest points, (T, B, M).
        stages: decoder stages, coarsest first.
    """

    symbols: Tensor
    quantised: Tensor
    likelihoods: Tensor
    latent_points: Points
    stages: list[DecodedStage]

    @property
    def decoded(self) -> Points:
        """The reconstruction."""
        return self.stages[-1].children


class Codec(nn.Module):
    """T codecs of one architecture, fused: parameters, features and losses lead with trials."""

    def __init__(self, config: ModelConfig, trials: int = 1) -> None:
        super().__init__()
        self.config = config
        self.trials = trials
        self.encoder = Encoder(trials, config)
        # Channels are independent: the features' come first, then the coordinates'.
        self.bottleneck = PopulationBottleneck(trials, 2 * config.dim)
        self.coordinate_analysis = Perceptron(trials, 3, config.hidden_dim, config.dim)
        self.coordinate_synthesis = Perceptron(trials, config.dim, config.hidden_dim, 3)
        self.decoder = Decoder(trials, config)

    def reset(self, seeds: Sequence[int]) -> None:
        """Initialise each trial from its own seed: its parameters do not depend on the others."""
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        for module in self.modules():
            if isinstance(module, (Linear, PopulationBottleneck)):
                module.reset(generators)

    def select(self, trials: Sequence[int]) -> Codec:
        """A population of copies of some of the trials."""
        chosen = Codec(self.config, len(trials))
        theirs = dict(self.named_parameters())
        index = torch.tensor(trials)
        with torch.no_grad():
            for name, parameter in chosen.named_parameters():
                # A bottleneck's leading axis holds the channels of every trial in turn.
                per_trial = theirs[name].unflatten(0, (self.trials, -1))
                parameter.copy_(per_trial[index].flatten(0, 1))
        return chosen.to(next(self.parameters()).device)

    def freeze(self) -> None:
        """Fix the integer tables of the bottleneck, for coding."""
        self.bottleneck.freeze()

    def forward(
        self, patches: PatchBatch, noise: Tensor | None = None, *, final_features: bool = False
    ) -> CodecOutput:
        """Code and decode a batch.

        Args:
            patches: B patches.
            noise: (T, B, M, 2C) in [-1/2, 1/2) to train with; None rounds, as the coder does.
            final_features: see :class:`~model.decoder.Decoder`.
        """
        symbols = self.analyse(patches)
        quantised, likelihoods = self.bottleneck(symbols, noise)
        features, _ = quantised.chunk(2, dim=-1)
        latent_points = self.latent_points(quantised, patches.stages[-1].sizes)
        return CodecOutput(
            symbols=symbols,
            quantised=quantised,
            likelihoods=likelihoods,
            latent_points=latent_points,
            stages=self.decoder(latent_points, features, final_features=final_features),
        )

    def analyse(self, patches: PatchBatch) -> Tensor:
        """The symbols' real-valued originals, (T, B, M, 2C)."""
        coordinates = self.coordinate_analysis(patches.stages[-1].xyz, patches.valid_rows(-1))
        return torch.cat([self.encoder(patches), coordinates], dim=-1)

    def latent_points(self, quantised: Tensor, sizes: Tensor) -> Points:
        """The decoder's version of the latent points.

        Args:
            quantised: (T, B, M, 2C) symbols.
            sizes: (1, B) latent points per patch.
        """
        _, coordinates = quantised.chunk(2, dim=-1)
        valid = torch.arange(coordinates.shape[2], device=sizes.device) < sizes[0][:, None]
        xyz = self.coordinate_synthesis(coordinates, none_if_full(valid))
        return Points(xyz, sizes.expand(self.trials, -1))
