"""What a population is worth on clouds that it was not trained on.

Legend: T trials, B patches, P decoded points of a patch.
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from losses import chamfer as patch_chamfer
from model.nearest import nearest
from model.overhead import NORMAL_BITS
from model.patches import collate
from study.errors import StudyError
from study.metrics import chamfer, d1_psnr_db, d2_psnr_db, density_metric, to_unit_frame
from study.metrics.distances import Searchable, as_points, longest_side
from study.training.keeping import Kept
from study.training.objective import bits_per_point

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from model.cloud_codec import CloudCodec
    from model.codec import Codec
    from model.patches import PatchBatch
    from model.points import Points
    from study.config import SplitName
    from study.data import DataSet, StoredCloud, StoredPatch

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
        self._originals = [_original(cloud) for cloud in self._clouds]
        self._input_points = sum(len(each.points) for each in self._originals)

    @torch.no_grad()
    def of(self, codec: Codec, extra: Sequence[str] = ()) -> list[dict[str, float]]:
        """Evaluate every trial with hard rounding, as the files would be written.

        Args:
            codec: of any number of trials.
            extra: what to measure besides, at a cost in time: names of `EXTRA`.

        Returns:
            Per trial: ``bpp_estimated`` (bits of all clouds over their points: those of the
            likelihoods and those that a file has besides), ``patch_chamfer`` (mean over patches,
            squared patch units), ``d1_psnr_db`` (mean over clouds, each put together from its
            patches and voxels), ``points_ratio`` (decoded over input points) and what is extra.
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
            found, _ = patch_chamfer(output.decoded, batch.stages[0], nearest)
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
                "patch_chamfer": of_distance / max(len(self._patches), 1),
                **_quality(self._put_together(decoded, trial), self._originals, self._peak, extra),
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
        All of `study.fronts.measures.MEASURES`: ``bpp`` (the length of all files in bits over all
        input points), the quality of what was read back, and the mean seconds per cloud,
        ``encode_s`` and ``decode_s``. Where the data have no normals there is no ``d2_psnr_db``,
        where a cloud has no extent neither ``chamfer`` nor ``density``.
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
    originals = [_original(cloud) for cloud in clouds]
    return {
        "bpp": 8 * written_bytes / sum(len(cloud.points) for cloud in clouds),
        **_quality(decoded, originals, data.manifest.peak, _possible(originals)),
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


@dataclass(frozen=True)
class _Original:
    """A cloud to compare with, in the scaled frame.

    Attributes:
        searchable: its points, made ready once.
        normals: (n, 3), or None where the data have none.
    """

    searchable: Searchable
    normals: NDArray[np.float32] | None

    @property
    def points(self) -> NDArray[np.float64]:
        """(n, 3)."""
        return self.searchable.points


def _original(cloud: StoredCloud) -> _Original:
    points = as_points(cloud.placement.to_scaled(cloud.points), "original")
    return _Original(Searchable(points), cloud.normals)


def _quality(
    decoded: Sequence[NDArray[np.float64]],
    originals: Sequence[_Original],
    peak: float,
    extra: Sequence[str],
) -> dict[str, float]:
    """Of decoded clouds in the scaled frame, in the order of the originals; means over clouds."""
    pairs = list(zip(originals, decoded, strict=True))
    decibels = [d1_psnr_db(original.searchable, points, peak) for original, points in pairs]
    ratio = sum(map(len, decoded)) / sum(len(each.points) for each in originals)
    return {
        "d1_psnr_db": float(np.mean(decibels)),
        "points_ratio": ratio,
        **{name: float(np.mean([EXTRA[name](*pair, peak) for pair in pairs])) for name in extra},
    }


def _possible(originals: Sequence[_Original]) -> list[str]:
    """Return what of `EXTRA` these clouds have."""
    has_normals = all(each.normals is not None for each in originals)
    has_extent = all(longest_side(each.points) > 0.0 for each in originals)
    return [name for name in EXTRA if (has_normals if name == D2 else has_extent)]


def _d2(original: _Original, decoded: NDArray[np.float64], peak: float) -> float:
    if original.normals is None:
        raise StudyError(
            f"{D2} needs the clouds' normals, and the data have none; prepare them with "
            "data.normals: true"
        )
    return d2_psnr_db(original.points, decoded, original.normals, peak)


def _chamfer(original: _Original, decoded: NDArray[np.float64], _peak: float) -> float:
    return chamfer(*_unit_frame(original, decoded))


def _density(original: _Original, decoded: NDArray[np.float64], _peak: float) -> float:
    return density_metric(*_unit_frame(original, decoded))


def _unit_frame(
    original: _Original, decoded: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both in the frame of lengths, where the original's box is centred and its longest side 2."""
    return to_unit_frame(original.points, original.points), to_unit_frame(decoded, original.points)


D2 = "d2_psnr_db"
EXTRA: Mapping[str, Callable[[_Original, NDArray[np.float64], float], float]] = {
    D2: _d2,
    "chamfer": _chamfer,
    "density": _density,
}
"""What costs time or needs normals: by name, a function of the original, what was decoded, and the
peak. Same frames and definitions as those of `study evaluate` (`study.codecs.results`)."""
