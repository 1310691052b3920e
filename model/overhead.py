"""What of a file is not latents, known before any codec is trained.

Validation adds it to the estimated bits of the latents: the sum is the length of the file.
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
"""Of each voxel besides, in the file of a codec of normals."""


def overhead_bits(
    cut: Partition,
    placement: Placement,
    config: PartitionConfig,
    downsample_rate: Sequence[float],
) -> int:
    """What of a file is not latents: header, structure, voxels and the coder's flush.

    The file is then as long as this and its latents' bits together: on average, for it ends with
    the word that holds the last bit. Left out are the padding, which hardly any file has,
    and the normals of voxels (:data:`NORMAL_BITS` each).

    Args:
        cut: the cloud.
        placement: its.
        config: by which it was cut.
        downsample_rate: of the codec.
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
