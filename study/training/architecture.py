"""What training asks of a family of models: the networks of one architecture, and their losses.

Legend: T trials, B patches, P decoded points of a patch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import torch
    from torch import Tensor, nn

    from model.codec_folder import AnyCodec
    from model.partition import PartitionConfig
    from study.data.patch_form import PatchForm

Batch = Any
OwnNetwork = Any
OwnLoss = Any
"""Several patches on a device, as an architecture's `collate` makes them; what its `network`
returned; the section `loss` of its family. It knows its own, and nobody else looks into them."""


@dataclass(frozen=True)
class Loss:
    """A loss and what it is made of.

    Attributes:
        total: (T,), the sum of the weighted terms.
        terms: each (T,), before weighting.
        weighted: each (T,), after it.
        auxiliary: (), summed over trials: what is minimised besides and is part of no total, such
            as the fit of quantiles.
    """

    total: Tensor
    terms: Mapping[str, Tensor]
    weighted: Mapping[str, Tensor]
    auxiliary: Tensor | None = None


@dataclass(frozen=True)
class Evaluated:
    """What a batch costs, and what becomes of it, in the eyes of a decoder.

    Attributes:
        bits: (T, B), without those that `PatchForm.overhead_bits` counts.
        xyz: (T, B, P, 3) decoded points, patch frame.
        sizes: (T, B) int64, how many of the P are points.
        own: (T, B) each, further metrics by name; their means over patches are recorded.
    """

    bits: Tensor
    xyz: Tensor
    sizes: Tensor
    own: Mapping[str, Tensor] = field(default_factory=dict)


class Network(Protocol):
    """The networks of T trials as one module.

    The leading axis of every parameter is the trials', or a multiple of it that goes through the
    trials in turn. No trial's values enter another's.
    """

    @property
    def trials(self) -> int:
        """T."""

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """PyTorch's."""

    def to(self, device: str, *, non_blocking: bool = False) -> Self:
        """PyTorch's."""

    def reset(self, seeds: Sequence[int]) -> None:
        """Initialise each trial from its own seed."""

    def restore(self, parameters: Mapping[str, Tensor]) -> None:
        """Take the values of parameters that were saved by name, in place."""

    def select(self, trials: Sequence[int]) -> Self:
        """Return copies of some of the trials."""

    def freeze(self) -> None:
        """Fix what is fixed when training is over, before anything is coded."""


class Architecture(Protocol):
    """The networks of one architecture: what sets them apart is their weights alone.

    Attributes:
        identity: what decides the shapes of the parameters; a checkpoint goes on with the same.
        form: what is stored of a patch.
        codes_normals: whether its codecs code normals too.
        is_exact: whether a file decodes to the very points that `evaluate` tells, in its bits; else
            what it tells is an estimate of both.
        voxel_bits: bits of a file for each voxel, besides `PatchForm.overhead_bits`.
        optional_terms: of the loss, those that are not computed while no trial weighs them.
        rates: the keys of `training` that are learning rates. The first is the network's, whose
            gradient `max_grad_norm` shortens.
    """

    @property
    def optional_terms(self) -> frozenset[str]:
        """See above."""

    @property
    def rates(self) -> tuple[str, ...]:
        """See above."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """See above."""

    @property
    def form(self) -> PatchForm:
        """See above."""

    @property
    def codes_normals(self) -> bool:
        """See above."""

    @property
    def is_exact(self) -> bool:
        """See above."""

    @property
    def voxel_bits(self) -> int:
        """See above."""

    def rate_of(self, parameter: str) -> str:
        """Return which of the learning rates a parameter has, by its name."""

    def network(self, trials: int) -> Network:
        """Return networks on the CPU."""

    def weights(self, loss: OwnLoss) -> Mapping[str, float]:
        """Return the weight of every term of the loss, for a trial with these settings."""

    def collate(self, patches: Sequence[Any], device: str | torch.device) -> Batch:
        """Put patches, as `PatchForm.read` returns them, on a device."""

    def noise_shape(self, point_counts: Sequence[int]) -> tuple[int, ...]:
        """Return the shape of a trial's noise for a batch of patches of so many points each."""

    def loss(
        self, network: OwnNetwork, batch: Batch, noise: Tensor, weights: Mapping[str, Tensor]
    ) -> Loss:
        """Compute the loss to train with.

        Args:
            network: one of this architecture's.
            batch: what `collate` returned.
            noise: (T, …) uniform in [-1/2, 1/2), of `noise_shape`.
            weights: (T,) for each term.
        """

    def evaluate(self, network: OwnNetwork, batch: Batch) -> Evaluated:
        """Compute what files would cost and decode to, or estimate it; the network is frozen."""

    def coder(self, network: OwnNetwork, partition: PartitionConfig, *, is_ours: bool) -> AnyCodec:
        """Freeze the network of one trial, and return what codes clouds with it.

        Args:
            network: of one trial.
            partition: how clouds are cut.
            is_ours: it was trained in this process, not read from a file that may come from
                anywhere: what it decodes to needs no limit.

        Its errors are `model.errors.UncodableError` where the network has diverged.
        """
