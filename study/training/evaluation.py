"""What a population is worth on clouds that it was not trained on.

Legend: T trials, B patches, P decoded points of a patch.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np
import torch

from study.base.errors import StudyError
from study.metrics import PeakRule, PsnrConvention
from study.metrics.measurement import known_over_clouds, measure_clouds, result_of
from study.metrics.sample import Convention, Sample
from study.metrics.table import MEASURES
from study.training.batch_cache import BatchCache

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from study.config import SplitName
    from study.data import DataSet, StoredCloud, StoredPatch
    from study.metrics.measurement import CloudResult, Coder
    from study.metrics.sample import Need
    from study.training.architecture import Architecture, Batch, Evaluated, Network

PATCHES_AT_ONCE = {"cpu": 1, "cuda": 8}
"""Per forward pass; results do not depend on it. On the CPU 8 took 1.7 times as long as one by one,
for 8 trials: tensors left the caches, and patches of several sizes are padded."""


class Validation:
    """The clouds of a split, to evaluate populations on again and again."""

    def __init__(
        self, architecture: Architecture, data: DataSet, split: SplitName, device: str
    ) -> None:
        """Note what is evaluated on; patches are read when they are needed, and kept.

        Args:
            architecture: of the networks.
            data: with whole clouds beside the patches of the split.
            split: whose clouds.
            device: where the networks lie.
        """
        self._architecture = architecture
        self._patches, self._clouds = data.split(split), data.clouds(split)
        self._device = device
        self._batches: BatchCache[Batch] = BatchCache()
        convention = convention_of(data)
        self._originals = [convention.original(cloud) for cloud in self._clouds]
        self._input_points = sum(len(each.points) for each in self._originals)

    @torch.no_grad()
    def of(self, network: Network, extra: Sequence[str] = ()) -> list[dict[str, float]]:
        """Evaluate every trial with hard rounding, as the files would be written.

        Args:
            network: of any number of trials.
            extra: what to measure besides, at a cost in time: names of `MEASURES`.

        Returns:
            Per trial: ``bpp_estimated`` (bits of all clouds over their points: those of the
            likelihoods and those that a file has besides), the family's own (of D-PCC
            ``patch_chamfer``; means over patches), those of `MEASURES` that cost an epoch nothing
            and stand for themselves, such as ``d1_psnr_db`` (of clouds put together from patches
            and voxels), and what is extra.

        Raises:
            StudyError: the clouds have not what an extra metric needs.
        """
        bits: Tensor | float = self._overhead_bits()
        own: dict[str, Tensor | float] = {}
        decoded: dict[int, list[list[NDArray[np.float64]]]] = defaultdict(list)
        for numbers in self._numbers():
            stored = [self._patches[number] for number in numbers]
            batch = self._batches.get(numbers[0])
            if batch is None:
                contents = [patch.contents for patch in stored]
                batch = self._architecture.collate(contents, self._device)
            found = self._architecture.evaluate(network, batch)
            bits = bits + found.bits.double().sum(dim=1)
            for name, values in found.own.items():
                own[name] = own.get(name, 0.0) + values.double().sum(dim=1)
            for number, points in zip(numbers, placed(found, stored), strict=True):
                decoded[int(self._patches.cloud_of[number])].append(points)
            self._batches.keep(numbers[0], batch)
        totals = torch.stack(
            [torch.as_tensor(each).expand(network.trials) for each in (bits, *own.values())]
        )
        return [
            {
                "bpp_estimated": of_bits / self._input_points,
                **{
                    name: total / max(len(self._patches), 1)
                    for name, total in zip(own, of_own, strict=True)
                },
                **self._quality(self._put_together(decoded, trial), extra),
            }
            for trial, (of_bits, *of_own) in enumerate(totals.T.tolist())
        ]

    def _quality(
        self, decoded: Sequence[NDArray[np.float64]], extra: Sequence[str]
    ) -> dict[str, float]:
        """Of decoded clouds in the scaled frame, in the order of the originals."""
        free = [m.name for m in MEASURES.values() if m.estimate == m.name and not m.is_extra]
        pairs = zip(self._originals, decoded, strict=True)
        samples = [Sample(original, points) for original, points in pairs]
        for name in extra:
            _check_possible(name, samples)
        metrics = [*free, *extra]
        return known_over_clouds([result_of(sample, metrics) for sample in samples], metrics)

    def _put_together(
        self, decoded: dict[int, list[list[NDArray[np.float64]]]], trial: int
    ) -> list[NDArray[np.float64]]:
        """One trial's clouds, each of its voxels and its patches' points."""
        return [
            np.concatenate([cloud.voxels, *(patch[trial] for patch in decoded[number])])
            for number, cloud in enumerate(self._clouds)
        ]

    def _overhead_bits(self) -> float:
        total = float(sum(cloud.overhead_bits for cloud in self._clouds))
        return total + self._architecture.voxel_bits * sum(
            len(cloud.voxels) for cloud in self._clouds
        )

    def _numbers(self) -> list[list[int]]:
        """The patches of each forward pass; those of similar size share one."""
        order = np.argsort(self._patches.point_counts, kind="stable").tolist()
        size = PATCHES_AT_ONCE[self._device]
        return [order[first : first + size] for first in range(0, len(order), size)]


def measure(codec: Coder, data: DataSet, split: SplitName) -> dict[str, float]:
    """Write the clouds of a split as files, read them back, and measure.

    Returns:
        All of `study.metrics.table.MEASURES` that every cloud has: without normals in the data
        there is no ``d2_psnr_db``, say, and without an extent no ``chamfer``.
    """
    return known_over_clouds(measure_each(codec, data, split), MEASURES)


def measure_each(codec: Coder, data: DataSet, split: SplitName) -> list[CloudResult]:
    """Return the same of each cloud, in their order."""
    clouds = [(cloud.name, cloud) for cloud in data.clouds(split)]
    return list(measure_clouds(codec, clouds, convention_of(data)))


def convention_of(data: DataSet) -> Convention:
    """Return how a data set's clouds are compared: in its scaled frame, with its peak."""
    return Convention(PsnrConvention(PeakRule.GIVEN, data.manifest.peak), _scaled)


