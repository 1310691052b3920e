"""The parameters of a population as one flat tensor, and Adam on it.

A codec of D-PCC has some 240 small parameter tensors. Optimisers that go through them one by one
cost more than the arithmetic does: fused Adam took 3.3 ms of a step on the CPU. Here the parameters
are views of one tensor, so that a step is a dozen operations for any number of trials.

Legend: T trials, P numbers of one network's parameters, G learning rates.
"""

from __future__ import annotations

import math
from itertools import accumulate
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from study.training.architecture import Architecture, Network

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
"""Of Adam (Kingma and Ba, arXiv 1412.6980, section 2)."""


def by_name(row: Tensor, shapes: Mapping[str, Sequence[int]]) -> dict[str, Tensor]:
    """The parameters of one network as a population of one names and shapes them; views.

    Args:
        row: (P,), or longer, as `of_codec` takes it.
        shapes: by name, of each of the P.
    """
    parts = of_codec(row, shapes).split([math.prod(shape) for shape in shapes.values()])
    return {
        name: part.view(*shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)
    }


def of_codec(row: Tensor, shapes: Mapping[str, Sequence[int]]) -> Tensor:
    """The parameters of a network, (P,), of a row that may go on with those of a critic; a view."""
    return row[: sum(map(math.prod, shapes.values()))]


