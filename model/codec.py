"""The codec as a population of T trials: D-PCC (He et al., CVPR 2022, arXiv 2204.12684).

Legend: T trials, B patches, M latent points, C = dim, S symbols per latent point.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from model.bottleneck import PopulationBottleneck
from model.config import FLOAT16_BITS_PER_POINT
from model.decoder import DecodedStage, Decoder
from model.edges import EdgeConvolution, feature_neighbours
from model.encoder import Encoder
from model.layers import Linear, Perceptron
from model.points import Points

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from model.config import ModelConfig
    from model.patches import PatchBatch


@dataclass(frozen=True)
class CodecOutput:
    """One pass through encoder, bottleneck and decoder.

    Attributes:
        symbols: (T, B, M, S) before quantisation: C channels of features, then C of coordinates
            where those are learned.
        quantised: (T, B, M, S), after it.
        likelihoods: (T, B, M, S) of the quantised symbols, padding included.
        latent_points: the decoder's version of the coarsest points, (T, B, M).
        stages: decoder stages, coarsest first.
        normals: (T, B, P, 3) of the decoded points where the codec has them; not of length 1.
        fixed_bits: what a latent point costs besides its symbols: 48 where its coordinates are
            float16.
    """

    symbols: Tensor
    quantised: Tensor
    likelihoods: Tensor
    latent_points: Points
    stages: list[DecodedStage]
    normals: Tensor | None = None
    fixed_bits: int = 0

    @property
    def decoded(self) -> Points:
        """The reconstruction."""
        return self.stages[-1].children


@dataclass(frozen=True)
class Decoded:
    """What a decoder makes of quantised latents.

    Attributes:
        points: (T, B, P).
        normals: (T, B, P, 3) where the codec has them; not of length 1.
    """

    points: Points
    normals: Tensor | None


class CoordinatePerceptron(Perceptron):
    """The latent points' values through an MLP, point by point."""

    def forward(self, points: Points) -> Tensor:  # type: ignore[override] # it reads the sizes too
        """Map (L, B, M) values of width a to (T, B, M, b)."""
        return super().forward(points.xyz, points.valid_rows)


class CoordinateEdges(EdgeConvolution):
    """The same through an edge convolution among the latent points of a patch."""

    def __init__(self, trials: int, inputs: int, hidden: int, outputs: int, k: int) -> None:
        super().__init__(trials, inputs, hidden, outputs)
        self.k = k

    def forward(self, points: Points) -> Tensor:  # type: ignore[override] # it finds neighbours
        """Map (L, B, M) values of width a to (T, B, M, b)."""
        return super().forward(points.xyz, feature_neighbours(points, self.k))


def _coordinate_network(
    trials: int, config: ModelConfig, inputs: int, outputs: int
) -> CoordinatePerceptron | CoordinateEdges:
    if config.latent_xyzs_conv_mode == "mlp":
        return CoordinatePerceptron(trials, inputs, config.hidden_dim, outputs)
    return CoordinateEdges(trials, inputs, config.hidden_dim, outputs, config.k)


class Codec(nn.Module):
    """T codecs of one architecture, fused: parameters, features and losses lead with trials."""

    def __init__(self, config: ModelConfig, trials: int = 1) -> None:
        super().__init__()
        self.config = config
        self.trials = trials
        self.encoder = Encoder(trials, config)
        # Channels are independent: the features' come first, then the coordinates'.
        self.bottleneck = PopulationBottleneck(trials, config.symbol_channels)
        if config.quantize_latent_xyzs:
            self.coordinate_analysis = _coordinate_network(trials, config, 3, config.dim)
            self.coordinate_synthesis = _coordinate_network(trials, config, config.dim, 3)
        self.decoder = Decoder(trials, config)

    def reset(self, seeds: Sequence[int]) -> None:
        """Initialise each trial from its own seed: its parameters do not depend on the others."""
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        for module in self.modules():
            if isinstance(module, (Linear, PopulationBottleneck)):
                module.reset(generators)

    @torch.no_grad()
    def restore(self, parameters: Mapping[str, Tensor]) -> None:
        """Take the values of parameters that were saved by name, in place."""
        for name, parameter in self.named_parameters():
            parameter.copy_(parameters[name])

    def select(self, trials: Sequence[int]) -> Codec:
        """A population of copies of some of the trials."""
        device = next(self.parameters()).device
        chosen = Codec(self.config, len(trials)).to(device, non_blocking=True)
        theirs = dict(self.named_parameters())
        index = torch.tensor(trials).to(device, non_blocking=True)
        with torch.no_grad():
            for name, parameter in chosen.named_parameters():
                # A bottleneck's leading axis holds the channels of every trial in turn.
                per_trial = theirs[name].unflatten(0, (self.trials, -1))
                parameter.copy_(per_trial[index].flatten(0, 1))
        return chosen

    def freeze(self) -> None:
        """Fix the integer tables of the bottleneck, for coding."""
        self.bottleneck.freeze()

    def forward(
        self, patches: PatchBatch, noise: Tensor | None = None, *, final_features: bool = False
    ) -> CodecOutput:
        """Code and decode a batch.

        Args:
            patches: B patches.
            noise: (T, B, M, S) in [-1/2, 1/2) to train with; None rounds, as the coder does.
            final_features: see :class:`~model.decoder.Decoder`.
        """
        symbols = self.analyse(patches)
        quantised, likelihoods = self.bottleneck(symbols, noise)
        latent_points = self.latent_points(quantised, patches.stages[-1])
        features = quantised[..., : self.config.dim]
        stages = self.decoder(latent_points, features, final_features=final_features)
        return CodecOutput(
            symbols=symbols,
            quantised=quantised,
            likelihoods=likelihoods,
            latent_points=latent_points,
            stages=stages,
            normals=stages[-1].normals if self.config.compress_normal else None,
            fixed_bits=0 if self.config.quantize_latent_xyzs else FLOAT16_BITS_PER_POINT,
        )

    def decode(self, quantised: Tensor, sent: Points, most_points: int | None = None) -> Decoded:
        """Points from (T, B, M, S) quantised latents.

        Args:
            quantised: symbols.
            sent: (1, B, M) latent points as :meth:`latent_points` takes them.
            most_points: how many points a patch may become; see :class:`~model.decoder.Decoder`.
        """
        features = quantised[..., : self.config.dim]
        latent = self.latent_points(quantised, sent)
        last = self.decoder(latent, features, most_points=most_points)[-1]
        return Decoded(last.children, last.normals if self.config.compress_normal else None)

    def analyse(self, patches: PatchBatch) -> Tensor:
        """The symbols' real-valued originals, (T, B, M, S)."""
        features: Tensor = self.encoder(patches)
        if not self.config.quantize_latent_xyzs:
            return features
        return torch.cat([features, self.coordinate_analysis(patches.stages[-1])], dim=-1)

    def latent_points(self, quantised: Tensor, true: Points) -> Points:
        """The decoder's version of the latent points.

        Args:
            quantised: (T, B, M, S) symbols.
            true: (1, B, M) latent points. Only their number is read where the symbols carry the
                coordinates; otherwise they are rounded to float16, which is how they are sent.
        """
        sizes = true.sizes.expand(self.trials, -1)
        if not self.config.quantize_latent_xyzs:
            return Points(true.xyz.half().float().expand(self.trials, -1, -1, -1), sizes)
        coordinates = Points(quantised[..., self.config.dim :], sizes, full=true.full)
        return Points(self.coordinate_synthesis(coordinates), sizes)
