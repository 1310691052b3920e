"""One trained codec, frozen for coding: patches to integer symbols and back.

Everything that two machines must agree on is integer here: the symbols, and the tables that the
range coder reads. Tables are computed once, when a codec is frozen, and never again.

Legend: M latent points, C = dim, S symbols per latent point, n points.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from model.bottleneck import LARGEST_SYMBOL
from model.errors import UncodableError
from model.patches import collate
from model.points import Points

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from model.codec import Codec
    from model.config import ModelConfig
    from model.hierarchy import Hierarchy


@dataclass(frozen=True)
class Tables:
    """The integer tables of the range coder, one row per symbol of a latent point.

    Attributes:
        cdf: (S, longest) int32, cumulative frequencies from 0 to 65536. The last slot of a row
            stands for every symbol outside its range.
        cdf_length: (S,) int32, entries of each row that count.
        offset: (S,) int32, the smallest symbol within each row's range.
    """

    cdf: NDArray[np.int32]
    cdf_length: NDArray[np.int32]
    offset: NDArray[np.int32]


@dataclass(frozen=True)
class PatchLatents:
    """What a file carries of one patch.

    Attributes:
        symbols: (M, S) int32: C of features, then C of coordinates where those are learned.
        coordinates: (M, 3) float16 in the patch frame where they are not, else None.
    """

    symbols: NDArray[np.int32]
    coordinates: NDArray[np.float16] | None = None


class PatchCoder:
    """A population of one, on the device where it lies, with the tables that belong to it.

    Patches go through one at a time and on one thread, so that what comes out depends on nothing
    else: not on the other patches, their order, or the machine's cores.
    """

    def __init__(self, codec: Codec, tables: Tables) -> None:
        """Put together what belongs together; see :meth:`freeze` for a freshly trained codec.

        Args:
            codec: a population of one.
            tables: as they were computed when it was frozen.
        """
        assert codec.trials == 1, "a file belongs to one codec"
        self.codec = codec
        self.tables = tables

    @classmethod
    def freeze(cls, codec: Codec) -> PatchCoder:
        """Fix a codec's tables. Its quantiles are set too: see ``PopulationBottleneck.freeze``."""
        codec.freeze()
        return cls(codec, Tables(*codec.bottleneck.tables()))

    @property
    def config(self) -> ModelConfig:
        """The architecture."""
        return self.codec.config

    def encode(self, hierarchy: Hierarchy) -> PatchLatents:
        """Symbols of one patch.

        Args:
            hierarchy: built with the architecture's ``downsample_rate`` and ``k``.

        Raises:
            UncodableError: latents that are not finite, or far too large.
        """
        with _reproducibly():
            patches = collate([hierarchy], self._device)
            reals = self.codec.analyse(patches)[0, 0]
            symbols = self.codec.bottleneck.to_symbols(reals).cpu()
            true = patches.stages[-1].xyz[0, 0]
        # Written so that NaN fails the comparison too.
        if not bool((symbols.abs() <= LARGEST_SYMBOL).all()):
            message = (
                f"latents must be within +-{LARGEST_SYMBOL} to be coded, and the largest is "
                f"{float(symbols.abs().max()):g}: this codec has diverged, train it anew with a "
                "smaller learning rate"
            )
            raise UncodableError(message)
        coordinates = None if self.config.quantize_latent_xyzs else true.half().cpu().numpy()
        return PatchLatents(symbols.int().numpy(), coordinates)

    def decode(
        self, latents: PatchLatents, most_points: int | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Points of one patch.

        Args:
            latents: of at least one latent point.
            most_points: how many points they may become; None: any number.

        Returns:
            (n, 3) in the patch frame, and (n, 3) normals where the codec has them.

        Raises:
            TooManyPointsError: they would become more.
        """
        with _reproducibly():
            symbols = torch.from_numpy(latents.symbols).to(self._device, non_blocking=True)
            quantised = self.codec.bottleneck.from_symbols(symbols)[None, None]
            output = self.codec.decode(quantised, self._sent(latents), most_points)
            points = output.points.xyz[0, 0].cpu().numpy()
            normals = None if output.normals is None else output.normals[0, 0].cpu().numpy()
        return points, normals

    def _sent(self, latents: PatchLatents) -> Points:
        """The latent points as the codec takes them: their number, and what is sent of them."""
        count = len(latents.symbols)
        sent = np.zeros((count, 3)) if latents.coordinates is None else latents.coordinates
        xyz = torch.from_numpy(sent).float().to(self._device, non_blocking=True)[None, None]
        return Points(xyz, torch.full((1, 1), count, device=self._device), full=True)

    @property
    def _device(self) -> torch.device:
        return next(self.codec.parameters()).device


@contextmanager
def _reproducibly() -> Iterator[None]:
    """Without gradients, and on one thread: sums are taken in one order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.no_grad():
            yield
    finally:
        torch.set_num_threads(threads)
