"""Which member codes a cloud, and which of its patches: whichever costs less.

What a file costs is its bits plus, for each point of the cloud and each decibel of its D1 error, a
number of bits: the *slope*. The encoder decodes every file that it considers, so both are known.
The patches of a mixed file are chosen by estimates; what comes of it is weighed like all others.

Legend: n points, p patches, m decoded points.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from model.bag.distortion import Original
from model.bag.mixed import cells_of
from model.octree.codec import OctreeCodec, OctreeOptions
from model.placement import LONGEST_SIDE
from model.rans import SymbolWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from model.bag.distortion import Errors
    from model.cloud_codec import CloudCodec
    from model.coded_cloud import EncodedCloud
    from model.octree.coding import OctreeTables

LADDER = tuple(2.0 ** (step / 2) for step in range(2, 17))
"""Voxels over the longest side: 2 to 256, by the square root of two. On 21 of the embedded objects
that is 26 to 59 dB D1 PSNR, a point every 2 or 3 dB."""
MOST_MIXED = 3
"""Mixed files that are written and decoded: those that should cost least."""
_LEAST_ERROR = (LONGEST_SIDE * 2.0**-16) ** 2
"""Of D1, in the scaled frame: what is nearer is as good as exact, 101 dB."""
_ROUNDS = 4
"""Of choosing patches: what a decibel is, in squared distances, depends on the cloud's error."""


class File(NamedTuple):
    """A file that may be written, and the D1 error of what it decodes to, in the scaled frame."""

    data: bytes
    d1: float


@dataclass(frozen=True)
class Trade:
    """What bits and errors are worth against each other.

    Attributes:
        points: n of the cloud.
        slope: bits per point that a decibel of D1 is worth.
    """

    points: int
    slope: float

    def cost(self, bits: float, d1: float) -> float:
        """Return what a file costs, in bits."""
        return bits + self.slope * self.points * decibels(d1)

    def cost_of(self, file: File) -> float:
        """Return the same of a file."""
        return self.cost(8 * len(file.data), file.d1)

    def per_error(self, d1: float) -> float:
        """Return what a squared distance of one point costs where the cloud's error is about d1."""
        return self.slope * 10 / math.log(10) / max(d1, _LEAST_ERROR)


def decibels(d1: float) -> float:
    """Return a D1 error in decibels; a PSNR is a constant less this."""
    return 10 * math.log10(max(d1, _LEAST_ERROR))


class Shares(NamedTuple):
    """What the points of each patch cost with one member; last come those outside of patches.

    Attributes:
        bits: (p + 1,).
        errors: (p + 1,) sums of squared distances, in the worse direction.
    """

    bits: NDArray[np.float64]
    errors: NDArray[np.float64]


class Plan(NamedTuple):
    """A mixed file to write.

    Attributes:
        cost: what it should cost.
        cells: voxels over the longest side.
        by_octree: (p,) which patches the octree codes.
    """

    cost: float
    cells: int
    by_octree: NDArray[np.bool_]


def octree_files(
    points: NDArray[np.float64],
    tables: OctreeTables | None,
    compare: Callable[[NDArray[np.float64]], Errors],
) -> Iterator[tuple[float, File, Errors]]:
    """Yield octree files of a cloud from coarse to fine: voxels over the longest side, and errors.

    Args:
        points: (n, 3), original frame.
        tables: what the coder knows beforehand.
        compare: decoded points of that frame with the original ones.
    """
    for cells in LADDER:
        codec = OctreeCodec(OctreeOptions(edge_of_longest_side=1 / cells, tables=tables))
        data = codec.compress(points)
        errors = compare(codec.decompress(data).points)
        yield cells, File(data, errors.d1), errors


class Choice:
    """One cloud, and everything that is known of what its members make of it."""

    def __init__(
        self,
        learned: CloudCodec,
        encoded: EncodedCloud,
        points: NDArray[np.float64],
        trade: Trade,
    ) -> None:
        """Measure what the learned codec makes of a cloud.

        Args:
            learned: the learned codec.
            encoded: the cloud, by that.
            points: (n, 3), original frame, sorted.
            trade: what bits are worth.
        """
        self._trade, self._points, self._placement = trade, points, encoded.placement
        self.scaled = encoded.placement.to_scaled(points)
        self._original = Original(self.scaled)
        self._members = [cube.members for cube in encoded.cut.patches]
        self._patch = np.full(len(points), len(self._members))
        for number, members in enumerate(self._members):
            self._patch[members] = number
        data = learned.write(encoded)
        # The last part are the voxels outside of patches.
        parts = [part.points for part in learned.parts(learned.read(data))]
        self._decoded = parts[:-1]
        errors = self.errors(np.concatenate(parts))
        self.learned = File(data, errors.d1)
        self._by_learned = Shares(
            np.array([*(_bits(learned, encoded, i) for i in range(len(self._members))), 0.0]),
            self._sums(errors, np.repeat(np.arange(len(parts)), [len(part) for part in parts])),
        )

    def decoded(self, by_octree: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
        """Return what the learned codec decodes of the patches that the octree does not code."""
        return [part for part, bit in zip(self._decoded, by_octree, strict=True) if not bit]

    def errors(self, decoded: NDArray[np.float64]) -> Errors:
        """Compare (m, 3) decoded points, original frame."""
        return self._original.errors(self._placement.to_scaled(decoded))

    def _sums(self, errors: Errors, patch: NDArray[np.int64]) -> NDArray[np.float64]:
        """(p + 1,) squared distances in each patch; `patch` says whose each decoded point is."""
        size = len(self._members) + 1
        inwards = np.bincount(self._patch, errors.of_original, minlength=size)
        outwards = np.bincount(patch, errors.of_decoded, minlength=size)
        count = np.bincount(self._patch, minlength=size)
        # As many as the patch has points, however many it is decoded to.
        outwards *= count / np.maximum(np.bincount(patch, minlength=size), 1)
        sums: NDArray[np.float64] = np.maximum(inwards, outwards)
        return sums

    def by_octree(self, cells: float, file: File, errors: Errors) -> Plan | None:
        """Choose patches at one edge; None where one member codes all that there is."""
        rounded = round(cells)
        keys = cells_of(self.scaled, rounded)
        outside = np.flatnonzero(self._patch == len(self._members))
        voxels = np.array([len(np.unique(keys[m])) for m in (*self._members, outside)])
        per_voxel = 8 * len(file.data) / len(np.unique(keys))
        octree = Shares(per_voxel * voxels, self._sums(errors, self._patch[errors.nearest]))
        # Outside of patches it is the octree always.
        chosen, d1 = np.zeros(len(self._members), dtype=bool), self.learned.d1
        for _ in range(_ROUNDS):
            weight = self._trade.per_error(d1)
            mine, theirs = (each.bits + weight * each.errors for each in (octree, self._by_learned))
            chosen = (mine < theirs)[:-1]
            both = np.append(chosen, True)
            d1 = float(np.where(both, octree.errors, self._by_learned.errors).sum())
            d1 /= len(self._points)
        if chosen.all() or not (chosen.any() or len(outside)):
            return None
        bits = float(np.where(both, octree.bits, self._by_learned.bits).sum())
        return Plan(self._trade.cost(bits, d1), rounded, chosen)


def _bits(learned: CloudCodec, encoded: EncodedCloud, patch: int) -> float:
    """Return the bits of a patch."""
    writer = SymbolWriter()
    learned.write_latents(writer, [encoded.latents[patch]])
    return writer.bits
