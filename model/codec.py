"""The codec as a population of T trials: D-PCC (He et al., CVPR 2022, arXiv 2204.12684).

Legend: T trials, B patches, M latent points, C = dim.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from model.bottleneck import PopulationBottleneck
from model.decoder import DecodedStage, Decoder
from model.encoder import Encoder
from model.layers import Linear, Perceptron, moments
from model.patches import none_if_full
from model.points import Points

if TYPE_CHECKING:
    from collections.abc import Sequence

    from model.config import ModelConfig
    from model.patches import PatchBatch


class Noise(NamedTuple):
    """Uniform noise in [-1/2, 1/2) that stands for quantisation in training; (T, B, M, C) each."""

    features: Tensor
    coordinates: Tensor


class Latents(NamedTuple):
    """What is coded, before quantisation; (T, B, M, C) each."""

    features: Tensor
    coordinates: Tensor


@dataclass(frozen=True)
class CodecOutput:
    """One pass through encoder, bottleneck and decoder.

    Attributes:
        latents: before quantisation.
        quantised: after it.
        likelihoods: of every quantised symbol, padding included.
        latent_points: the decoder's version of the coarsest points, (T, B, M).
        stages: decoder stages, coarsest first.
    """

    latents: Latents
    quantised: Latents
    likelihoods: Latents
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
        self.feature_bottleneck = PopulationBottleneck(trials, config.dim)
        self.coordinate_bottleneck = PopulationBottleneck(trials, config.dim)
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
        """Fix the integer tables of both bottlenecks, for coding."""
        self.feature_bottleneck.freeze()
        self.coordinate_bottleneck.freeze()

    def forward(
        self, patches: PatchBatch, noise: Noise | None = None, *, final_features: bool = False
    ) -> CodecOutput:
        """Code and decode a batch.

        Args:
            patches: B patches.
            noise: to train with; None rounds, as the coder does.
            final_features: see :class:`~model.decoder.Decoder`.
        """
        latents = self.analyse(patches)
        features, feature_likelihoods = self.feature_bottleneck(
            latents.features, noise.features if noise else None
        )
        coordinates, coordinate_likelihoods = self.coordinate_bottleneck(
            latents.coordinates, noise.coordinates if noise else None
        )
        sizes = patches.stages[-1].sizes
        latent_points = self.synthesise_points(coordinates, sizes)
        return CodecOutput(
            latents=latents,
            quantised=Latents(features, coordinates),
            likelihoods=Latents(feature_likelihoods, coordinate_likelihoods),
            latent_points=latent_points,
            stages=self.decoder(latent_points, features, final_features=final_features),
        )

    def analyse(self, patches: PatchBatch) -> Latents:
        """The symbols' real-valued originals."""
        coordinates = self.coordinate_analysis(patches.stages[-1].xyz, patches.point_moments(-1))
        return Latents(self.encoder(patches), coordinates)

    def synthesise_points(self, coordinates: Tensor, sizes: Tensor) -> Points:
        """Latent points from their quantised latents.

        Args:
            coordinates: (T, B, M, C).
            sizes: (1, B) latent points per patch.
        """
        valid = torch.arange(coordinates.shape[2], device=sizes.device) < sizes[0][:, None]
        xyz = self.coordinate_synthesis(coordinates, moments(coordinates, none_if_full(valid)))
        return Points(xyz, sizes.expand(self.trials, -1))
