"""CompressAI's entropy bottleneck, with the platform's noise and a coder that takes any bytes.

Legend: B patches, C channels, L places of a channel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from model.bottleneck import LARGEST_SYMBOL
from model.compressai_parts import EntropyBottleneck
from model.errors import UncodableError
from model.rans import SymbolReader, SymbolWriter
from model.table_checks import check_tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

TABLES = ("_quantized_cdf", "_cdf_length", "_offset")
"""What `EntropyBottleneck.update` makes of the parameters; empty before."""


class Tables(NamedTuple):
    """A `model.rans.SymbolTables` of C channels."""

    cdf: NDArray[np.int32]
    cdf_length: NDArray[np.int32]
    offset: NDArray[np.int32]


class PlatformBottleneck(EntropyBottleneck):  # type: ignore[misc]  # CompressAI ships no types
    """The bottleneck with what the platform promises of codecs.

    - Noise is given and not drawn: what a trial learns does not depend on its company.
    - Quantiles are not learned by an auxiliary loss: `update` finds them in the learned
      distribution, by bisection. Training does not read them.
    - Symbols are coded by `model.rans`, which writes the same bytes. CompressAI's own coder reads
      past the end of bytes that were cut, and follows made-up ones without end.

    Attributes:
        noise: (B, C) in [-1/2, 1/2), for the next training step.
    """

    def __init__(self, channels: int, tail_mass: float) -> None:
        super().__init__(channels, tail_mass=tail_mass)
        self.quantiles.requires_grad_(False)  # noqa: FBT003  PyTorch's
        self.noise: Tensor | None = None

    def quantize(self, inputs: Tensor, mode: str, means: Tensor | None = None) -> Tensor:
        """Add the noise to (C, 1, B) numbers, or round as CompressAI does."""
        if mode != "noise":
            rounded: Tensor = super().quantize(inputs, mode, means)
            return rounded
        assert self.noise is not None, "a step is given its noise"
        return inputs + self.noise.T[:, None]

    def compress(self, latents: Tensor) -> list[bytes]:
        """Code (B, C, L) latents, each patch by itself.

        Raises:
            UncodableError: latents that are not finite, or far too large.
        """
        symbols = torch.round(latents - self.quantiles[:, :, 1])
        # Written so that NaN fails the comparison too.
        if not bool((symbols.abs() <= LARGEST_SYMBOL).all()):
            raise UncodableError(
                f"latents must be within +-{LARGEST_SYMBOL} to be coded, and the largest is "
                f"{float(symbols.abs().max()):g}: this codec has diverged, train it anew with a "
                "smaller learning rate"
            )
        return [self._written(each.mT.int().numpy()) for each in symbols]

    def decompress(self, strings: Sequence[bytes], size: Sequence[int]) -> Tensor:
        """Return the rounded latents, (B, C, L), of L = `size`.

        Raises:
            DamagedFileError: no encoder writes such bytes.
        """
        (places,) = size
        rows = np.stack([self._read(each, places) for each in strings])
        medians: Tensor = self.quantiles[:, :, 1]
        return torch.from_numpy(rows).mT + medians

    def check(self) -> None:
        """Hold tables from a file against what the coder needs.

        Raises:
            ValueError: what is wrong with them.
        """
        check_tables(self._tables, self.channels)

    @property
    def _tables(self) -> Tables:
        return Tables(*(self.get_buffer(name).numpy() for name in TABLES))

    def _written(self, symbols: NDArray[np.int32]) -> bytes:
        writer = SymbolWriter()
        writer.table(symbols, self._tables)
        return writer.finish()

    def _read(self, stream: bytes, places: int) -> NDArray[Any]:
        reader = SymbolReader(stream)
        symbols = reader.table(places, self._tables)
        reader.finish()
        return symbols.astype(np.float32)
