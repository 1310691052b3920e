"""Clouds to files and back by two members: a learned codec, and an octree.

Legend: n points of a cloud, m decoded points.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from model.bag.choosing import MOST_MIXED, Choice, File, Trade, octree_files
from model.bag.mixed import CodedMixed, of_octree, read_mixed, write_mixed
from model.bag.mixed_file import MixedHeader, read_file
from model.coded_cloud import CodedCloud, DecodedCloud
from model.container import CODEC_ID_BYTES, MIXED_VERSION, OCTREE_VERSION, version_of
from model.cube_files import require_codec
from model.errors import CodecError
from model.growth import grown
from model.normals import check_shapes
from model.octree.codec import OctreeCodec, OctreeOptions
from model.octree.general import general_tables

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from model.bag.choosing import Plan
    from model.cloud_codec import CloudCodec
    from model.coded_cloud import EncodedCloud
    from model.octree.coding import OctreeTables
    from model.octree.contents import CodedOctree

    Progress = Callable[[int, int], None]
    """Called after each patch with the number done and the number in all."""


@dataclass(frozen=True)
class DecodedBag(DecodedCloud):
    """What a file of a codec with members decodes to.

    Attributes:
        octree_share: the share of the cloud's patches that the octree codes.
    """

    octree_share: float


class BagCodec:
    """A codec with the members learned and octree: a file is whichever costs less, or a mixed one.

    What a file costs is said by `model.bag.choosing`. Nothing of a file depends on the order of the
    points, on the number of threads, or on what was compressed before.
    """

    codes_normals = False

    def __init__(
        self, learned: CloudCodec, slope: float, tables: OctreeTables | None = None
    ) -> None:
        """Put the members together.

        Args:
            learned: codes patches.
            slope: bits per point that a decibel of D1 is worth; see `model.bag.slope`.
            tables: what the octree's coder knows beforehand; None: the tables that come along.

        Raises:
            CodecError: the learned codec codes normals, or the slope is not above 0.
        """
        if learned.codes_normals:
            raise CodecError(
                "an octree codes no normals, so a codec that codes them has no member octree; "
                "leave that member out, or train a codec without normals"
            )
        if not (math.isfinite(slope) and slope > 0.0):
            raise CodecError(
                "what a decibel is worth must be a number of bits per point above 0, not "
                f"{slope:g}; measure it anew"
            )
        self.learned = learned
        self.slope = slope
        self.octree = OctreeCodec(OctreeOptions(tables=tables or general_tables()))

    @cached_property
    def codec_id(self) -> bytes:
        """4 bytes that stand for all that decoding depends on: SHA-256's first."""
        digest = hashlib.sha256(b"bag" + self.learned.codec_id + self.octree.codec_id)
        return digest.digest()[:CODEC_ID_BYTES]

    @property
    def parameters(self) -> int:
        """How many numbers training sets: the learned member's."""
        return self.learned.parameters

    def compress(
        self,
        points: NDArray[np.float64],
        normals: NDArray[np.float32] | None = None,
        progress: Progress | None = None,
    ) -> bytes:
        """Code a cloud as a file.

        Args:
            points: (n, 3), original frame.
            normals: None, for they are not coded.
            progress: see :data:`Progress`; the learned member's patches.

        Raises:
            CodecError: no points, or points that cannot be coded.
            UncodableError: the learned member has diverged.
        """
        points = np.asarray(points, dtype=np.float64)
        check_shapes(points, normals, wanted=False)
        # Sums of errors depend on the order of points, if by little: files must not.
        points = points[np.lexsort(points.T)]
        encoded = self.learned.encode(points, progress=progress)
        trade = Trade(len(points), self.slope)
        files = self._files(Choice(self.learned, encoded, points, trade), encoded, points)
        return min(files, key=trade.cost_of).data

    def _files(
        self, choice: Choice, encoded: EncodedCloud, points: NDArray[np.float64]
    ) -> list[File]:
        """Return all files that are considered, what is preferred among equals first."""
        files, plans = [choice.learned], []
        tables = self.octree.options.tables
        for cells, file, errors in octree_files(points, tables, choice.errors):
            files.append(file)
            plan = choice.by_octree(cells, file, errors)
            plans += [plan] if plan else []
        best = sorted(plans, key=lambda plan: plan.cost)[:MOST_MIXED]
        return files + [self._mixed(choice, encoded, plan) for plan in best]

    def _mixed(self, choice: Choice, encoded: EncodedCloud, plan: Plan) -> File:
        by_octree = len(of_octree(encoded, plan.by_octree))
        header = MixedHeader(
            self.codec_id, encoded.points, by_octree, plan.cells, encoded.placement
        )
        tables = self.octree.options.tables
        data = write_mixed(self.learned, encoded, choice.scaled, plan.by_octree, header, tables)
        decoded = [*choice.decoded(plan.by_octree), self._read_mixed(data).octree_points()]
        return File(data, choice.errors(np.concatenate(decoded)).d1)

    def decompress(
        self, data: bytes, progress: Progress | None = None, *, most_points: int | None = None
    ) -> DecodedBag:
        """Decode a file of this codec, or of one of its members.

        Args:
            data: the whole file.
            progress: see :data:`Progress`.
            most_points: how many points it may decode to. None: what the members allow.

        Raises:
            CodecError: not such a file, or a newer one, or it decodes to more points.
            WrongCodecError: another codec's.
            DamagedFileError: cut, changed or made up.
        """
        version = version_of(data)
        if version == MIXED_VERSION:
            return self._decompress_mixed(data, progress, most_points)
        is_octree = version == OCTREE_VERSION
        member = self.octree if is_octree else self.learned
        decoded = member.decompress(data, progress, most_points=most_points)
        return DecodedBag(decoded.points, None, decoded.original_points, float(is_octree))

    def _decompress_mixed(
        self, data: bytes, progress: Progress | None, most_points: int | None
    ) -> DecodedBag:
        coded = self._read_mixed(data)
        points, made = coded.header.points, int(coded.counts.sum())
        if most_points is not None and made > most_points:
            raise grown(points, most_points)
        parts = []
        for done, part in enumerate(self.learned.parts(coded.learned, most_points), start=1):
            parts.append(part.points)
            if progress is not None and done <= len(coded.learned.latents):
                progress(done, len(coded.learned.latents))
        if most_points is not None and made + sum(map(len, parts)) > most_points:
            raise grown(points, most_points)
        parts.append(coded.octree_points())
        return DecodedBag(np.concatenate(parts), None, points, coded.octree_share)

    def read(self, data: bytes) -> CodedCloud | CodedOctree | CodedMixed:
        """Read a file's symbols, and check all that can be checked before the network runs.

        Raises:
            CodecError: as :meth:`decompress`.
        """
        version = version_of(data)
        if version == MIXED_VERSION:
            return self._read_mixed(data)
        return (self.octree if version == OCTREE_VERSION else self.learned).read(data)

    def _read_mixed(self, data: bytes) -> CodedMixed:
        header, streams = read_file(data)
        require_codec(header.codec_id, self.codec_id)
        return read_mixed(header, streams, len(data), self.learned, self.octree.options.tables)
