"""Tables in few bytes: the slots that matter, and chances in 64ths.

Trained tables have 155,648 slots, nearly all of which some cloud has used and most of which hardly
any file meets. Packed they keep those that are worth most, forget the others, and round.

Legend: S slots of each context, k slots that are kept, in the order of the arrays.
"""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from model.errors import CodecError
from model.octree.tables import OctreeTables, untrained
from model.octree.training import SETTLED

if TYPE_CHECKING:
    from numpy.typing import NDArray

KINDS = ("occupancy", "count")
CHANCE_SHIFT, WEIGHT_SHIFT = 10, 12
"""Bits that chances and weights lose. Measured on 21 embedded objects: two bits more of both take
half a kilobyte in ten and save 0.2 % at 1/8 of the longest side, less above."""


def pack(tables: OctreeTables, kept: dict[str, NDArray[np.bool_]]) -> bytes:
    """Return tables as a compressed archive of arrays; the same bytes for the same tables.

    Args:
        tables: trained.
        kept: (8, S) and (6, S) by kind, which slots are.
    """
    arrays: dict[str, NDArray[Any]] = {}
    for kind in KINDS:
        chance, whose, weights = (
            getattr(tables, f"{kind}_{part}") for part in ("chance", "whose", "weights")
        )
        rounded = (weights + (1 << WEIGHT_SHIFT - 1)) >> WEIGHT_SHIFT
        arrays[f"{kind}_kept"] = np.packbits(kept[kind])
        arrays[f"{kind}_chance"] = (chance[kept[kind]] >> CHANCE_SHIFT).astype(np.uint8)
        arrays[f"{kind}_whose"] = whose[kept[kind]]
        arrays[f"{kind}_weights"] = rounded.astype(np.int16)
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def unpack(content: bytes) -> OctreeTables:
    """Return the tables of :func:`pack`.

    Raises:
        CodecError: they are not.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = dict(archive)
        changes: dict[str, NDArray[Any]] = {}
        for kind in KINDS:
            changes |= _unpacked(kind, arrays)
        return replace(untrained(), **changes)
    except (ValueError, KeyError, OSError, EOFError, BadZipFile) as error:
        raise CodecError(
            f"packed tables of an octree must be what `pack` writes, and these are not ({error}); "
            "install the package anew"
        ) from error


def _unpacked(kind: str, arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Tables of one kind; a slot's chance is the middle of those that were rounded to it."""
    chance, seen, whose = (
        getattr(untrained(), f"{kind}_{part}").copy() for part in ("chance", "seen", "whose")
    )
    kept = np.unpackbits(arrays[f"{kind}_kept"]).astype(bool).reshape(chance.shape)
    middle = 1 << CHANCE_SHIFT - 1
    chance[kept] = (arrays[f"{kind}_chance"].astype(np.uint16) << CHANCE_SHIFT) + middle
    seen[kept] = SETTLED
    whose[kept] = arrays[f"{kind}_whose"]
    weights = arrays[f"{kind}_weights"].astype(np.int32) << WEIGHT_SHIFT
    parts = {"chance": chance, "seen": seen, "whose": whose, "weights": weights}
    return {f"{kind}_{part}": array for part, array in parts.items()}
