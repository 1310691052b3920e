"""CompressAI's PointNet as a codec of patches, by its own `forward`, `compress` and `decompress`.

Legend: B patches, M points that the network reads and makes, C latents of a patch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from losses.chamfer import chamfer
from model.nearest import nearest
from model.points import Points
from model.rans import FLUSH_BITS
from study.families.compressai.mended import pointnet
from study.families.point_batch import PointBatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from study.families.compressai.bottleneck import PlatformBottleneck


class PointNetCodec(nn.Module):
    """A `study.families.stacked.SingleModule`.

    The network reads a fixed number of points: those evenly spread on a patch's Morton curve, for
    training, evaluation and files alike. Their order means nothing to it.
    """

    # CompressAI's bound on likelihoods is a function of autograd's that `torch.vmap` does not take.
    vmaps = False

    def __init__(
        self,
        points: int,
        encoder_widths: Sequence[int],
        latents: int,
        decoder_widths: Sequence[int],
    ) -> None:
        super().__init__()
        self.noise, self.points = latents, points
        self.network = pointnet(points, encoder_widths, latents, decoder_widths)
        self.register_load_state_dict_post_hook(_check)  # type: ignore[no-untyped-call]

    @property
    def bottleneck(self) -> PlatformBottleneck:
        """The network's only one."""
        return cast("PlatformBottleneck", self.network.latent_codec.entropy_bottleneck)

    def terms(self, batch: PointBatch, noise: Tensor) -> dict[str, Tensor]:
        """Return the bits per input point, and the chamfer distance to all of a patch's points."""
        self.bottleneck.noise = noise
        made = self.network({"pos": batch.evenly(self.points)})
        decoded = Points(made["x_hat"][None], self._sizes(batch)[None], full=True)
        true = Points(batch.xyz[None], batch.sizes[None])
        distance, _ = chamfer(decoded, true, nearest)
        return {"bpp": _bits(made) / batch.sizes, "rec": distance.squeeze(0)}

    def evaluate(self, batch: PointBatch) -> tuple[Tensor, Tensor, Tensor]:
        """Return the bits of each patch's stream, and what it decodes to."""
        made = self.network({"pos": batch.evenly(self.points)})
        return _bits(made) + FLUSH_BITS, made["x_hat"], self._sizes(batch)

    def encode(self, points: Tensor) -> bytes:
        """Code (n, 3) points.

        Raises:
            UncodableError: the network has diverged.
        """
        batch = PointBatch(points[None], torch.tensor([len(points)]))
        coded = self.network.compress({"pos": batch.evenly(self.points)})
        ((data,),) = coded["strings"]
        return bytes(data)

    def decode(self, data: bytes) -> Tensor:
        """Return the M points of a patch.

        Raises:
            DamagedFileError: no encoder writes such bytes.
        """
        made: Tensor = self.network.decompress([[data]], (1,))["x_hat"]
        return made[0]

    def freeze(self) -> None:
        """Set the quantiles, and make the coder's tables, of the learned distributions."""
        self.network.update(force=True, update_quantiles=True)

    def _sizes(self, batch: PointBatch) -> Tensor:
        return torch.full_like(batch.sizes, self.points)


def _bits(made: Any) -> Tensor:  # noqa: ANN401  what CompressAI's `forward` returns
    """Return those of each patch's latents, (B,), by the learned distributions."""
    likelihoods: Tensor = made["likelihoods"]["y"]
    return -likelihoods.log2().flatten(1).sum(dim=1)


def _check(module: nn.Module, _: object) -> None:
    """Hold what was read from a file against what the coder needs."""
    cast("PointNetCodec", module).bottleneck.check()
