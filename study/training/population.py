"""Members that train as one network.

Legend: T members, P parameters of a network.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

import study.training.exact  # noqa: F401  it has to come before the first product of matrices
from study.base.seeds import Purpose, derived_seed
from study.training.flat import FlatAdam, Layout
from study.training.members import MemberState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from torch import Tensor

    from study.training.architecture import Architecture, Batch, Loss
    from study.training.members import Member


def fresh_states(
    architecture: Architecture, members: Sequence[Member], device: str
) -> list[MemberState]:
    """Members before their first step, each as its own seed makes it."""
    network = architecture.network(len(members))
    network.reset([derived_seed(member.seed, Purpose.WEIGHTS) for member in members])
    layout = Layout(network, architecture)
    flat = torch.cat([parameter.detach().reshape(-1) for parameter in layout.parameters])
    rows = layout.rows(flat).to(device, non_blocking=True)
    return [
        MemberState(
            member=member,
            parameters=row,
            mean=torch.zeros_like(row),
            square=torch.zeros_like(row),
            steps=0,
            noise=torch.Generator()
            .manual_seed(derived_seed(member.seed, Purpose.NOISE))
            .get_state(),
        )
        for member, row in zip(members, rows, strict=True)
    ]


class Population:
    """The networks of T trials, one for each member, and what trains them.

    Members are independent: each has its own weights, noise, gradients and optimiser state, and a
    loss that becomes NaN stays its own. So any states can be put together, and taken apart again.

    Attributes:
        members: in the order of the network's trials.
        network: theirs.
    """

    def __init__(
        self, architecture: Architecture, states: Sequence[MemberState], device: str
    ) -> None:
        """Put members together.

        Args:
            architecture: of all.
            states: on any device; copied.
            device: "cpu" or "cuda".
        """
        self.members = tuple(state.member for state in states)
        self.network = architecture.network(len(states)).to(device, non_blocking=True)
        self.layout = Layout(self.network, architecture)
        self._architecture, self._device = architecture, device

        def flat(rows: Iterable[Tensor]) -> Tensor:
            moved = [row.to(device, non_blocking=True) for row in rows]
            return self.layout.flat(torch.stack(moved))

        self._adam = FlatAdam(
            self.layout,
            flat(state.parameters for state in states),
            flat(state.mean for state in states),
            flat(state.square for state in states),
            [state.steps for state in states],
            [member.training.max_grad_norm for member in self.members],
        )
        self.layout.adopt(self._adam.parameters)
        # Noise is drawn on the CPU: a seed then means the same on every device.
        self._generators = [torch.Generator() for _ in states]
        for generator, state in zip(self._generators, states, strict=True):
            generator.set_state(state.noise)
        self._noise: list[Tensor] = []
        weights = [architecture.weights(member.loss) for member in self.members]
        optional = architecture.optional_terms
        self._weights = stacked(weights, device, optional)
        self._terms = [{name for name in each if _has(each, name, optional)} for each in weights]
        self._tally = LossTally()

    def states(self) -> list[MemberState]:
        """What each member is made of now; copies, on this population's device."""
        adam = self._adam
        parameters, mean, square = map(self.layout.rows, (adam.parameters, adam.mean, adam.square))
        return [
            MemberState(
                member, parameters[i], mean[i], square[i], steps, self._generators[i].get_state()
            )
            for i, (member, steps) in enumerate(zip(self.members, adam.steps, strict=True))
        ]

    def halves(self) -> list[Population]:
        """Two populations, each of half the members, that go on exactly where this one is."""
        states, middle = self.states(), len(self.members) // 2
        return [self._part(states, part) for part in (slice(middle), slice(middle, None))]

    def begin_epoch(self, clock: int) -> None:
        """Set every member's learning rates for the epoch that the order of patches is in."""
        self._tally = LossTally()
        rates = self._architecture.rates
        self._adam.set_rates([learning_rates(member, clock, rates) for member in self.members])

    def draw_noise(self, shapes: Sequence[tuple[int, ...]]) -> None:
        """Draw the next steps' noise, of these shapes for each member.

        The numbers do not depend on how many steps they are drawn for at once, and one transfer
        to a GPU serves all.
        """
        sizes = [math.prod(shape) for shape in shapes]
        on_gpu = self._device != "cpu"
        drawn = torch.empty((len(self.members), sum(sizes)), pin_memory=on_gpu)
        for row, generator in zip(drawn, self._generators, strict=True):
            row.uniform_(-0.5, 0.5, generator=generator)
        drawn = drawn.to(self._device, non_blocking=True)
        self._noise = [
            part.view(len(self.members), *shape)
            for part, shape in zip(drawn.split(sizes, dim=1), shapes, strict=True)
        ]

    def step(self, batch: Batch) -> int:
        """Train on a batch with the next noise that was drawn. Taken whole or not at all.

        Returns:
            How many members did.
        """
        loss = self._architecture.loss(self.network, batch, self._noise[0], self._weights)
        # The sum over trials gives every trial exactly its own gradient.
        objective = loss.total.sum()
        if loss.auxiliary is not None:
            objective = objective + loss.auxiliary
        gradients = torch.autograd.grad(
            objective, self.layout.parameters, allow_unused=True, materialize_grads=True
        )
        row = self._tally.row(loss)
        self._adam.step(gradients)
        self._tally.add(row)
        self._noise.pop(0)
        return len(self.members)

    def any_finite(self) -> bool:
        """Whether anybody is left to train; makes a GPU wait."""
        return bool(self._tally.finite().any())

    def finite(self) -> list[bool]:
        """Of each member, whether its losses in this epoch and its parameters are numbers."""
        rows = self.layout.rows(self._adam.parameters)
        found: list[bool] = (self._tally.finite() & rows.isfinite().all(dim=1)).tolist()
        return found

    def means(self) -> list[dict[str, float]]:
        """Of each member, the epoch's mean loss and its own terms."""
        return self._tally.means(self._terms)

    def _part(self, states: Sequence[MemberState], part: slice) -> Population:
        chosen = Population(self._architecture, states[part], self._device)
        chosen._adam.set_rates(self._adam.rates[part])
        chosen._noise = [noise[part] for noise in self._noise]
        # Terms of the other half too, until the epoch ends: its sums are of these.
        chosen._weights = {name: values[part] for name, values in self._weights.items()}
        chosen._tally = self._tally.part(part)
        return chosen


