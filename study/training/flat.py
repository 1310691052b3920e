"""The parameters of a population as one flat tensor, and Adam on it.

A codec has some 240 small parameter tensors. Optimisers that go through them one by one cost more
than the arithmetic does: fused Adam took 3.3 ms of a step on the CPU. Here the parameters are views
of one tensor, so that a step is a dozen operations for any number of trials.

Legend: T trials, P numbers of one codec's parameters.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from model.codec import Codec

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
"""Of Adam (Kingma and Ba, arXiv 1412.6980, section 2)."""


def by_name(row: Tensor, shapes: Mapping[str, Sequence[int]]) -> dict[str, Tensor]:
    """The parameters of one codec, (P,), as a population of one names and shapes them; views."""
    parts = row.split([math.prod(shape) for shape in shapes.values()])
    return {
        name: part.view(*shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)
    }


class Layout:
    """Where each parameter of a population lies in a flat tensor, (T * P,).

    Parameter after parameter, and trial after trial within each: so every parameter is contiguous,
    as products of matrices want it. The network comes first, the bottleneck's quantiles last: they
    have a learning rate of their own.

    Attributes:
        trials: T.
        shapes: by name, of each parameter of a population of one.
        columns: P.
        network_columns: how many of them are the network's.
    """

    def __init__(self, codec: Codec) -> None:
        """Note where the parameters of a codec are to lie."""
        self.trials = codec.trials
        named = sorted(codec.named_parameters(), key=lambda pair: pair[0].endswith("quantiles"))
        self.parameters = tuple(parameter for _, parameter in named)
        self._sizes = [parameter.numel() // self.trials for parameter in self.parameters]
        # A bottleneck's leading axis holds the channels of every trial in turn.
        self.shapes = {
            name: (parameter.shape[0] // self.trials, *parameter.shape[1:])
            for name, parameter in named
        }
        self.columns = sum(self._sizes)
        self.network_columns = self.columns - sum(
            size
            for (name, _), size in zip(named, self._sizes, strict=True)
            if name.endswith("quantiles")
        )

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
        """Make the codec's parameters views of a flat tensor."""
        for parameter, part in zip(self.parameters, self.views(flat), strict=True):
            parameter.data = part.view(parameter.shape)

    def groups(self, device: torch.device) -> Tensor:
        """(T * P,) int32: 2 * trial, and 1 more for quantiles."""
        of_rows = torch.arange(0, 2 * self.trials, 2, dtype=torch.int32, device=device)
        rows = of_rows[:, None].repeat(1, self.columns)
        rows[:, self.network_columns :] += 1
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
        self.rates = [(0.0, 0.0)] * layout.trials
        self._group = layout.groups(device)
        self._rate = torch.zeros_like(parameters)
        # Kept from step to step: touching fresh memory took ten times as long as the arithmetic.
        self._gradient, self._denominator = torch.empty((2, parameters.numel()), device=device)
        limits = [torch.inf if limit is None else limit for limit in longest_gradients]
        self._limits = (
            torch.tensor(limits).to(device, non_blocking=True) if min(limits) < torch.inf else None
        )

    def set_rates(self, rates: Sequence[tuple[float, float]]) -> None:
        """Set each trial's learning rates, of the network and of the quantiles."""
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
        return self._spread(torch.tensor(values).repeat_interleave(2))

    def _spread(self, of_groups: Tensor) -> Tensor:
        """(T * P,) from one number for each trial's network and quantiles, (2T,)."""
        return of_groups.to(self._group.device, non_blocking=True).index_select(0, self._group)

    def _shortening(self, gradients: Sequence[Tensor], limits: Tensor) -> Tensor:
        """(2T,) factors by group: the network's, and 1 for the quantiles, which are not clipped."""
        rows = self._denominator.view(self._layout.trials, -1)
        torch.cat([part.view(self._layout.trials, -1) for part in gradients], dim=1, out=rows)
        norm = torch.linalg.vector_norm(rows[:, : self._layout.network_columns], dim=1)
        factor = torch.where(limits.isinf(), 1.0, (limits / norm).clamp(max=1.0))
        return torch.stack([factor, torch.ones_like(factor)], dim=1).flatten()
