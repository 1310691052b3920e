"""CompressAI's entropy bottleneck, one per trial.

Legend: T trials, B patches, M latent points, C channels.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812  the name everyone knows
from torch import Tensor, nn

from model.compressai_parts import new_bottleneck
from model.layers import contiguous, each_alike

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

LARGEST_SYMBOL = 1 << 20
"""Far beyond any codec that has learned. Near 2^31 CompressAI's range coder never ends."""


class PopulationBottleneck(nn.Module):
    """T bottlenecks of C channels as one ``EntropyBottleneck(T * C)``.

    Channels are independent in it, so this is exact. Quantisation is done here and not by its
    ``forward``: training noise must be drawn per trial, or one trial's training would depend on
    who trains beside it; and padded points must not be counted.
    """

    def __init__(self, trials: int, channels: int) -> None:
        super().__init__()
        self.trials = trials
        self.channels = channels
        self.channelwise = new_bottleneck(trials * channels)

    def reset(self, generators: Sequence[torch.Generator]) -> None:
        """Draw the only random parameters, the biases, trial by trial (as CompressAI does)."""
        for bias in self.channelwise.biases:
            per_trial = bias.data.view(self.trials, self.channels, *bias.shape[1:])
            for trial, generator in enumerate(generators):
                nn.init.uniform_(per_trial[trial], -0.5, 0.5, generator=generator)

    def forward(self, latents: Tensor, noise: Tensor | None) -> tuple[Tensor, Tensor]:
        """Quantise and rate.

        Args:
            latents: (T, B, M, C).
            noise: (T, B, M, C) in [-1/2, 1/2) to train with; None rounds, as a coder does.

        Returns:
            Quantised latents and likelihoods, both (T, B, M, C). A likelihood is a probability:
            the difference of the learned CDF at z + 1/2 and z - 1/2 (arXiv 1802.01436, eq. 26 to
            30 with CompressAI's logistic output).
        """
        trials, patches, points, channels = latents.shape
        channelwise = contiguous(latents).permute(0, 3, 1, 2)
        rows = channelwise.reshape(trials * channels, 1, patches * points).contiguous()
        if noise is None:
            medians = self.channelwise.quantiles[:, :, 1:2]
            quantised = torch.round(rows - medians) + medians
        else:
            quantised = rows + noise.permute(0, 3, 1, 2).reshape_as(rows)
        likelihoods = self._likelihoods(quantised)
        shape = (trials, channels, patches, points)
        return (
            contiguous(quantised.view(shape).permute(0, 2, 3, 1)),
            likelihoods.view(shape).permute(0, 2, 3, 1),
        )

    def quantile_loss(self) -> Tensor:
        """Sum over trials of the loss that pulls the quantiles to the tails of the learned CDF."""
        quantiles, target = self.channelwise.quantiles, self.channelwise.target
        loss: Tensor = (self._cumulative_logits(quantiles, learning=False) - target).abs().sum()
        return loss

    def _likelihoods(self, rows: Tensor) -> Tensor:
        # Both edges of the symbols' bins in one evaluation; `forward` would draw its own noise.
        logits = self._cumulative_logits(torch.cat([rows - 0.5, rows + 0.5], dim=-1))
        lower, upper = each_alike(torch.sigmoid, logits, self.trials).chunk(2, dim=-1)
        bounded: Tensor = self.channelwise.likelihood_lower_bound(upper - lower)
        return bounded

    def _cumulative_logits(self, z: Tensor, *, learning: bool = True) -> Tensor:
        """Logits of the learned CDF at (T * C, 1, N) values.

        CompressAI's ``_logits_cumulative``, with each trial's numbers in whole vectors.

        Args:
            z: where.
            learning: whether the CDF is to get a gradient.
        """
        module = self.channelwise
        matrices = self._of_parameters(F.softplus, module.matrices, learning=learning)
        factors = self._of_parameters(torch.tanh, module.factors, learning=learning)
        for matrix, bias, factor in zip_longest(matrices, module.biases, factors):
            z = torch.bmm(matrix, z) + (bias if learning else bias.detach())
            if factor is not None:
                z = z + factor * each_alike(torch.tanh, z, self.trials)
        return z

    def _of_parameters(
        self,
        function: Callable[[Tensor], Tensor],
        parameters: Iterable[Tensor],
        *,
        learning: bool,
    ) -> list[Tensor]:
        """A function of every number of several parameters, in one call."""
        given = [each if learning else each.detach() for each in parameters]
        rows = torch.cat([each.view(self.trials, -1) for each in given], dim=1)
        sizes = [each.numel() // self.trials for each in given]
        parts = each_alike(function, rows, self.trials).split(sizes, dim=1)
        return [part.reshape(each.shape) for part, each in zip(parts, given, strict=True)]

    def freeze(self) -> None:
        """Compute the integer tables that the range coder needs.

        The quantiles are set from the learned CDF: those that training reached may not have
        converged, and then the coder would pay for it. Computed on the CPU: value by value, for
        each of which a GPU would wait; and so the same parameters have the same tables anywhere.
        """
        device = self._medians().device
        self.channelwise.to("cpu").update(force=True, update_quantiles=True)
        self.channelwise.to(device, non_blocking=True)

    def to_symbols(self, latents: Tensor) -> Tensor:
        """Whole numbers as reals, (points, C), from the latents of a population of one."""
        return torch.round(latents - self._medians())

    def from_symbols(self, symbols: Tensor) -> Tensor:
        """Quantised latents from (points, C) whole numbers."""
        return symbols + self._medians()

    def tables(self) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
        """The frozen integer tables: cumulative frequencies, their lengths, smallest symbols."""
        module = self.channelwise
        cdf, length, offset = module._quantized_cdf, module._cdf_length, module._offset  # noqa: SLF001
        return cdf.int().cpu().numpy(), length.int().cpu().numpy(), offset.int().cpu().numpy()

    def _medians(self) -> Tensor:
        medians: Tensor = self.channelwise.quantiles[:, 0, 1]
        return medians
