"""What coding a cloud takes, counted: the same on every machine, where seconds are not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

import numpy as np

from model.native.library import without_kernels

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

Result = TypeVar("Result")

MOST_POINTS = 1 << 16
"""Of a cloud whose coding is counted whole; of a larger one it is that of a slab of so many points.
Counting takes one more run, without the compiled kernels: one to three times as long as with."""


@dataclass(frozen=True)
class Work:
    """What a codec is made of, and what a cloud takes it.

    Attributes:
        parameters: numbers that training sets.
        encode_macs: multiply-accumulates of writing the cloud's file.
        decode_macs: of reading it.
    """

    parameters: int
    encode_macs: float
    decode_macs: float


@runtime_checkable
class NetworkCoder(Protocol):
    """A `study.metrics.measurement.Coder` with a network in it."""

    @property
    def parameters(self) -> int:
        """Numbers that training sets."""

    def compress(
        self, points: NDArray[np.float64], normals: NDArray[np.float32] | None, /
    ) -> bytes:
        """Write a cloud as a file."""

    def decompress(self, data: bytes, /) -> object:
        """Read it back."""


def counted(
    coder: object, points: NDArray[np.float64], normals: NDArray[np.float32] | None = None
) -> Work | None:
    """Return what a cloud takes a coder; None where no network is in it.

    Counted are products of matrices and convolutions, as PyTorch does them. The compiled kernels do
    the same products out of sight, so PyTorch does them here. Not counted is what is done element
    by element (norms, activations, softmaxes, layers of one input), searches and samples among
    points, and the coding of symbols.
    """
    if not isinstance(coder, NetworkCoder):
        return None
    chosen = _slab(points, MOST_POINTS)
    some, of_some = points[chosen], None if normals is None else normals[chosen]
    file, encode_macs = _macs(lambda: coder.compress(some, of_some))
    _, decode_macs = _macs(lambda: coder.decompress(file))
    share = len(points) / len(some)
    return Work(coder.parameters, share * encode_macs, share * decode_macs)


def _slab(points: NDArray[np.float64], most: int) -> NDArray[np.intp]:
    """Return which points are counted: all, or so many of one side, as dense as the cloud is.

    With them the cloud's ends along each axis, for by its box a cloud is cut into cubes.
    """
    if len(points) <= most:
        return np.arange(len(points))
    longest = np.ptp(points, axis=0).argmax()
    slab = np.argsort(points[:, longest], kind="stable")[:most]
    kept: NDArray[np.intp] = np.unique(
        np.concatenate([slab, points.argmin(axis=0), points.argmax(axis=0)])
    )
    return kept


def _macs(work: Callable[[], Result]) -> tuple[Result, float]:
    from study.metrics.products import Products  # Who has a network has PyTorch.

    with without_kernels(), Products() as products:
        result = work()
    return result, products.operations / 2
