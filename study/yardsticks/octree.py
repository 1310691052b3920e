"""The octree codec as a yardstick: whole files, one operating point for each edge."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal

from model.errors import WrongCodecError
from model.octree.codec import OctreeCodec, OctreeOptions
from study.yardsticks.yardstick import CodedYardstick

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from model.octree.coding import OctreeTables
    from study.metrics.measurement import Coder
    from study.metrics.sample import Decoded

HALF_STEPS = tuple(range(2, 17))
"""Twice the binary logarithm of the number of voxels over the longest side: 2 to 256, by the square
root of two. On 21 of the embedded objects that is 26 to 59 dB D1 PSNR, a point every 2 or 3 dB."""
WHOLE_STEPS = HALF_STEPS[::2]


@dataclass(frozen=True)
class OctreeKind:
    """What an octree yardstick has besides its edges.

    Attributes:
        counts: what files tell of the number of points in a voxel (`model.octree.codec`).
        tables: what the coder knows beforehand; None: it learns within each file.
        trained_on: how many clouds those are of.
    """

    counts: Literal["none", "coarse"] = "none"
    tables: OctreeTables | None = None
    trained_on: int = 0

    @property
    def name(self) -> str:
        """What it is called, before a comma, and what it was trained on."""
        name = "octree" if self.counts == "none" else "octree+counts"
        return name if self.tables is None else f"{name}, {self._training}"

    @property
    def _training(self) -> str:
        return f"trained on {self.trained_on:,} cloud{'s' * (self.trained_on != 1)}"

    @property
    def description(self) -> str:
        """What it is, in a few words."""
        told = f"octree codec, {'nothing trained' if self.tables is None else self._training}"
        if self.counts == "none":
            return (
                f"{told}: positions only, about as many points decoded as there were, spread "
                "between voxels (up to 128 for each)"
            )
        return f"{told}: positions and {self.counts} numbers of points, spread between voxels"


@dataclass(frozen=True)
class Shorter:
    """An octree codec that begins each file with its tables or without, whichever is shorter.

    Tables cost a file 2 bytes, which say whose they are: for the smallest that is more than they
    save. What is decoded is the same.
    """

    trained: OctreeCodec
    plain: OctreeCodec
    codes_normals: ClassVar[bool] = False

    def compress(
        self, points: NDArray[np.float64], normals: NDArray[np.float32] | None = None
    ) -> bytes:
        """Return the shorter file of points (n, 3); normals are not coded."""
        return min((each.compress(points, normals) for each in (self.plain, self.trained)), key=len)

    def decompress(self, data: bytes) -> Decoded:
        """Return the points of a file; it says whether it needs tables."""
        try:
            return self.plain.decompress(data)
        except WrongCodecError:
            return self.trained.decompress(data)


def octree(*, steps: Sequence[int] = HALF_STEPS, kind: OctreeKind = OctreeKind()) -> CodedYardstick:
    """Return the octree codec at several edges.

    Args:
        steps: as `HALF_STEPS`, from the lowest rate to the highest.
        kind: what it has besides.
    """
    cells = [2.0 ** (step / 2) for step in steps]
    return CodedYardstick(
        name=kind.name,
        description=f"{kind.description}, {cells[0]:.3g} to {cells[-1]:.3g} voxels over the "
        "longest side",
        coders=[(f"{each:.4g} voxels", _coder(1 / each, kind)) for each in cells],
    )


def _coder(share: float, kind: OctreeKind) -> Coder:
    options = OctreeOptions(edge_of_longest_side=share, counts=kind.counts)
    plain = OctreeCodec(options)
    if kind.tables is None:
        return plain
    return Shorter(OctreeCodec(replace(options, tables=kind.tables)), plain)
