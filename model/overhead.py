"""The bits of a file besides its latents, known before any codec is trained.

Validation adds them to the estimated bits of the latents: the sum is the length of the file.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from model.container import CHECKSUM_BYTES, CODEC_ID_BYTES, Header
from model.rans import FLUSH_BITS, SymbolWriter
from model.structure import PatchSizes, write_leaves

if TYPE_CHECKING:
    from collections.abc import Sequence

    from model.partition import Partition, PartitionConfig
    from model.placement import Placement


NORMAL_BITS = 3 * 8
"""Further bits of each voxel in the file of a codec that codes normals."""


def overhead_bits(
    cut: Partition,
    placement: Placement,
    config: PartitionConfig,
    downsample_rate: Sequence[float],
) -> int:
    """The bits of a file besides its latents: header, structure, voxels and the coder's flush.

    Together with the latents' bits they are the file's length on average: a file ends with the word
    that holds its last bit. Left out are the padding, which hardly any file has, and the normals of
    voxels (:data:`NORMAL_BITS` each).

    Args:
        cut: the cloud.
        placement: the cloud's.
        config: how it was cut.
        downsample_rate: the codec's.
    """
    points = len(cut.voxel_members) + sum(len(cube.points) for cube in cut.patches)
    writer = SymbolWriter()
    write_leaves(writer, cut.leaves, config)
    patch_sizes = PatchSizes(config, downsample_rate)
    sizes = patch_sizes.writer(writer)
    for cube in cut.patches:
        sizes.write(patch_sizes.latent_count(len(cube.points)))
    codec_id = bytes(CODEC_ID_BYTES)
    header = Header(codec_id, points, placement, config.voxel_depth, False, False)  # noqa: FBT003
    around = 8 * (len(header.to_bytes()) + CHECKSUM_BYTES)
    return around + FLUSH_BITS + math.ceil(writer.bits)
