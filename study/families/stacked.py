"""Modules that were written for one trial, as the networks of many.

Legend: T trials, B patches, P decoded points of a patch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from losses.total import weighted_sum
from study.families.patchwise import PatchwiseCodec
from study.families.point_batch import PointBatch, collate
from study.families.requirements import checked, seeded
from study.training.architecture import Evaluated, Loss

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from model.partition import PartitionConfig
    from study.config import Section
    from study.families.point_patches import PointPatches


class SingleModule(Protocol):
    """A codec of one trial: a `torch.nn.Module` that trains on patches, and codes them.

    Its buffers are constants, no part draws random numbers or keeps statistics in training, and it
    can be made under ``torch.device("meta")``. Where `vmaps`, its methods must be such that
    `torch.vmap` takes them: no value of a tensor decides what is computed.

    Attributes:
        noise: random numbers that a patch takes in training.
        vmaps: whether trials are computed at once; else one after the other.
    """

    noise: int
    vmaps: bool

    def terms(self, batch: PointBatch, noise: Tensor) -> dict[str, Tensor]:
        """Return (B,) for each key of the family's `loss`, which weighs it.

        Args:
            batch: padded patches.
            noise: (B, `noise`) uniform in [-1/2, 1/2).
        """

    def evaluate(self, batch: PointBatch) -> tuple[Tensor, Tensor, Tensor]:
        """Return bits, (B,); decoded points, (B, P, 3), and how many of the P count, (B,).

        They must be what `encode` and `decode` do.
        """

    def encode(self, points: Tensor) -> bytes:
        """Code a patch of (n, 3) points in [-1, 1]."""

    def decode(self, data: bytes) -> Tensor:
        """Return (m, 3) points."""


class _Method(nn.Module):
    """Lets a method be called with other parameters: `functional_call` knows `forward` only."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, method: str, *arguments: object) -> Any:  # noqa: ANN401  the method's
        return getattr(self.inner, method)(*arguments)


class Stacked(nn.Module):
    """T modules of one kind, each parameter stacked, with the trials leading."""

    def __init__(self, make: Callable[[], nn.Module], trials: int) -> None:
        super().__init__()
        self.trials = trials
        self._make = make
        self._one = (_Method(make()),)  # Not a part: its values are never used.
        self._names = [name for name, _ in self._one[0].inner.named_parameters()]
        for name, parameter in self._one[0].inner.named_parameters():
            stacked = parameter.detach().expand(trials, *parameter.shape).clone()
            self.register_parameter(_registered(name), nn.Parameter(stacked))

    def call(self, method: str, batch: PointBatch, *own: Tensor) -> Any:  # noqa: ANN401
        """Call a method of every trial; what it returns leads with trials.

        Args:
            method: of the module.
            batch: the same for all.
            own: further arguments, which lead with trials.
        """
        stacked = self._stacked()
        # Its buffers, which are constants, go where the parameters are.
        one = self._one[0].to(next(iter(stacked.values())).device)
        # Evaluation promises what is coded, and that is done in the mode for it.
        one.train(method == "terms")

        def of_one(parameters: dict[str, Tensor], *own: Tensor) -> Any:  # noqa: ANN401
            return functional_call(one, parameters, (method, batch, *own))

        if cast("SingleModule", one.inner).vmaps:
            return torch.vmap(of_one)(stacked, *own)
        found = [
            of_one({name: each[trial] for name, each in stacked.items()}, *(t[trial] for t in own))
            for trial in range(self.trials)
        ]
        if isinstance(found[0], dict):
            return {name: torch.stack([each[name] for each in found]) for name in found[0]}
        return tuple(torch.stack(parts) for parts in zip(*found, strict=True))

    def module(self, trial: int) -> nn.Module:
        """Return one trial's module, by itself and to code with."""
        chosen = self._make().eval()
        with torch.no_grad():
            for name, parameter in chosen.named_parameters():
                parameter.copy_(self.get_parameter(_registered(name))[trial])
        return chosen

    @torch.no_grad()
    def reset(self, seeds: Sequence[int]) -> None:
        """Initialise each trial as a new module is, after PyTorch was given its seed."""
        for trial, seed in enumerate(seeds):
            for name, parameter in seeded(self._make, seed).named_parameters():
                self.get_parameter(_registered(name))[trial] = parameter

    @torch.no_grad()
    def restore(self, parameters: Mapping[str, Tensor]) -> None:
        """Take the values of parameters that were saved by name, in place."""
        for name, parameter in self.named_parameters():
            parameter.copy_(parameters[name])

    @torch.no_grad()
    def select(self, trials: Sequence[int]) -> Stacked:
        """Return copies of some of the trials."""
        chosen = Stacked(self._make, len(trials))
        theirs = dict(self.named_parameters())
        device = next(iter(theirs.values())).device
        index = torch.tensor(trials).to(device, non_blocking=True)
        chosen = chosen.to(device, non_blocking=True)
        for name, parameter in chosen.named_parameters():
            parameter.copy_(theirs[name][index])
        return chosen

    def freeze(self) -> None:
        """Fix nothing: what a module of one trial codes with follows from its weights."""

    def _stacked(self) -> dict[str, Tensor]:
        return {f"inner.{name}": self.get_parameter(_registered(name)) for name in self._names}


