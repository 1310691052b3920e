"""What a population is worth on clouds that it was not trained on.

Legend: T trials, B patches.
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from losses import chamfer
from model.bitstream import FLUSH_BYTES, compress, decompress
from model.patches import collate
from model.points import nearest
from study.metrics import d1_psnr_db
from study.objective import bits_per_point

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from model.codec import Codec
    from model.points import Points
    from study.data import PatchSet, StoredPatch

EVALUATION_BATCH = 8
"""Patches per forward pass; results do not depend on it."""


@dataclass
class _Tally:
    """Sums over the patches of a split, and the decoded points of each cloud, of one trial."""

    bits: float = 0.0
    chamfer: float = 0.0
    decoded: dict[int, list[NDArray[np.float64]]] = field(default_factory=lambda: defaultdict(list))


@torch.no_grad()
def validate(codec: Codec, patches: PatchSet, peak: float, device: str) -> list[dict[str, float]]:
    """Evaluate every trial with hard rounding.

    Args:
        codec: T trials.
        patches: of the split.
        peak: of the PSNR, in the data set's scaled frame.
        device: where the codec lies.

    Returns:
        Per trial: ``bpp_estimated`` (bits of all clouds over their points), ``chamfer`` (mean over
        patches, squared patch units), ``d1_psnr_db`` (mean over clouds, each put together from its
        patches) and ``points_ratio`` (decoded over input points).
    """
    tallies = [_Tally() for _ in range(codec.trials)]
    for numbers in _batches(len(patches)):
        stored = [patches[number] for number in numbers]
        batch = collate([patch.hierarchy for patch in stored], device)
        output = codec(batch)
        bits = bits_per_point(output, batch) * batch.point_counts
        distance, _ = chamfer(output.decoded, batch.stages[0], nearest)
        clouds = [int(patches.cloud_of[number]) for number in numbers]
        for trial, tally in enumerate(tallies):
            tally.bits += float(bits[trial].sum())
            tally.chamfer += float(distance[trial].sum())
            for cloud, points in zip(clouds, placed(output.decoded, stored, trial), strict=True):
                tally.decoded[cloud].append(points)
    originals = _originals(patches)
    return [_summary(tally, originals, peak, len(patches)) for tally in tallies]


def measure(codec: Codec, patches: PatchSet, peak: float) -> dict[str, float]:
    """Write the clouds of a split as bytes, read them back, and count.

    Args:
        codec: a frozen population of one.
        patches: of the split.
        peak: of the PSNR.

    Returns:
        ``bpp`` from the bytes written, ``bpp_flush`` (the coder's flush in it), ``d1_psnr_db`` of
        what was read back, ``points_ratio``, and the mean seconds per cloud, ``encode_s`` and
        ``decode_s``.
    """
    written, flush, encode_s, decode_s = 0, 0, 0.0, 0.0
    decoded: dict[int, list[NDArray[np.float64]]] = {}
    for cloud in range(len(patches.clouds)):
        stored = [patches[int(number)] for number in np.flatnonzero(patches.cloud_of == cloud)]
        started = time.perf_counter()
        coded = compress(codec, [patch.hierarchy for patch in stored])
        between = time.perf_counter()
        points = decompress(codec, coded)
        decode_s += time.perf_counter() - between
        encode_s += between - started
        written += len(coded.payload)
        flush += FLUSH_BYTES
        decoded[cloud] = placed(points, stored, 0)
    originals = _originals(patches)
    input_points = int(patches.point_counts.sum())
    return {
        "bpp": 8 * written / input_points,
        "bpp_flush": 8 * flush / input_points,
        **_quality(decoded, originals, peak),
        "encode_s": encode_s / len(patches.clouds),
        "decode_s": decode_s / len(patches.clouds),
    }


def placed(points: Points, stored: Sequence[StoredPatch], trial: int) -> list[NDArray[np.float64]]:
    """One trial's points of every patch, in the data set's scaled frame."""
    xyz = torch.nan_to_num(points.xyz[trial]).cpu().double().numpy()
    sizes = points.sizes[trial].tolist()
    return [
        cloud[:size] * patch.half_width + patch.centre
        for cloud, size, patch in zip(xyz, sizes, stored, strict=True)
    ]


def _summary(
    tally: _Tally, originals: dict[int, NDArray[np.float64]], peak: float, patch_count: int
) -> dict[str, float]:
    input_points = sum(len(points) for points in originals.values())
    return {
        "bpp_estimated": tally.bits / input_points,
        "chamfer": tally.chamfer / patch_count,
        **_quality(tally.decoded, originals, peak),
    }


def _quality(
    decoded: dict[int, list[NDArray[np.float64]]],
    originals: dict[int, NDArray[np.float64]],
    peak: float,
) -> dict[str, float]:
    clouds = {number: np.concatenate(parts) for number, parts in decoded.items()}
    decibels = [d1_psnr_db(originals[number], cloud, peak) for number, cloud in clouds.items()]
    points = sum(map(len, clouds.values())) / sum(map(len, originals.values()))
    return {"d1_psnr_db": float(np.mean(decibels)), "points_ratio": points}


def _originals(patches: PatchSet) -> dict[int, NDArray[np.float64]]:
    """The input points of every cloud, in the scaled frame."""
    parts: dict[int, list[NDArray[np.float64]]] = defaultdict(list)
    for number in range(len(patches)):
        stored = patches[number]
        points = stored.hierarchy.points * stored.half_width + stored.centre
        parts[int(patches.cloud_of[number])].append(points)
    return {cloud: np.concatenate(points) for cloud, points in parts.items()}


def _batches(count: int) -> Iterator[range]:
    for first in range(0, count, EVALUATION_BATCH):
        yield range(first, min(first + EVALUATION_BATCH, count))
