"""Clouds to bytes and back, through CompressAI's range coder.

All patches of a cloud, features and coordinates alike, share one string, so that the coder's flush
(8 bytes a string) is paid once per cloud. What is here is the payload;
the file around it (patch positions, counts, checksum) is a later format's business.

Legend: B patches, M latent points, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn.utils.rnn import pad_sequence

from model.patches import collate
from model.points import Points

if TYPE_CHECKING:
    from collections.abc import Sequence

    from model.codec import Codec
    from model.hierarchy import Hierarchy

FLUSH_BYTES = 8
"""What the range coder adds to each string, however short."""


@dataclass(frozen=True)
class CodedCloud:
    """One cloud's symbols.

    Attributes:
        payload: the range coder's string for the latent symbols of all patches.
        latent_counts: latent points of each patch, which the decoder has to be told.
    """

    payload: bytes
    latent_counts: tuple[int, ...]


@torch.no_grad()
def compress(codec: Codec, patches: Sequence[Hierarchy]) -> CodedCloud:
    """Code the patches of one cloud with a frozen codec."""
    batch = collate(patches, next(codec.parameters()).device)
    valid = batch.stages[-1].valid[0]
    return CodedCloud(
        payload=codec.bottleneck.compress(codec.analyse(batch)[0][valid]),
        latent_counts=tuple(batch.stages[-1].sizes[0].tolist()),
    )


@torch.no_grad()
def decompress(codec: Codec, coded: CodedCloud) -> Points:
    """Decode the patches of one cloud; (1, B) sets of points in patch coordinates."""
    symbols = codec.bottleneck.decompress(coded.payload, sum(coded.latent_counts))
    of_patches = list(symbols.split(coded.latent_counts))
    quantised = pad_sequence(of_patches, batch_first=True)[None]
    sizes = torch.tensor([coded.latent_counts], device=symbols.device)
    return codec.decode(quantised, Points(quantised[..., :3], sizes)).points
