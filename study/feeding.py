"""What a cohort is fed: batches of patches, in an order that is the same for all its members.

Legend: B patches, M latent points.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.spatial import cKDTree

from model.patches import collate
from study.seeds import Purpose, derived_seed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from model.patches import PatchBatch
    from study.data import DataSet

Plan = list[list[int]]
"""An epoch's batches of patch numbers."""

CACHE_BYTES = 256 << 20
"""Batches that are kept for the next epoch. One of a patch of 1,024 points takes 0.42 MB, and up to
10 ms to make."""

BATCHES_PER_WINDOW = 16
"""Patches of similar size are looked for among so many batches. Of 2,000 patches with sizes spread
from 64 to 1,024 points, 8 a step, 16 batches leave 4.5 % of padding, 4 leave 15 %, one 40 %."""

TREE_BYTES_PER_POINT = 48
"""Of a k-d tree: its points in double precision, their order, and its nodes."""


class Feed:
    """The training patches of a data set as batches on a device.

    A batch of one patch is the same in every epoch, with all that was worked out from its geometry
    on the way, so it is kept. While a GPU trains on a batch, a thread gets the next one ready; on
    the CPU that would take the cores that train.
    """

    def __init__(
        self,
        data: DataSet,
        patches_per_step: int,
        order_seed: int,
        device: str,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        """Note what is fed; nothing is read yet."""
        self._patches = data.split("train")
        self._size = patches_per_step
        self._order_seed = order_seed
        self._device = device
        self._kept: dict[int, PatchBatch] = {}
        self._free_bytes = cache_bytes if patches_per_step == 1 else 0

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

    def latents(self, numbers: Sequence[int]) -> tuple[int, int]:
        """B and M of a batch."""
        return len(numbers), int(self._patches.latent_counts[numbers].max())

    def batches(self, plan: Plan) -> Iterator[PatchBatch]:
        """The batches of a plan, in its order."""
        ready = self._made(plan) if self._device == "cpu" else self._made_ahead(plan)
        for numbers, batch in zip(plan, ready, strict=True):
            yield batch
            self._keep(numbers, batch)

    def _made(self, plan: Plan) -> Iterator[PatchBatch]:
        return (self._batch(numbers) for numbers in plan)

    def _made_ahead(self, plan: Plan) -> Iterator[PatchBatch]:
        with ThreadPoolExecutor(1) as thread:
            coming = thread.submit(self._batch, plan[0])
            for following in [*plan[1:], None]:
                batch = coming.result()
                if following is not None:
                    coming = thread.submit(self._batch, following)
                yield batch

    def _batch(self, numbers: Sequence[int]) -> PatchBatch:
        kept = self._kept.get(numbers[0]) if len(numbers) == 1 else None
        if kept is not None:
            return kept
        return collate([self._patches[number].hierarchy for number in numbers], self._device)

    def _keep(self, numbers: Sequence[int], batch: PatchBatch) -> None:
        """Keep a batch that was used (only then all of it is there) while there is room.

        Nothing is ever put out again: in a random order any choice is as good.
        """
        if self._free_bytes <= 0 or numbers[0] in self._kept:
            return
        self._free_bytes -= held_bytes(batch)
        if self._free_bytes > 0:
            self._kept[numbers[0]] = batch


def held_bytes(thing: Any) -> int:  # noqa: ANN401  whatever a batch is made of
    """Bytes of the tensors, arrays and trees that an object holds, each seen once."""
    seen: dict[int, int] = {}
    waiting = [thing]
    while waiting:
        one = waiting.pop()
        if isinstance(one, torch.Tensor):
            seen[one.untyped_storage().data_ptr()] = one.untyped_storage().nbytes()
        elif isinstance(one, np.ndarray):
            seen[one.ctypes.data] = one.nbytes
        elif isinstance(one, cKDTree):
            seen[id(one)] = TREE_BYTES_PER_POINT * one.n
        elif isinstance(one, (list, tuple)):
            waiting += one
        elif hasattr(one, "__dict__"):
            waiting += vars(one).values()
    return sum(seen.values())
