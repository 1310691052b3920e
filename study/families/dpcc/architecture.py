"""D-PCC's networks as training asks for them.

Legend: T trials, B patches, M latent points, S symbols per latent point.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from losses import chamfer, weighted_sum
from model.cloud_codec import CloudCodec
from model.codec import Codec
from model.hierarchy import latent_count
from model.nearest import nearest
from model.overhead import NORMAL_BITS
from model.patch_coder import PatchCoder
from model.patches import collate
from study.families.dpcc.hierarchies import Hierarchies
from study.families.dpcc.objective import (
    DISTORTIONS,
    bits_per_point,
    loss_terms,
    weight_per_term,
)
from study.training.architecture import Evaluated, Loss

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch
    from torch import Tensor

    from model.config import ModelConfig
    from model.hierarchy import Hierarchy
    from model.partition import PartitionConfig
    from model.patches import PatchBatch
    from study.families.dpcc.settings import LossWeights


@dataclass(frozen=True)
class DpccArchitecture:
    """A `study.training.architecture.Architecture`."""

    config: ModelConfig

    optional_terms = frozenset(DISTORTIONS)
    is_exact = True
    rates = ("learning_rate", "bottleneck_learning_rate")

    @property
    def identity(self) -> dict[str, Any]:
        """Every setting of the network."""
        return asdict(self.config)

    @property
    def form(self) -> Hierarchies:
        """The hierarchies that the encoder reads."""
        return Hierarchies(self.config.downsample_rate, self.config.k)

    @property
    def codes_normals(self) -> bool:
        """As the settings have it."""
        return self.config.compress_normal

    @property
    def voxel_bits(self) -> int:
        """A voxel's normal."""
        return NORMAL_BITS if self.config.compress_normal else 0

    def rate_of(self, parameter: str) -> str:
        """Return the quantiles' own rate for them."""
        return self.rates[parameter.endswith("quantiles")]

    def network(self, trials: int) -> Codec:
        """Return codecs, fused."""
        return Codec(self.config, trials)

    def weights(self, loss: LossWeights) -> dict[str, float]:
        """Return the weight of every term."""
        return weight_per_term(loss)

    def collate(self, patches: Sequence[Hierarchy], device: str | torch.device) -> PatchBatch:
        """Pad them to the largest."""
        return collate(patches, device)

    def noise_shape(self, point_counts: Sequence[int]) -> tuple[int, int, int]:
        """B, M and S."""
        latents = latent_count(max(point_counts), self.config.downsample_rate)
        return len(point_counts), latents, self.config.symbol_channels

    def loss(
        self, network: Codec, batch: PatchBatch, noise: Tensor, weights: Mapping[str, Tensor]
    ) -> Loss:
        """Weigh every term; the quantiles' fit is no part of the total."""
        further = [name for name in weights if name in DISTORTIONS]
        terms = loss_terms(network(batch, noise), batch, self.config.k, further=further)
        loss = weighted_sum(terms, weights)
        return Loss(loss.total, loss.terms, loss.weighted, network.bottleneck.quantile_loss())

    def evaluate(self, network: Codec, batch: PatchBatch) -> Evaluated:
        """Round hard; ``patch_chamfer`` is in squared patch units."""
        output = network(batch)
        distance, _ = chamfer(output.decoded, batch.stages[0], nearest)
        return Evaluated(
            bits=bits_per_point(output, batch) * batch.point_counts,
            xyz=output.decoded.xyz,
            sizes=output.decoded.sizes,
            own={"patch_chamfer": distance},
        )

    def coder(self, network: Codec, partition: PartitionConfig, *, is_ours: bool) -> CloudCodec:
        """Fix the range coder's tables."""
        return CloudCodec(PatchCoder.freeze(network), partition, is_ours=is_ours)
