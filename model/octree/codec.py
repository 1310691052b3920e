"""Clouds to files and back by octree: the codec that needs no training.

Legend: n points of a cloud, m decoded points, v voxels.
"""

from __future__ import annotations

import hashlib
import math
import sys
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Self

import numpy as np

from model.coded_cloud import DecodedCloud
from model.container import CODEC_ID_BYTES, POINTS_PER_BYTE
from model.errors import CodecError, DamagedFileError, WrongCodecError
from model.octree import coding
from model.octree.contents import CodedOctree, decoded_counts
from model.octree.frame import CODEC_ID_BYTES as SHORT_ID_BYTES
from model.octree.frame import Counts, Frame, Placing, Tables, read_file, write_file
from model.octree.general import general_tables
from model.octree.levels import counts_of, levels_of
from model.octree.refusals import other_codec, too_many
from model.octree.voxels import (
    edge_of,
    edge_of_share,
    lies_on_grid,
    require_points,
    voxels_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from model.octree.coding import OctreeTables
    from model.octree.placing import Placer
    from model.octree.voxels import Voxels

    Progress = Callable[[int, int], None]
    """Called with the number of parts done and the number in all."""

CODES_COUNTS = {"none": Counts.NONE, "exact": Counts.EXACT, "coarse": Counts.COARSE}
USUAL_SHARE = 1 / 64
"""Of the longest side: 47 dB D1 PSNR where a cloud fills its voxels."""
CHOICES = {"counts": tuple(CODES_COUNTS), "placing": ("auto", "centres", "between")}
ALONE = 5 / 4
"""Points for each voxel up to which `auto` leaves them at the centres: little is gained there."""


@dataclass(frozen=True)
class OctreeOptions:
    """How an octree codec codes. All of it but the tables is told by each file.

    Attributes:
        edge: of a voxel, in the units of the cloud.
        edge_of_longest_side: the edge as a share of the longest side of the cloud's box. At most
            one of the two may be given; neither means a 64th of the longest side.
        counts: what is told of the number of points in a voxel: nothing, exactly how many, or in
            coarse steps (`model.octree.levels`).
        placing: where the decoder puts points: at the centres of voxels, one each where their
            number is not told; or between neighbours (`model.octree.placing`), as many as the cloud
            had. `auto` means between, unless points would come back exactly from the centres, or
            nearly all are alone in their voxels.
        tables: what the coder knows beforehand, such as `model.octree.general.general_tables()`;
            None: nothing.
    """

    edge: float | None = None
    edge_of_longest_side: float | None = None
    counts: Literal["none", "exact", "coarse"] = "none"
    placing: Literal["auto", "centres", "between"] = "auto"
    tables: OctreeTables | None = None

    def __post_init__(self) -> None:
        if self.edge is not None and self.edge_of_longest_side is not None:
            raise CodecError(
                "a voxel's edge is given once, in the cloud's units or as a share of its longest "
                f"side, and here are both, {self.edge!r} and {self.edge_of_longest_side!r}; leave "
                "one out"
            )
        for name in ("edge", "edge_of_longest_side"):
            given = getattr(self, name)
            if given is None:
                continue
            if not 0.0 < given <= sys.float_info.max:
                raise CodecError(
                    f"{name} must be a finite number above 0, not {str(given)[:40]}; change it"
                )
            object.__setattr__(self, name, float(given))
        for name, choices in CHOICES.items():
            given = getattr(self, name)
            if given not in choices:
                raise CodecError(
                    f"{name} must be one of {', '.join(choices)}, not {given!r}; change it"
                )

    @property
    def setting(self) -> str:
        """What tells these options from others, in words."""
        if self.edge is not None:
            edge = f"edge {self.edge:g}"
        else:
            edge = f"edge {self.edge_of_longest_side or USUAL_SHARE:g} of the longest side"
        told = [edge]
        if self.counts != "none":
            told.append(f"counts {self.counts}")
        if self.placing != "auto":
            told.append(f"points at {self.placing}" if self.placing == "centres" else "between")
        return ", ".join(told)


class OctreeCodec:
    """An octree codec: all that files are written and read with.

    Nothing of a file depends on the order of the points or on what was compressed before.
    """

    codes_normals = False
    placer: Placer | None = None
    """What puts points into voxels where a file says `Placing.LEARNED`: a subclass may have one."""

    def __init__(self, options: OctreeOptions | None = None) -> None:
        """Take the options; None: the usual ones."""
        self.options = options or OctreeOptions()

    def with_options(self, options: OctreeOptions) -> Self:
        """Return a codec with other options and the same tables."""
        return type(self)(options)

    @property
    def description(self) -> str:
        """What it is, in words."""
        tables = "trained tables" if self.options.tables else "no tables"
        return f"octree codec {self.codec_id.hex()}, {tables}"

    @cached_property
    def codec_id(self) -> bytes:
        """4 bytes that stand for all that decoding depends on, the tables: SHA-256's first."""
        return _id_of(self.options.tables)

    @cached_property
    def is_general(self) -> bool:
        """Whether its files begin with the tables that come along."""
        tables = self.options.tables
        return tables is not None and self.codec_id == _id_of(general_tables())

    @property
    def _short_id(self) -> bytes | None:
        """What its files say of its tables: nothing where everybody has them."""
        known = self.options.tables is None or self.is_general
        return None if known else self.codec_id[:SHORT_ID_BYTES]

    def _names(self, _placing: Placing) -> tuple[bytes | None, bool, int | None]:
        """Return what a file says of who reads it, as the last fields of its frame."""
        return self._short_id, self.is_general, None

    def _tables_of(self, frame: Frame) -> OctreeTables | None:
        """The tables that a file began with.

        Raises:
            WrongCodecError: they are another codec's.
        """
        if frame.placing == Placing.LEARNED or frame.codec_id != self._short_id:
            own = self.codec_id if self._short_id else None
            raise WrongCodecError(other_codec(frame, own))
        if frame.tables == Tables.OF_CODEC:
            return self.options.tables
        return general_tables() if frame.tables == Tables.GENERAL else None

    def compress(
        self,
        points: NDArray[np.float64],
        normals: NDArray[np.float32] | None = None,
        progress: Progress | None = None,
    ) -> bytes:
        """Code a cloud as a file.

        Args:
            points: (n, 3), in any units.
            normals: None, for they are not coded.
            progress: called once, at the end.

        Raises:
            CodecError: no points, points that cannot be coded, or an edge that does not suit them.
        """
        if normals is not None:
            raise CodecError(
                "an octree codec codes no normals, and some were given; leave them out"
            )
        points = np.asarray(points, dtype=np.float64)
        require_points(points)
        edge = self._edge(points)
        voxels = voxels_of(points, edge, self.options.edge)
        data = self._file(points, edge, voxels)
        if progress is not None:
            progress(1, 1)
        return data

    def _edge(self, points: NDArray[np.float64]) -> float:
        if self.options.edge is not None:
            return edge_of(points, self.options.edge)
        return edge_of_share(points, self.options.edge_of_longest_side or USUAL_SHARE)

    def _file(self, points: NDArray[np.float64], edge: float, voxels: Voxels) -> bytes:
        return self._write(len(points), edge, voxels, self._placing(points, edge, voxels))

    def _placing(self, points: NDArray[np.float64], edge: float, voxels: Voxels) -> Placing:
        if self.options.placing == "auto":
            is_dense = len(points) > ALONE * len(voxels.cells)
            is_best = is_dense and not lies_on_grid(points, edge)
            return Placing.BETWEEN if is_best else Placing.CENTRES
        return Placing.BETWEEN if self.options.placing == "between" else Placing.CENTRES

    def _write(self, points: int, edge: float, voxels: Voxels, placing: Placing) -> bytes:
        counts = CODES_COUNTS[self.options.counts]
        told = counts, placing, *self._names(placing)
        frame = Frame(points, edge, voxels.corner, voxels.box, *told)
        numbers, decoded = None, len(voxels.cells)
        if counts == Counts.EXACT:
            numbers, decoded = voxels.counts, points
        elif counts == Counts.COARSE:
            numbers = levels_of(voxels.counts)
            decoded = int(counts_of(numbers).sum())
        stream = coding.encode(voxels.cells, numbers, frame.depth, frame.box, self.options.tables)
        return write_file(frame, stream, decoded)

    def decompress(
        self, data: bytes, progress: Progress | None = None, *, most_points: int | None = None
    ) -> DecodedCloud:
        """Decode a file.

        Args:
            data: the whole file.
            progress: called once, at the end.
            most_points: how many points it may decode to. None: as many as its length can pay for,
                512 a byte.

        Raises:
            CodecError: not such a file, or a newer one, or it decodes to more points.
            WrongCodecError: another codec's.
            DamagedFileError: cut, changed or made up.
        """
        coded = self.read(data, most_points)
        points = np.empty((coded.points, 3))
        done = 0
        for part in coded.parts():
            points[done : done + len(part)] = part
            done += len(part)
        if progress is not None:
            progress(1, 1)
        return DecodedCloud(points, None, coded.frame.points)

    def read(self, data: bytes, most_points: int | None = None) -> CodedOctree:
        """Read a file's voxels, and check all that can be checked.

        Raises:
            CodecError: as :meth:`decompress`.
        """
        frame, stream = read_file(data)
        paid = POINTS_PER_BYTE * len(data)
        found = self._voxels(frame, stream, paid, most_points)
        counts = decoded_counts(frame, found, len(data))
        coded = CodedOctree(frame, found.voxels, counts, self.placer)
        told = coded.points if frame.counts != Counts.NONE else len(found.voxels)
        if coded.points > paid or write_file(frame, stream, told) != data:
            raise DamagedFileError(
                f"a file must have a byte for each {POINTS_PER_BYTE} points, and no more padding "
                f"than that takes, and this one has {len(data):,} bytes for {coded.points:,} "
                "points; it was made up or changed, get it anew"
            )
        if most_points is not None and coded.points > most_points:
            raise too_many(most_points, f"makes {coded.points:,}")
        return coded

    def _voxels(
        self, frame: Frame, stream: bytes, paid: int, most_points: int | None
    ) -> coding.Occupied:
        """Read a stream, whose length and whose user bound what it may take."""
        tables = self._tables_of(frame)
        more = f"of a cloud of {frame.points:,}, makes more"
        if most_points is not None and frame.counts == Counts.EXACT and frame.points > most_points:
            raise too_many(most_points, more)
        possible = min(frame.points, paid, math.prod(frame.box))
        most_voxels = possible if most_points is None else min(possible, most_points)
        try:
            return coding.decode(
                stream,
                frame.depth,
                frame.box,
                tables,
                counted=frame.counts != Counts.NONE,
                most_voxels=most_voxels,
                most_points=min(frame.points, paid),
            )
        except DamagedFileError:
            # The checksum is right, so it is next to certain that the user's limit was met.
            if most_points is not None and most_voxels < possible:
                raise too_many(most_points, f"{more}, or was made up") from None
            raise
        except MemoryError as error:
            raise CodecError(
                f"a file of {len(stream):,} bytes that tells of {frame.points:,} points needs more "
                "memory than there is; decompress it on a larger machine, if you trust it"
            ) from error


def _id_of(tables: OctreeTables | None) -> bytes:
    digest = hashlib.sha256(b"octree")
    for name, array in sorted(tables.arrays().items() if tables else ()):
        kind = array.dtype.newbyteorder("<")
        digest.update(f"{name} {kind.str} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array, kind).tobytes())
    return digest.digest()[:CODEC_ID_BYTES]
