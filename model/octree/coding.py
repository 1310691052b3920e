"""Stand-in of seam 1 until branch `octree` is merged: same signatures, plain adaptive bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from model.errors import DamagedFileError
from model.morton import interleave, separate
from model.rans import AdaptiveBit, SymbolReader, SymbolWriter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


@dataclass(frozen=True)
class OctreeTables:
    seen: NDArray[np.int32]

    def arrays(self) -> dict[str, NDArray[np.int32]]:
        return {"seen": self.seen}

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[np.int32]]) -> OctreeTables:
        if set(arrays) != {"seen"} or arrays["seen"].shape != (256, 2):
            raise ValueError("seen must be (256, 2)")
        if arrays["seen"].dtype != np.int32 or arrays["seen"].min() < 1:
            raise ValueError("seen must be int32 from 1 on")
        return cls(arrays["seen"])


@dataclass(frozen=True)
class Occupied:
    voxels: NDArray[np.int64]
    counts: NDArray[np.int64] | None


def _models(tables: OctreeTables | None) -> list[AdaptiveBit]:
    models = [AdaptiveBit() for _ in range(256)]
    if tables is not None:
        for model, seen in zip(models, tables.seen.tolist(), strict=True):
            model._seen = seen
    return models


def _write(voxels, counts, depth, box, tables, models):  # type: ignore[no-untyped-def]
    writer = SymbolWriter()
    keys = interleave(*voxels.T)
    for level in range(depth):
        nodes = np.unique(keys >> 3 * (depth - level))
        children = set(np.unique(keys >> 3 * (depth - level - 1)).tolist())
        for node in nodes.tolist():
            earlier = 1
            for child in range(8):
                bit = (node << 3 | child) in children
                if child < 7 or earlier != 128:
                    writer.bit(int(bit), models[earlier])
                earlier = earlier << 1 | bit
    if counts is not None:
        longer = [AdaptiveBit() for _ in range(64)]
        for count in counts.tolist():
            bits = count.bit_length() - 1
            for k in range(bits + 1):
                writer.bit(int(k < bits), longer[k])
            for shift in reversed(range(bits)):
                writer.choice(count >> shift & 1, 2)
    return writer


def encode(
    voxels: NDArray[np.int64],
    counts: NDArray[np.int64] | None,
    depth: int,
    box: tuple[int, int, int],
    tables: OctreeTables | None,
) -> bytes:
    data: bytes = _write(voxels, counts, depth, box, tables, _models(tables)).finish()
    return data


def bits(
    voxels: NDArray[np.int64],
    counts: NDArray[np.int64] | None,
    depth: int,
    box: tuple[int, int, int],
    tables: OctreeTables | None,
) -> float:
    return float(_write(voxels, counts, depth, box, tables, _models(tables)).bits)


def learned(
    tables: OctreeTables | None,
    voxels: NDArray[np.int64],
    counts: NDArray[np.int64] | None,
    depth: int,
    box: tuple[int, int, int],
) -> OctreeTables:
    models = _models(tables)
    _write(voxels, counts, depth, box, tables, models)
    return OctreeTables(np.array([model._seen for model in models], dtype=np.int32))


def decode(
    data: bytes,
    depth: int,
    box: tuple[int, int, int],
    tables: OctreeTables | None,
    *,
    counted: bool,
    most_voxels: int,
    most_points: int,
) -> Occupied:
    reader = SymbolReader(data)
    models = _models(tables)
    nodes = [0]
    for _ in range(depth):
        found = []
        for node in nodes:
            earlier = 1
            for child in range(8):
                bit = 1 if child == 7 and earlier == 128 else reader.bit(models[earlier])
                if bit:
                    found.append(node << 3 | child)
                    if len(found) > most_voxels:
                        raise DamagedFileError("too many voxels")
                earlier = earlier << 1 | bit
        nodes = found
    keys = np.array(nodes, dtype=np.int64)
    voxels = np.stack(separate(keys), axis=1)
    if (voxels >= np.array(box)).any():
        raise DamagedFileError("a voxel beyond the box")
    counts = None
    if counted:
        longer = [AdaptiveBit() for _ in range(64)]
        numbers = []
        total = 0
        for _ in nodes:
            size = 0
            while reader.bit(longer[size]):
                size += 1
                if size > 40:
                    raise DamagedFileError("too many points")
            value = 1
            for _ in range(size):
                value = value << 1 | reader.choice(2)
            total += value
            if total > most_points:
                raise DamagedFileError("too many points")
            numbers.append(value)
        counts = np.array(numbers, dtype=np.int64)
    if reader.finish():
        raise DamagedFileError("words follow")
    return Occupied(voxels, counts)