def stacked(
    weights: Sequence[Mapping[str, float]], device: str, optional: Collection[str] = ()
) -> dict[str, Tensor]:
    """One (T,) tensor per term, of the weights of T trials; those that no trial weighs left out.

    Args:
        weights: equal names in equal order.
        device: "cpu" or "cuda".
        optional: the terms that may be left out.
    """
    names = [name for name in weights[0] if any(_has(each, name, optional) for each in weights)]
    values = torch.tensor([[each[name] for name in names] for each in weights])
    return dict(zip(names, values.T.to(device, non_blocking=True), strict=True))


def _has(weights: Mapping[str, float], name: str, optional: Collection[str]) -> bool:
    """Tell whether a term is part of a trial's loss."""
    return name not in optional or weights[name] != 0.0


def learning_rates(member: Member, clock: int, rates: Sequence[str]) -> tuple[float, ...]:
    """Those of a member, in the epoch that the order of patches is in.

    Args:
        member: whose.
        clock: the epoch.
        rates: the keys of `training` that hold them.
    """
    settings = member.training
    epoch = clock - member.order_from
    if settings.schedule == "cosine":
        factor = (1 + math.cos(math.pi * (epoch + 0.5) / settings.epochs)) / 2
    else:
        factor = settings.decay_factor ** (epoch // settings.decay_every)
    return tuple(getattr(settings, name) * factor for name in rates)


class LossTally:
    """Sums over the steps of an epoch, per member, without making a GPU wait."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._steps = 0
        self._sums = torch.zeros((1, 1))

    def row(self, loss: Loss) -> Tensor:
        """What is to be added for a step, (values, T)."""
        if self._steps == 0:
            self._names = [
                "loss",
                *(f"term_{name}" for name in loss.terms),
                *(f"weighted_{name}" for name in loss.weighted),
            ]
        values = [loss.total, *loss.terms.values(), *loss.weighted.values()]
        return torch.stack([value.detach() for value in values])

    def add(self, row: Tensor) -> None:
        """Count one step."""
        self._sums = row if self._steps == 0 else self._sums.add_(row)
        self._steps += 1

    def finite(self) -> Tensor:
        """(T,) bool: no member's loss has been NaN or infinite."""
        return self._sums[0].isfinite()

    def part(self, members: slice) -> LossTally:
        """The tally of some members."""
        chosen = LossTally()
        chosen._names, chosen._steps = self._names, self._steps
        chosen._sums = self._sums[:, members].clone()
        return chosen

    def means(self, terms: Sequence[Collection[str]]) -> list[dict[str, float]]:
        """Per member: ``loss``, and each of its terms before and after weighting."""
        columns = (self._sums / self._steps).T.tolist()
        return [
            {
                name: value
                for name, value in zip(self._names, column, strict=True)
                if name == "loss" or name.partition("_")[2] in own
            }
            for own, column in zip(terms, columns, strict=True)
        ]
