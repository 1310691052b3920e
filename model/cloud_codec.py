"""Clouds to files and back: the codec whole.

Legend: n points of a cloud, m decoded points, v voxels, M latent points.
"""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from model.coded_cloud import CodedCloud, DecodedCloud, EncodedCloud
from model.container import (
    Header,
    read_file,
    write_file,
)
from model.cube_files import codec_id_of, cutting_of, require_end
from model.errors import DamagedFileError
from model.growth import FREE_POINTS, MOST_GROWTH, TooManyPointsError, grown, most_of_patch
from model.hierarchy import build_hierarchy
from model.normals import check_shapes, of_steps, voxel_normals
from model.partition import partition
from model.patch_coder import PatchLatents
from model.placement import place
from model.rans import SymbolReader, SymbolWriter
from model.structure import PatchSizes, read_leaves, write_leaves

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from model.partition import Cube, PartitionConfig
    from model.patch_coder import PatchCoder
    from model.placement import Placement

    Progress = Callable[[int, int], None]
    """Called after each patch with the number done and the number in all."""


class CloudCodec:
    """A trained codec and how clouds are cut for it: all that files are written and read with.

    Nothing of a file depends on the order of the points, on the number of threads, or on what was
    compressed before.
    """

    def __init__(
        self, coder: PatchCoder, partition: PartitionConfig, *, is_ours: bool = False
    ) -> None:
        """Put the parts together.

        Args:
            coder: codes a patch.
            partition: cuts a cloud; its `voxel_depth` is a default, files carry their own.
            is_ours: it was trained in this process, not read from a file that may come from
                anywhere: what it decodes to has no limit by default.
        """
        self.coder = coder
        self.partition = partition
        self._is_ours = is_ours
        self._sizes = PatchSizes(partition, coder.config.downsample_rate)

    @property
    def codes_normals(self) -> bool:
        """Whether clouds must have normals, and decoded ones do."""
        return self.coder.config.compress_normal

    @property
    def parameters(self) -> int:
        """How many numbers training sets."""
        return sum(parameter.numel() for parameter in self.coder.codec.parameters())

    @property
    def has_ties(self) -> bool:
        """Whether it searches neighbours among latents, where equal distances may be."""
        return self.coder.config.sub_point_conv_mode == "edge_conv"

    @cached_property
    def codec_id(self) -> bytes:
        """4 bytes that stand for all that decoding depends on: SHA-256's first."""
        arrays = {
            name: parameter.detach().cpu().numpy()
            for name, parameter in self.coder.codec.named_parameters()
        }
        arrays |= dataclasses.asdict(self.coder.tables)
        return codec_id_of(dataclasses.asdict(self.coder.config), self.partition, arrays)

    def compress(
        self,
        points: NDArray[np.float64],
        normals: NDArray[np.float32] | None = None,
        progress: Progress | None = None,
    ) -> bytes:
        """Code a cloud as a file.

        Args:
            points: (n, 3), original frame.
            normals: (n, 3) of unit length if the codec codes normals, else None.
            progress: see :data:`Progress`.

        Raises:
            CodecError: no points, or points or normals that cannot be coded.
            UncodableError: the codec has diverged.
        """
        return self.write(self.encode(points, normals, progress))

    def encode(
        self,
        points: NDArray[np.float64],
        normals: NDArray[np.float32] | None = None,
        progress: Progress | None = None,
    ) -> EncodedCloud:
        """Cut a cloud and code its patches; arguments and errors are those of :meth:`compress`."""
        points = np.asarray(points, dtype=np.float64)
        if normals is not None:
            with np.errstate(over="ignore"):  # what float32 cannot hold is not finite below
                normals = np.asarray(normals, dtype=np.float32)
        check_shapes(points, normals, wanted=self.coder.config.compress_normal)
        placement = place(points, "the cloud")
        if normals is not None:
            # Equal points are told apart by their normals: the cloud's order must not do it.
            order = np.lexsort((*normals.T, *points.T))
            points, normals = points[order], normals[order]
        cut = partition(placement.to_scaled(points), self.partition)
        latents = []
        for done, cube in enumerate(cut.patches, start=1):
            latents.append(self._encode(cube, normals))
            if progress is not None:
                progress(done, len(cut.patches))
        of_voxels = None if normals is None else voxel_normals(cut, normals)
        return EncodedCloud(len(points), placement, cut, tuple(latents), of_voxels)

    def write(self, encoded: EncodedCloud) -> bytes:
        """Return the file of a cloud that this codec encoded."""
        writer = SymbolWriter()
        write_leaves(writer, encoded.cut.leaves, self.partition)
        if encoded.voxel_normals is not None:
            writer.uniform(encoded.voxel_normals)
        self.write_latents(writer, encoded.latents)
        return write_file(self._header(encoded.points, encoded.placement), writer.finish())

    def write_latents(self, writer: SymbolWriter, latents: Sequence[PatchLatents]) -> None:
        """Write patches: of each the number of latent points, then these."""
        sizes = self._sizes.writer(writer)
        for each in latents:
            sizes.write(len(each.symbols))
            writer.table(each.symbols, self.coder.tables)
            if each.coordinates is not None:
                writer.uniform(each.coordinates.view(np.uint16))

    def _encode(self, cube: Cube, normals: NDArray[np.float32] | None) -> PatchLatents:
        config = self.coder.config
        of_cube = None if normals is None else normals[cube.members]
        hierarchy = build_hierarchy(cube.points, config.downsample_rate, config.k, of_cube)
        return self.coder.encode(hierarchy)

    def _header(self, points: int, placement: Placement) -> Header:
        return Header(
            codec_id=self.codec_id,
            points=points,
            placement=placement,
            voxel_depth=self.partition.voxel_depth,
            normals=self.coder.config.compress_normal,
            float16_coordinates=not self.coder.config.quantize_latent_xyzs,
        )

    def decompress(
        self, data: bytes, progress: Progress | None = None, *, most_points: int | None = None
    ) -> DecodedCloud:
        """Decode a file.

        Args:
            data: the whole file.
            progress: see :data:`Progress`.
            most_points: how many points it may decode to. None: each patch, and all together, to 16
                times as many as they had, or 8,192, as `model.growth` says.

        Raises:
            CodecError: not such a file, or a newer one, or it decodes to more points.
            WrongCodecError: another codec's.
            DamagedFileError: cut, changed or made up.
        """
        coded = self.read(data)
        points, normals = [], []
        for done, part in enumerate(self.parts(coded, most_points), start=1):
            points.append(part.points)
            if part.normals is not None:
                normals.append(part.normals)
            if progress is not None and done <= len(coded.latents):
                progress(done, len(coded.latents))
        return DecodedCloud(
            points=np.concatenate(points),
            normals=np.concatenate(normals) if self.coder.config.compress_normal else None,
            original_points=coded.header.points,
        )

    def read(self, data: bytes) -> CodedCloud:
        """Read a file's symbols, and check all that can be checked before the network runs.

        Raises:
            CodecError: as :meth:`decompress`.
        """
        header, stream = read_file(data)
        own = self._header(header.points, header.placement)
        cutting = cutting_of(header, own, self.partition)
        reader = SymbolReader(stream)
        leaves = read_leaves(reader, cutting, header.points)
        voxels = int((~leaves.is_patch).sum())
        normals = None
        if header.normals:
            normals = of_steps(reader.uniform_bytes(3 * voxels).reshape(voxels, 3))
        patches = len(leaves.key) - voxels
        latents = self.read_latents(reader, patches, header.points - voxels)
        require_end(reader, header.points, len(data))
        return CodedCloud(header, leaves, latents, normals)

    def read_latents(
        self, reader: SymbolReader, patches: int, points: int
    ) -> tuple[PatchLatents, ...]:
        """Read what :meth:`write_latents` wrote.

        Args:
            reader: at the place where it was written.
            patches: how many.
            points: the most that they can have, all together.

        Raises:
            DamagedFileError: no encoder writes such patches of so many points.
        """
        sizes = self._sizes.reader(reader, points)
        return tuple(self._read_patch(reader, sizes.read()) for _ in range(patches))

    def _read_patch(self, reader: SymbolReader, count: int) -> PatchLatents:
        symbols = reader.table(count, self.coder.tables)
        if self.coder.config.quantize_latent_xyzs:
            return PatchLatents(symbols)
        coordinates = reader.uniform_words(3 * count).view(np.float16).reshape(count, 3)
        if not (np.abs(coordinates) <= 1.0).all():
            raise DamagedFileError(
                "a latent point must lie in its patch, and one does not; the file was made up or "
                "changed, get it anew"
            )
        return PatchLatents(symbols, coordinates)

    def parts(self, coded: CodedCloud, most_points: int | None = None) -> Iterator[DecodedCloud]:
        """Decode patch by patch, then the voxels all at once; together it is the cloud.

        Args:
            coded: what `read` returned.
            most_points: as in `decompress`.

        Raises:
            CodecError: it decodes to more points.
            DamagedFileError: symbols that the network makes no points of.
        """
        header, leaves = coded.header, coded.leaves
        left = None if most_points is None else most_points - int((~leaves.is_patch).sum())
        centres = leaves.centres(self.partition)
        half_widths = self.partition.edges(leaves.level) / 2
        patches = np.flatnonzero(leaves.is_patch)
        total, most = 0, max(FREE_POINTS, MOST_GROWTH * header.points)
        for leaf, latents in zip(patches, coded.latents, strict=True):
            try:
                points, normals = self._decode(latents, left)
            except TooManyPointsError:
                raise grown(header.points, most_points) from None
            left = None if left is None else left - len(points)
            total += len(points)
            # Each of many small patches may be decoded to 8,192.
            if left is None and not self._is_ours and total > most:
                raise grown(header.points, None)
            if not np.isfinite(points).all():
                raise DamagedFileError(
                    "points must be finite, and the codec makes others of this file; the file was "
                    "made up or changed, get it anew"
                )
            # The cube holds all true points: nothing moves away from them.
            inside = points.clip(-1.0, 1.0).astype(np.float64)
            scaled = inside * half_widths[leaf] + centres[leaf]
            yield DecodedCloud(header.placement.to_original(scaled), normals, header.points)
        if left is not None and left < 0:
            raise grown(header.points, most_points)
        voxels = header.placement.to_original(centres[~leaves.is_patch])
        yield DecodedCloud(voxels, coded.voxel_normals, header.points)

    def _decode(
        self, latents: PatchLatents, left: int | None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Decode a patch, to at most `left` points where the user said how many."""
        if left is None and not self._is_ours:
            points = self._sizes.most_points(len(latents.symbols))
            left = most_of_patch(points, self.coder.config)
        return self.coder.decode(latents, left)
