"""Batches that are kept from epoch to epoch, as far as there is room."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from pykdtree.kdtree import KDTree

Batch = TypeVar("Batch")

CACHE_BYTES = 256 << 20
"""Of the batches to train on, and as many of those to validate on. One of a patch of 1,024 points
takes 0.42 MB, and up to 10 ms to make."""

TREE_BYTES_PER_POINT = 12
"""Of a k-d tree, beside its points, which are an array's: their order, and its nodes."""


class BatchCache(Generic[Batch]):
    """Batches by number.

    Nothing is ever put out again: patches come in another random order in each epoch, and then any
    choice of those that stay is as good.
    """

    def __init__(self, room_bytes: int = CACHE_BYTES) -> None:
        """Begin empty."""
        self._batches: dict[int, Batch] = {}
        self._room_bytes = room_bytes

    def get(self, number: int) -> Batch | None:
        """The batch, if it was kept."""
        return self._batches.get(number)

    def keep(self, number: int, batch: Batch) -> None:
        """Keep a batch while there is room; after its use, when all that it works out is there."""
        if number not in self._batches and self._room_bytes > 0:
            self._room_bytes -= held_bytes(batch)
            if self._room_bytes > 0:
                self._batches[number] = batch


def held_bytes(thing: Any) -> int:  # noqa: ANN401  whatever a batch is made of
    """Bytes of the tensors, arrays and trees that an object holds, each counted once."""
    seen: dict[int, int] = {}
    waiting = [thing]
    while waiting:
        one = waiting.pop()
        if isinstance(one, torch.Tensor):
            seen[one.untyped_storage().data_ptr()] = one.untyped_storage().nbytes()
        elif isinstance(one, np.ndarray):
            seen[one.ctypes.data] = one.nbytes
        elif isinstance(one, KDTree):
            seen[id(one)] = TREE_BYTES_PER_POINT * one.n
        elif isinstance(one, (list, tuple)):
            waiting += one
        elif isinstance(one, Mapping):
            waiting += one.values()
        elif hasattr(one, "__dict__"):
            waiting += vars(one).values()
    return sum(seen.values())
