"""What a cohort is fed: batches of patches, in an order that is the same for all its members.

Legend: B patches.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import torch

from study.base.seeds import Purpose, derived_seed
from study.training.batch_cache import CACHE_BYTES, BatchCache

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from study.data import DataSet
    from study.training.architecture import Architecture, Batch

Plan = list[list[int]]
"""An epoch's batches of patch numbers."""

BATCHES_PER_WINDOW = 16
"""Patches of similar size are looked for among so many batches. Of 2,000 patches with sizes spread
from 64 to 1,024 points, 8 a step, 16 batches leave 4.5 % of padding, 4 leave 15 %, one 40 %."""


class Feed:
    """The training patches of a data set as batches on a device.

    A batch of one patch is the same in every epoch, with all that was worked out from its geometry
    on the way, so it is kept. While a GPU trains on a batch, a thread gets the next one ready; on
    the CPU that would take the cores that train.
    """

    def __init__(
        self,
        architecture: Architecture,
        data: DataSet,
        patches_per_step: int,
        order_seed: int,
        device: str,
    ) -> None:
        """Note what is fed; nothing is read yet."""
        self._architecture = architecture
        self._patches = data.split("train")
        self._size = patches_per_step
        self._order_seed = order_seed
        self._device = device
        self._kept: BatchCache[Batch] = BatchCache(CACHE_BYTES if patches_per_step == 1 else 0)

    def plan(self, clock: int) -> Plan:
        """An epoch's batches; the same for all members of a cohort, and after a resume.

        With several patches a step those of similar size come together: of a random order's
        patches, window by window, the nearest in size share a batch. Within a batch they keep the
        random order, and so do the batches.
        """
        generator = torch.Generator().manual_seed(
            derived_seed(self._order_seed, Purpose.ORDER, clock)
        )
        order = torch.randperm(len(self._patches), generator=generator).tolist()
        if self._size == 1:
            return [[number] for number in order]
        batches = []
        window = self._size * BATCHES_PER_WINDOW
        for first in range(0, len(order), window):
            within = range(first, min(first + window, len(order)))
            by_size = sorted(within, key=lambda place: self._patches.point_counts[order[place]])
            batches += [by_size[i : i + self._size] for i in range(0, len(by_size), self._size)]
        shuffled = torch.randperm(len(batches), generator=generator).tolist()
        return [[order[place] for place in sorted(batches[batch])] for batch in shuffled]

    def padding_share(self, plan: Plan) -> float:
        """The share of padding among the points that a plan's batches hold."""
        counts = [self._patches.point_counts[numbers] for numbers in plan]
        held = sum(len(each) * int(each.max()) for each in counts)
        return 1 - sum(int(each.sum()) for each in counts) / held

    def noise_shape(self, numbers: Sequence[int]) -> tuple[int, ...]:
        """Return the shape of a trial's noise for a batch."""
        return self._architecture.noise_shape(self._patches.point_counts[numbers].tolist())

    def batches(self, plan: Plan) -> Iterator[Batch]:
        """The batches of a plan, in its order."""
        ready = self._made(plan) if self._device == "cpu" else self._made_ahead(plan)
        for numbers, batch in zip(plan, ready, strict=True):
            yield batch
            self._kept.keep(numbers[0], batch)

    def _made(self, plan: Plan) -> Iterator[Batch]:
        return (self._batch(numbers) for numbers in plan)

    def _made_ahead(self, plan: Plan) -> Iterator[Batch]:
        with ThreadPoolExecutor(1) as thread:
            coming = thread.submit(self._batch, plan[0])
            for following in [*plan[1:], None]:
                batch = coming.result()
                if following is not None:
                    coming = thread.submit(self._batch, following)
                yield batch

    def _batch(self, numbers: Sequence[int]) -> Batch:
        kept = self._kept.get(numbers[0])
        if kept is not None:
            return kept
        contents = [self._patches[number].contents for number in numbers]
        return self._architecture.collate(contents, self._device)
