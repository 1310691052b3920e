"""A cloud of which a learned codec codes some patches, and an octree all other points.

All points that the octree codes are one octree: on one grid, with contexts across the borders of
patches, and without a header for each. Its grid lies in the scaled frame: voxel i along an axis is
centred on `i` edges.

Legend: n points, p patches, v voxels, m decoded points.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from model.bag.mixed_file import MixedHeader, write_file
from model.coded_cloud import CodedCloud
from model.container import Header
from model.errors import DamagedFileError
from model.morton import interleave, separate
from model.octree import coding
from model.octree.placing import FINE_BITS, between, equal_counts
from model.placement import LONGEST_SIDE
from model.rans import AdaptiveBit, SymbolReader, SymbolWriter
from model.structure import read_leaves, write_leaves

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from model.cloud_codec import CloudCodec
    from model.coded_cloud import EncodedCloud
    from model.octree.coding import OctreeTables


@dataclass(frozen=True)
class CodedMixed:
    """The contents of a mixed file, read and checked.

    Attributes:
        header: of the file.
        learned: what the learned codec decodes: its patches, as a file of it would hold them.
        patches: how many there are in all, whoever codes them.
        voxels: (v, 3) int64 of the octree.
        counts: (v,) int64, points that each is decoded to.
    """

    header: MixedHeader
    learned: CodedCloud
    patches: int
    voxels: NDArray[np.int64]
    counts: NDArray[np.int64]

    @property
    def octree_share(self) -> float:
        """The share of patches that the octree codes."""
        return 1 - len(self.learned.latents) / self.patches

    def octree_points(self) -> NDArray[np.float64]:
        """(m, 3) decoded points of the octree, original frame."""
        fine = np.concatenate(list(between(self.voxels, self.counts, self.header.by_octree)))
        fine_edge = LONGEST_SIDE / (self.header.cells << FINE_BITS)
        return self.header.placement.to_original(fine * fine_edge)


def cells_of(scaled: NDArray[np.float64], cells: int) -> NDArray[np.int64]:
    """(n,) Morton keys of the voxels of (n, 3) points, with so many edges to the longest side."""
    numbers = np.floor(scaled * (cells / LONGEST_SIDE) + 0.5)
    x, y, z = numbers.clip(0, cells).astype(np.int64).T
    return interleave(x, y, z)


def write_mixed(
    learned: CloudCodec,
    encoded: EncodedCloud,
    scaled: NDArray[np.float64],
    by_octree: NDArray[np.bool_],
    header: MixedHeader,
    tables: OctreeTables | None,
) -> bytes:
    """Write a mixed file.

    Args:
        learned: the learned codec.
        encoded: the whole cloud, by that.
        scaled: (n, 3) its points in the scaled frame.
        by_octree: (p,) which patches the octree codes; not all of them. Points outside of patches
            it codes always.
        header: of the file.
        tables: what the octree's coder knows beforehand.
    """
    cut = encoded.cut
    kept = cut.leaves.where(cut.leaves.is_patch)
    writer = SymbolWriter()
    write_leaves(writer, kept, learned.partition)
    model = AdaptiveBit()
    for bit in by_octree.tolist():
        writer.bit(bit, model)
    pairs = zip(encoded.latents, by_octree, strict=True)
    learned.write_latents(writer, [latents for latents, bit in pairs if not bit])
    keys = np.unique(cells_of(scaled[of_octree(encoded, by_octree)], header.cells))
    depth, box = _root(header.cells)
    voxels = np.stack(separate(keys), axis=1)
    octree = coding.encode(voxels, None, depth, box, tables)
    return write_file(header, writer.finish() + octree)


def of_octree(encoded: EncodedCloud, by_octree: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return which points of a cloud the octree codes."""
    cubes = zip(encoded.cut.patches, by_octree, strict=True)
    chosen = [cube.members for cube, bit in cubes if bit]
    return np.sort(np.concatenate([encoded.cut.voxel_members, *chosen]))


def _root(cells: int) -> tuple[int, tuple[int, int, int]]:
    """Return how often the root is halved, and the box of voxels in it: the scaled frame's."""
    return cells.bit_length(), (cells + 1, cells + 1, cells + 1)


def read_mixed(
    header: MixedHeader,
    streams: bytes,
    length: int,
    learned: CloudCodec,
    tables: OctreeTables | None,
) -> CodedMixed:
    """Read the symbols of a mixed file.

    Args:
        header: of the file.
        streams: both of them.
        length: bytes of the file.
        learned: the learned codec that wrote it.
        tables: what the octree's coder knew beforehand.

    Raises:
        DamagedFileError: no encoder writes such a file.
    """
    reader = SymbolReader(streams[: len(streams) // 4 * 4])
    leaves = read_leaves(reader, learned.partition, header.points)
    if not leaves.is_patch.all():
        raise _made_up("its leaves must be patches, and one is a voxel")
    model = AdaptiveBit()
    is_learned = np.array([not reader.bit(model) for _ in leaves.key], dtype=bool)
    others = int((~is_learned).sum())
    if others == len(leaves.key) or learned.partition.min_points * others > header.by_octree:
        raise _made_up(
            "the learned codec must have a patch, and the octree points for all of its own, and "
            f"the octree has {others:,} of {len(leaves.key):,} patches and "
            f"{header.by_octree:,} points"
        )
    by_learned = header.points - header.by_octree
    latents = learned.read_latents(reader, len(leaves.key) - others, by_learned)
    depth, box = _root(header.cells)
    found = coding.decode(
        streams[reader.end() :],
        depth,
        box,
        tables,
        counted=False,
        most_voxels=header.by_octree,
        most_points=header.by_octree,
    )
    counts = equal_counts(header.by_octree, len(found.voxels), length)
    inner = Header(
        codec_id=learned.codec_id,
        points=header.points,
        placement=header.placement,
        voxel_depth=learned.partition.voxel_depth,
        normals=False,
        float16_coordinates=not learned.coder.config.quantize_latent_xyzs,
    )
    coded = CodedCloud(inner, leaves.where(is_learned), latents, None)
    return CodedMixed(header, coded, len(leaves.key), found.voxels, counts)


def _made_up(what: str) -> DamagedFileError:
    return DamagedFileError(
        f"no encoder writes such a mixed file: {what}; it was made up or changed, get it anew"
    )
