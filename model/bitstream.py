"""Clouds to bytes and back, through CompressAI's range coder.

All patches of a cloud share one string for the features and one for the coordinates, so that the
coder's flush (8 bytes a string) is paid per cloud and not per patch. What is here is the payload;
the file around it (patch positions, counts, checksum) is a later format's business.

Legend: B patches, M latent points, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from model.patches import collate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from model.codec import Codec
    from model.decoder import DecodedStage
    from model.hierarchy import Hierarchy
    from model.points import Points

FLUSH_BYTES = 8
"""What the range coder adds to each string, however short."""


@dataclass(frozen=True)
class CodedCloud:
    """One cloud's symbols.

    Attributes:
        features: the range coder's string for the latent features of all patches.
        coordinates: likewise for the latent coordinates.
        latent_counts: latent points of each patch, which the decoder has to be told.
    """

    features: bytes
    coordinates: bytes
    latent_counts: tuple[int, ...]

    @property
    def payload_bytes(self) -> int:
        """Length of both strings."""
        return len(self.features) + len(self.coordinates)


@torch.no_grad()
def compress(codec: Codec, patches: Sequence[Hierarchy]) -> CodedCloud:
    """Code the patches of one cloud with a frozen codec."""
    batch = collate(patches, next(codec.parameters()).device)
    latents = codec.analyse(batch)
    valid = batch.stages[-1].valid[0]
    return CodedCloud(
        features=codec.feature_bottleneck.compress(latents.features[0][valid]),
        coordinates=codec.coordinate_bottleneck.compress(latents.coordinates[0][valid]),
        latent_counts=tuple(batch.stages[-1].sizes[0].tolist()),
    )


@torch.no_grad()
def decompress(codec: Codec, coded: CodedCloud) -> Points:
    """Decode the patches of one cloud; (1, B) sets of points in patch coordinates."""
    total = sum(coded.latent_counts)

    def unpack(symbols: Tensor) -> Tensor:
        """(points, C) of all patches to (1, B, M, C)."""
        return pad_sequence(list(symbols.split(coded.latent_counts)), batch_first=True)[None]

    features = unpack(codec.feature_bottleneck.decompress(coded.features, total))
    coordinates = unpack(codec.coordinate_bottleneck.decompress(coded.coordinates, total))
    sizes = torch.tensor([coded.latent_counts], device=features.device)
    latent_points = codec.synthesise_points(coordinates, sizes)
    stages: list[DecodedStage] = codec.decoder(latent_points, features)
    return stages[-1].children