class Layout:
    """Where each parameter of a population lies in a flat tensor, (T * P,).

    Parameter after parameter, and trial after trial within each: so every parameter is contiguous,
    as products of matrices want it. They come by learning rate, those of the first rate first.

    Attributes:
        trials: T.
        shapes: by name, of each parameter of a population of one.
        columns: P.
        rates: how many of them have each learning rate, G.
    """

    def __init__(self, network: Network, architecture: Architecture) -> None:
        """Note where the parameters of a network are to lie."""
        self.trials = network.trials
        place = {name: number for number, name in enumerate(architecture.rates)}
        of_rate = {
            name: place[architecture.rate_of(name)] for name, _ in network.named_parameters()
        }
        named = sorted(network.named_parameters(), key=lambda pair: of_rate[pair[0]])
        self.parameters = tuple(parameter for _, parameter in named)
        self._sizes = [parameter.numel() // self.trials for parameter in self.parameters]
        # A leading axis may hold several rows of every trial in turn.
        self.shapes = {
            name: (parameter.shape[0] // self.trials, *parameter.shape[1:])
            for name, parameter in named
        }
        self.columns = sum(self._sizes)
        self.rates = [0] * len(place)
        for (name, _), size in zip(named, self._sizes, strict=True):
            self.rates[of_rate[name]] += size

    def views(self, flat: Tensor) -> list[Tensor]:
        """Each parameter's part, (T, entries)."""
        parts = flat.split([self.trials * size for size in self._sizes])
        return [part.view(self.trials, -1) for part in parts]

    def rows(self, flat: Tensor) -> Tensor:
        """(T, P), a copy: one row per trial."""
        return torch.cat(self.views(flat), dim=1)

    def flat(self, rows: Tensor) -> Tensor:
        """(T * P,) from (T, P) rows, a copy."""
        parts = rows.split(self._sizes, dim=1)
        return torch.cat([part.reshape(-1) for part in parts])

    def adopt(self, flat: Tensor) -> None:
        """Make the network's parameters views of a flat tensor."""
        for parameter, part in zip(self.parameters, self.views(flat), strict=True):
            parameter.data = part.view(parameter.shape)

    def groups(self, device: torch.device) -> Tensor:
        """(T * P,) int32: G * trial + the number of the learning rate."""
        count = len(self.rates)
        of_rows = torch.arange(0, count * self.trials, count, dtype=torch.int32, device=device)
        rows = of_rows[:, None].repeat(1, self.columns)
        for first in list(accumulate(self.rates))[:-1]:
            rows[:, first:] += 1
        return self.flat(rows)


class FlatAdam:
    """T times Adam, on flat tensors, each trial with its own rates, age and clipping.

    The same as `torch.optim.Adam` on each trial alone, up to rounding. Trials that are not finite
    touch no other.
    """

    def __init__(
        self,
        layout: Layout,
        parameters: Tensor,
        mean: Tensor,
        square: Tensor,
        steps: Sequence[int],
        longest_gradients: Sequence[float | None],
    ) -> None:
        """Go on from a state.

        Args:
            layout: of all the flat tensors.
            parameters: (T * P,), changed in place.
            mean: (T * P,), changed in place.
            square: (T * P,), changed in place.
            steps: that each trial has taken.
            longest_gradients: what each trial's gradient of the network is shortened to, if at all.
        """
        device = parameters.device
        self._layout = layout
        self.parameters, self.mean, self.square = parameters, mean, square
        self.steps = list(steps)
        self.rates: list[tuple[float, ...]] = [(0.0,) * len(layout.rates)] * layout.trials
        self._group = layout.groups(device)
        self._rate = torch.zeros_like(parameters)
        # Kept from step to step: touching fresh memory took ten times as long as the arithmetic.
        self._gradient, self._denominator = torch.empty((2, parameters.numel()), device=device)
        limits = [torch.inf if limit is None else limit for limit in longest_gradients]
        self._limits = (
            torch.tensor(limits).to(device, non_blocking=True) if min(limits) < torch.inf else None
        )

    def set_rates(self, rates: Sequence[tuple[float, ...]]) -> None:
        """Set each trial's learning rates, G of each."""
        self.rates = list(rates)
        self._rate = self._spread(torch.tensor(rates).flatten())

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor]) -> None:
        """Take a step along the gradients of the layout's parameters.

        What can run out of memory comes first: a step is taken whole or not at all.
        """
        gradient, denominator = self._gradient, self._denominator
        torch.cat([part.reshape(-1) for part in gradients], out=gradient)
        if self._limits is not None:
            factors = self._shortening(gradients, self._limits)
            gradient *= torch.index_select(factors, 0, self._group, out=denominator)
        steps = [steps + 1 for steps in self.steps]
        of_mean = self._per_trial([1 - BETA1**step for step in steps])
        of_square = self._per_trial([math.sqrt(1 - BETA2**step) for step in steps])
        # Nothing is allocated from here on.
        self.steps = steps
        self.mean.lerp_(gradient, 1 - BETA1)
        self.square.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
        torch.sqrt(self.square, out=denominator).div_(of_square).add_(EPSILON).mul_(of_mean)
        torch.mul(self.mean, self._rate, out=gradient)
        self.parameters.addcdiv_(gradient, denominator, value=-1.0)

    def _per_trial(self, values: Sequence[float]) -> Tensor | float:
        """One number where all trials are of one age, as they mostly are, else (T * P,)."""
        if len(set(values)) == 1:
            return values[0]
        return self._spread(torch.tensor(values).repeat_interleave(len(self._layout.rates)))

    def _spread(self, of_groups: Tensor) -> Tensor:
        """(T * P,) from one number for each trial and learning rate, (G * T,)."""
        return of_groups.to(self._group.device, non_blocking=True).index_select(0, self._group)

    def _shortening(self, gradients: Sequence[Tensor], limits: Tensor) -> Tensor:
        """(G * T,) factors: of the first rate's parameters, and 1 for others, never clipped."""
        rows = self._denominator.view(self._layout.trials, -1)
        torch.cat([part.reshape(self._layout.trials, -1) for part in gradients], dim=1, out=rows)
        norm = torch.linalg.vector_norm(rows[:, : self._layout.rates[0]], dim=1)
        factor = torch.where(limits.isinf(), 1.0, (limits / norm).clamp(max=1.0))
        others = [torch.ones_like(factor)] * (len(self._layout.rates) - 1)
        return torch.stack([factor, *others], dim=1).flatten()
