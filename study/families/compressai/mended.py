"""CompressAI's PointNet as its release 1.2.8 means it.

Its methods are called as they are. Two things of that release keep `compress` and `decompress` from
working, both repaired in CompressAI's repository since, and are mended from outside:

- The codec of latents takes the last two axes for those of an image, of which the latents of a
  patch, (B, C, 1), have one. Its `compress` decodes C times as many symbols as there are, past the
  end of what it wrote.
- `decompress` hands the latents to the decoder in the dictionary in which they come.

Legend: B patches, C latents of a patch.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from study.families.compressai.bottleneck import PlatformBottleneck

with warnings.catch_warnings():
    # Of torch_geometric, which comes in by CompressAI's front door.
    warnings.filterwarnings("ignore", message="`torch.jit.script` is deprecated")
    from compressai.latent_codecs import EntropyBottleneckLatentCodec
    from compressai.models.pointcloud import PointNetReconstructionPccModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn


class LatentCodec(EntropyBottleneckLatentCodec):  # type: ignore[misc]  # CompressAI has no types
    """The codec of latents of one axis besides their channels."""

    def compress(self, y: Tensor) -> dict[str, Any]:
        """Code (B, C, L) latents."""
        return {"strings": [self.entropy_bottleneck.compress(y)], "shape": tuple(y.shape[2:])}

    def decompress(
        self, strings: Sequence[Sequence[bytes]], shape: Sequence[int], **_: object
    ) -> dict[str, Tensor]:
        """Return them, as its ``y_hat``."""
        (each,) = strings
        return {"y_hat": self.entropy_bottleneck.decompress(each, shape)}


def pointnet(
    points: int, encoder_widths: Sequence[int], latents: int, decoder_widths: Sequence[int]
) -> Any:  # noqa: ANN401  CompressAI has no types
    """Return ``sfu2023-pcc-rec-pointnet``, mended, with the platform's bottleneck.

    Args:
        points: M.
        encoder_widths: of the hidden layers.
        latents: C.
        decoder_widths: of the hidden layers.
    """
    channels = {
        "g_a": [3, *encoder_widths, latents],
        "g_s": [latents, *decoder_widths, 3 * points],
    }
    groups = {"g_a": [1] * (len(encoder_widths) + 1)}
    network = PointNetReconstructionPccModel(points, channels, groups)
    tail_mass = network.latent_codec.entropy_bottleneck.tail_mass
    network.latent_codec = LatentCodec(PlatformBottleneck(latents, tail_mass))
    network.g_s.register_forward_pre_hook(_latents_alone)
    return network


def _latents_alone(_: nn.Module, given: tuple[Any, ...]) -> Tensor | None:
    """Return what the decoder is to be given; None: what it is given."""
    (latents,) = given
    found: Tensor | None = latents["y_hat"] if isinstance(latents, dict) else None
    return found
