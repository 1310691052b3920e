"""What a population is worth on clouds that it was not trained on.

Legend: T trials, B patches.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from losses import chamfer
from model.overhead import NORMAL_BITS
from model.patches import collate
from model.points import nearest
from study.metrics import d1_psnr_db
from study.objective import bits_per_point

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from model.cloud_codec import CloudCodec
    from model.codec import Codec
    from model.points import Points
    from study.data import DataSet, SplitName, StoredCloud, StoredPatch

EVALUATION_BATCH = 8
"""Patches per forward pass; results do not depend on it."""


@dataclass
class _Tally:
    """Sums over the patches of a split, and the decoded points of each cloud, of one trial."""

    bits: float = 0.0
    chamfer: float = 0.0
    decoded: list[list[NDArray[np.float64]]] = field(default_factory=list)


@torch.no_grad()
def validate(codec: Codec, data: DataSet, split: SplitName, device: str) -> list[dict[str, float]]:
    """Evaluate every trial with hard rounding, as the files would be written.

    Args:
        codec: T trials.
        data: with whole clouds beside the patches of the split.
        split: whose clouds.
        device: where the codec lies.

    Returns:
        Per trial: ``bpp_estimated`` (bits of all clouds over their points: those of the likelihoods
        and those that a file has besides), ``chamfer`` (mean over patches, squared patch units),
        ``d1_psnr_db`` (mean over clouds, each put together from its patches and voxels) and
        ``points_ratio`` (decoded over input points).
    """
    patches, clouds = data.split(split), data.clouds(split)
    overhead_bits = float(sum(cloud.overhead_bits for cloud in clouds))
    if codec.config.compress_normal:
        overhead_bits += NORMAL_BITS * sum(len(cloud.voxels) for cloud in clouds)
    tallies = [
        _Tally(bits=overhead_bits, decoded=[[cloud.voxels] for cloud in clouds])
        for _ in range(codec.trials)
    ]
    for numbers in _batches(len(patches)):
        stored = [patches[number] for number in numbers]
        batch = collate([patch.hierarchy for patch in stored], device)
        output = codec(batch)
        bits = bits_per_point(output, batch) * batch.point_counts
        distance, _ = chamfer(output.decoded, batch.stages[0], nearest)
        owners = [int(patches.cloud_of[number]) for number in numbers]
        for trial, tally in enumerate(tallies):
            tally.bits += float(bits[trial].sum())
            tally.chamfer += float(distance[trial].sum())
            for owner, points in zip(owners, placed(output.decoded, stored, trial), strict=True):
                tally.decoded[owner].append(points)
    input_points = sum(len(cloud.points) for cloud in clouds)
    return [
        {
            "bpp_estimated": tally.bits / input_points,
            "chamfer": tally.chamfer / max(len(patches), 1),
            **_quality([np.concatenate(parts) for parts in tally.decoded], clouds, data),
        }
        for tally in tallies
    ]


def measure(codec: CloudCodec, data: DataSet, split: SplitName) -> dict[str, float]:
    """Write the clouds of a split as files, read them back, and count.

    Returns:
        ``bpp`` (the length of all files in bits over all input points), ``d1_psnr_db`` of what was
        read back, ``points_ratio``, and the mean seconds per cloud, ``encode_s`` and ``decode_s``.
    """
    written_bytes, encode_s, decode_s = 0, 0.0, 0.0
    clouds, decoded = data.clouds(split), []
    # Data prepared with normals may serve codecs without: an architecture can be searched.
    codes_normals = codec.coder.config.compress_normal
    for cloud in clouds:
        started = time.perf_counter()
        file = codec.compress(cloud.points, cloud.normals if codes_normals else None)
        between = time.perf_counter()
        points = codec.decompress(file).points
        decode_s += time.perf_counter() - between
        encode_s += between - started
        written_bytes += len(file)
        decoded.append(cloud.placement.to_scaled(points))
    return {
        "bpp": 8 * written_bytes / sum(len(cloud.points) for cloud in clouds),
        **_quality(decoded, clouds, data),
        "encode_s": encode_s / len(clouds),
        "decode_s": decode_s / len(clouds),
    }


def placed(points: Points, stored: Sequence[StoredPatch], trial: int) -> list[NDArray[np.float64]]:
    """One trial's points of every patch, in the data set's scaled frame."""
    xyz = torch.nan_to_num(points.xyz[trial]).cpu().double().numpy()
    sizes = points.sizes[trial].tolist()
    # As files are decoded: a patch's points stay in its cube.
    return [
        cloud[:size].clip(-1.0, 1.0) * patch.half_width + patch.centre
        for cloud, size, patch in zip(xyz, sizes, stored, strict=True)
    ]


def _quality(
    decoded: Sequence[NDArray[np.float64]], clouds: Sequence[StoredCloud], data: DataSet
) -> dict[str, float]:
    """Of decoded clouds in the scaled frame, in the order of the originals."""
    peak = data.manifest.peak
    decibels = [
        d1_psnr_db(cloud.placement.to_scaled(cloud.points), points, peak)
        for cloud, points in zip(clouds, decoded, strict=True)
    ]
    ratio = sum(map(len, decoded)) / sum(len(cloud.points) for cloud in clouds)
    return {"d1_psnr_db": float(np.mean(decibels)), "points_ratio": ratio}


def _batches(count: int) -> Iterator[range]:
    for first in range(0, count, EVALUATION_BATCH):
        yield range(first, min(first + EVALUATION_BATCH, count))
