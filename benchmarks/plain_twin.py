"""The published network, D-PCC (He et al., CVPR 2022, arXiv 2204.12684), written the plain way.

It is what `model/` is measured against, and an independent check of it: geometry in every step,
stock layers, every child of every parent computed and then selected, one trial, one patch. There
are two, which differ in what their geometry is computed with.
Modules carry the names of published checkpoints, so `load_state_dict` reads one.

Legend: N points, M latent points, P children kept, C = dim.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from compressai.entropy_models import EntropyBottleneck
from torch import Tensor, nn

from benchmarks.plain_decoder import Decoder, PlainStage
from benchmarks.plain_encoder import Encoder, normalised
from benchmarks.plain_geometry import ALL_DISTANCES, PlainLevel, PlainTools, plain_hierarchy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from model.config import ModelConfig


class PlainOutput(NamedTuple):
    """One pass."""

    latent_points: Tensor
    """(M, 3), decoded."""
    likelihoods: tuple[Tensor, Tensor]
    """Of features and of coordinates, (1, C, M) each."""
    stages: list[PlainStage]
    """Coarsest first."""


class PlainTwin(nn.Module):
    """The codec with learned latent coordinates and MLP sub-point convolutions."""

    def __init__(self, config: ModelConfig, tools: PlainTools = ALL_DISTANCES) -> None:
        super().__init__()
        self.config = config
        self.tools = tools
        dim, hidden = config.dim, config.hidden_dim
        self.pre_conv = normalised(nn.Conv1d, 3, hidden, dim)
        self.encoder = Encoder(config)
        self.feats_eblock = EntropyBottleneck(dim)
        self.latent_xyzs_analysis = normalised(nn.Conv1d, 3, hidden, dim)
        self.xyzs_eblock = EntropyBottleneck(dim)
        self.latent_xyzs_synthesis = normalised(nn.Conv1d, dim, hidden, 3)
        self.decoder = Decoder(config)

    def forward(self, points: Tensor, levels: list[PlainLevel]) -> PlainOutput:
        """Code and decode (N, 3) points; noise or rounding as :meth:`train` and `eval` say."""
        xyz = points.T[None]
        xyz, features = self.encoder(xyz, self.pre_conv(xyz), levels)
        features, feature_likelihoods = self.feats_eblock(features)
        coordinates, coordinate_likelihoods = self.xyzs_eblock(self.latent_xyzs_analysis(xyz))
        decoded_xyz = self.latent_xyzs_synthesis(coordinates)
        return PlainOutput(
            latent_points=decoded_xyz[0].T,
            likelihoods=(feature_likelihoods, coordinate_likelihoods),
            stages=self.decoder(decoded_xyz, features),
        )

    def geometry(self, points: Tensor) -> list[PlainLevel]:
        """The levels of (N, 3) points."""
        return plain_hierarchy(points, self.config.downsample_rate, self.config.k, self.tools)

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Copy the parameters of a published checkpoint; its range coder's tables are not used."""
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                parameter.copy_(state[name].reshape(parameter.shape))
