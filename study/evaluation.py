"""What a population is worth on clouds that it was not trained on.

Legend: T trials, B patches, P decoded points of a patch.
"""

from __future__ import annotations

import time
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np
import torch

from losses import chamfer
from model.overhead import NORMAL_BITS
from model.patches import collate
from model.points import nearest
from study.keeping import Kept
from study.metrics import d1_psnr_db
from study.metrics.distances import Searchable, as_points
from study.objective import bits_per_point

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from model.cloud_codec import CloudCodec
    from model.codec import Codec
    from model.patches import PatchBatch
    from model.points import Points
    from study.data import DataSet, SplitName, StoredCloud, StoredPatch

PATCHES_AT_ONCE = {"cpu": 1, "cuda": 8}
"""Per forward pass; results do not depend on it. On the CPU 8 took 1.7 times as long as one by one,
for 8 trials: tensors left the caches, and patches of several sizes are padded."""


class Validation:
    """The clouds of a split, to evaluate populations on again and again."""

    def __init__(self, data: DataSet, split: SplitName, device: str) -> None:
        """Note what is evaluated on; patches are read when they are needed, and kept.

        Args:
            data: with whole clouds beside the patches of the split.
            split: whose clouds.
            device: where the codecs lie.
        """
        self._patches, self._clouds = data.split(split), data.clouds(split)
        self._peak, self._device = data.manifest.peak, device
        self._batches: Kept[PatchBatch] = Kept()
        self._originals = [_searchable(cloud) for cloud in self._clouds]
        self._input_points = sum(len(each.points) for each in self._originals)

    @torch.no_grad()
    def of(self, codec: Codec) -> list[dict[str, float]]:
        """Evaluate every trial with hard rounding, as the files would be written.

        Returns:
            Per trial: ``bpp_estimated`` (bits of all clouds over their points: those of the
            likelihoods and those that a file has besides), ``chamfer`` (mean over patches, squared
            patch units), ``d1_psnr_db`` (mean over clouds, each put together from its patches and
            voxels) and ``points_ratio`` (decoded over input points).
        """
        bits: Tensor | float = self._overhead_bits(codec)
        distance: Tensor | float = 0.0
        decoded: dict[int, list[list[NDArray[np.float64]]]] = defaultdict(list)
        for numbers in self._numbers():
            stored = [self._patches[number] for number in numbers]
            batch = self._batches.get(numbers[0]) or collate(
                [patch.hierarchy for patch in stored], self._device
            )
            output = codec(batch)
            bits = bits + (bits_per_point(output, batch) * batch.point_counts).double().sum(dim=1)
            found, _ = chamfer(output.decoded, batch.stages[0], nearest)
            distance = distance + found.double().sum(dim=1)
            for number, points in zip(numbers, placed(output.decoded, stored), strict=True):
                decoded[int(self._patches.cloud_of[number])].append(points)
            self._batches.keep(numbers[0], batch)
        totals = torch.stack(
            [torch.as_tensor(each).expand(codec.trials) for each in (bits, distance)]
        )
        return [
            {
                "bpp_estimated": of_bits / self._input_points,
                "chamfer": of_distance / max(len(self._patches), 1),
                **_quality(self._put_together(decoded, trial), self._originals, self._peak),
            }
            for trial, (of_bits, of_distance) in enumerate(totals.T.tolist())
        ]

    def _put_together(
        self, decoded: dict[int, list[list[NDArray[np.float64]]]], trial: int
    ) -> list[NDArray[np.float64]]:
        """One trial's clouds, each of its voxels and its patches' points."""
        return [
            np.concatenate([cloud.voxels, *(patch[trial] for patch in decoded[number])])
            for number, cloud in enumerate(self._clouds)
        ]

    def _overhead_bits(self, codec: Codec) -> float:
        total = float(sum(cloud.overhead_bits for cloud in self._clouds))
        if codec.config.compress_normal:
            total += NORMAL_BITS * sum(len(cloud.voxels) for cloud in self._clouds)
        return total

    def _numbers(self) -> list[list[int]]:
        """The patches of each forward pass; those of similar size share one."""
        order = np.argsort(self._patches.point_counts, kind="stable").tolist()
        size = PATCHES_AT_ONCE[self._device]
        return [order[first : first + size] for first in range(0, len(order), size)]


def validate(codec: Codec, data: DataSet, split: SplitName, device: str) -> list[dict[str, float]]:
    """Evaluate once; see :meth:`Validation.of`."""
    return Validation(data, split, device).of(codec)


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
        **_quality(
            decoded,
            [_searchable(cloud) for cloud in clouds],
            data.manifest.peak,
        ),
        "encode_s": encode_s / len(clouds),
        "decode_s": decode_s / len(clouds),
    }


def placed(points: Points, stored: Sequence[StoredPatch]) -> list[list[NDArray[np.float64]]]:
    """The points of every patch, by trial, in the data set's scaled frame."""
    xyz = torch.nan_to_num(points.xyz).cpu().double().numpy()
    sizes = points.sizes.tolist()
    # As files are decoded: a patch's points stay in its cube.
    return [
        [
            cloud[:size].clip(-1.0, 1.0) * patch.half_width + patch.centre
            for cloud, size in zip(xyz[:, number], [each[number] for each in sizes], strict=True)
        ]
        for number, patch in enumerate(stored)
    ]


def _searchable(cloud: StoredCloud) -> Searchable:
    """The original in the scaled frame."""
    return Searchable(as_points(cloud.placement.to_scaled(cloud.points), "original"))


def _quality(
    decoded: Sequence[NDArray[np.float64]],
    originals: Sequence[Searchable],
    peak: float,
) -> dict[str, float]:
    """Of decoded clouds in the scaled frame, in the order of the originals."""
    decibels = [
        d1_psnr_db(original, points, peak)
        for original, points in zip(originals, decoded, strict=True)
    ]
    ratio = sum(map(len, decoded)) / sum(len(each.points) for each in originals)
    return {"d1_psnr_db": float(np.mean(decibels)), "points_ratio": ratio}