def _scaled(cloud: StoredCloud, points: NDArray[np.float64]) -> NDArray[np.float64]:
    return cloud.placement.to_scaled(points)


def placed(found: Evaluated, stored: Sequence[StoredPatch]) -> list[list[NDArray[np.float64]]]:
    """The points of every patch, by trial, in the data set's scaled frame."""
    xyz = torch.nan_to_num(found.xyz).cpu().double().numpy()
    sizes = found.sizes.tolist()
    # As files are decoded: a patch's points stay in its cube.
    return [
        [
            cloud[:size].clip(-1.0, 1.0) * patch.half_width + patch.centre
            for cloud, size in zip(xyz[:, number], [each[number] for each in sizes], strict=True)
        ]
        for number, patch in enumerate(stored)
    ]


def _check_possible(name: str, samples: Sequence[Sample]) -> None:
    """Raise StudyError where clouds have not what a metric needs that a study asks for."""
    for need in sorted(MEASURES[name].needs):
        if not all(sample.has(need) for sample in samples):
            raise StudyError(f"{name} needs {_NEEDED[need]}")


_NEEDED: Mapping[Need, str] = {
    "file": "files, which are written when a trial has ended; ask no epoch for it",
    "seconds": "files, which are written when a trial has ended; ask no epoch for it",
    "normals": "the clouds' normals, and the data have none; prepare them with data.normals: true",
    "decoded normals": "decoded normals, which epochs do not keep; ask no epoch for it",
    "counted work": "files, which are written when a trial has ended; ask no epoch for it",
    "octree member": "files of a codec with the octree as a member, which are written when a trial "
    "has ended; ask no epoch for it",
    "extent": "clouds with an extent, and of one all points are the same; leave that out",
}
"""What to say of a metric that needs what is not there."""
