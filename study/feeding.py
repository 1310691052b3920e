"""What a cohort is fed: batches of patches, in an order that is the same for all its members.

Legend: B patches, M latent points.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from model.patches import collate
from study.seeds import Purpose, derived_seed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from model.patches import PatchBatch
    from study.data import DataSet

Plan = list[list[int]]
"""An epoch's batches of patch numbers."""


class Feed:
    """The training patches of a data set as batches on a device."""

    def __init__(self, data: DataSet, patches_per_step: int, order_seed: int, device: str) -> None:
        """Note what is fed."""
        self._patches = data.split("train")
        self._size = patches_per_step
        self._order_seed = order_seed
        self._device = device

    def plan(self, clock: int) -> Plan:
        """An epoch's batches; the same for all members of a cohort, and after a resume."""
        generator = torch.Generator().manual_seed(
            derived_seed(self._order_seed, Purpose.ORDER, clock)
        )
        order = torch.randperm(len(self._patches), generator=generator).tolist()
        return [order[first : first + self._size] for first in range(0, len(order), self._size)]

    def latents(self, numbers: Sequence[int]) -> tuple[int, int]:
        """B and M of a batch."""
        return len(numbers), int(self._patches.latent_counts[numbers].max())

    def batches(self, plan: Plan) -> Iterator[PatchBatch]:
        """The batches of a plan, in its order."""
        for numbers in plan:
            yield collate([self._patches[number].hierarchy for number in numbers], self._device)