def _registered(name: str) -> str:
    """Return what a parameter is called here, where a name cannot have dots."""
    return name.replace(".", "/")


class SingleArchitecture:
    """A `study.training.architecture.Architecture` of modules that were written for one trial."""

    rates: tuple[str, ...] = ("learning_rate",)
    codes_normals = False
    is_exact = True
    voxel_bits = 0
    optional_terms: frozenset[str] = frozenset()
    asked: tuple[str, ...] = ("noise", "vmaps", "terms", "evaluate", "encode", "decode")
    """Of a module."""

    def __init__(
        self, make: Callable[[], nn.Module], identity: Mapping[str, Any], form: PointPatches
    ) -> None:
        """Note what makes a module, and what decides the shapes of its parameters.

        Raises:
            StudyError: trials cannot be trained with it; see `study.families.requirements`.
        """
        self._make, self.identity, self.form = make, dict(identity), form
        self._one = checked(make, self.asked)

    def rate_of(self, _parameter: str) -> str:
        """Return the only one."""
        return self.rates[0]

    def network(self, trials: int) -> Stacked:
        """Return them stacked."""
        return Stacked(self._make, trials)

    def weights(self, loss: Section) -> dict[str, float]:
        """Return the keys of the loss: each weighs the term of its name."""
        return dict(loss)

    def collate(self, patches: Sequence[Any], device: str | torch.device) -> Any:  # noqa: ANN401  what its modules read: a subclass may have another
        """Pad them to the largest: a `PointBatch`."""
        return collate(patches, device)

    def noise_shape(self, point_counts: Sequence[int]) -> tuple[int, int]:
        """Return so many numbers for each patch."""
        return len(point_counts), cast("SingleModule", self._one).noise

    def loss(
        self, network: Stacked, batch: PointBatch, noise: Tensor, weights: Mapping[str, Tensor]
    ) -> Loss:
        """Weigh every term."""
        loss = weighted_sum(network.call("terms", batch, noise), weights)
        return Loss(loss.total, loss.terms, loss.weighted)

    def evaluate(self, network: Stacked, batch: PointBatch) -> Evaluated:
        """Ask every module."""
        bits, xyz, sizes = network.call("evaluate", batch)
        return Evaluated(bits, xyz, sizes)

    def coder(self, network: Stacked, partition: PartitionConfig, *, is_ours: bool) -> Any:  # noqa: ANN401  an `AnyCodec`: a subclass may have another kind
        """Return what codes patches with the only trial's module."""
        module: Any = network.module(0)
        return PatchwiseCodec(module, partition, self.identity, is_ours=is_ours)
