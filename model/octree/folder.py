"""An octree codec as a folder: a description with its options, and its tables.

The options are those that files are written with where nothing else is asked for. A file tells its
own, so any two codecs with the same tables, and so the same id, read each other's files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from model.folder_files import (
    CODEC,
    TABLES,
    damaged,
    read_part,
    require_id,
    require_keys,
    write_folder,
)
from model.octree.codec import OctreeCodec, OctreeOptions
from model.octree.coding import OctreeTables

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

KIND = "octree"
FORMAT = 2
MOST_TABLES = 1 << 24
"""Bytes of a file of tables: usual are tens of thousands."""
_NUMBER = (int, float, type(None))
_OPTIONS: dict[str, tuple[type, ...]] = {
    "edge": _NUMBER,
    "edge_of_longest_side": _NUMBER,
    "counts": (str,),
    "placing": (str,),
}


def save_octree(codec: OctreeCodec, folder: Path, about: Mapping[str, Any]) -> None:
    """Write an octree codec as a new folder; see `model.codec_folder.save_codec`."""
    described = {
        "format": FORMAT,
        "kind": KIND,
        "id": codec.codec_id.hex(),
        "options": {name: getattr(codec.options, name) for name in _OPTIONS},
        "about": dict(about),
    }
    write_folder(folder, described, {TABLES: save_tables(codec.options.tables)})


def load_octree(folder: Path, described: Mapping[str, Any]) -> OctreeCodec:
    """Read an octree codec's folder.

    Args:
        folder: where it is.
        described: what its description says.

    Raises:
        CodecError: a file is missing or damaged, or they do not belong together.
    """
    path = folder / CODEC
    require_keys(path, described, {"options": dict})
    tables = load_tables(folder / TABLES)
    try:
        options = _options(described["options"], tables)
    except ValueError as error:
        raise damaged(path, str(error)) from error
    codec = OctreeCodec(options)
    require_id(folder, described, codec.codec_id)
    return codec


def _options(given: dict[str, Any], tables: OctreeTables | None) -> OctreeOptions:
    if given.keys() != set(_OPTIONS):
        different = ", ".join(sorted(given.keys() ^ set(_OPTIONS)))
        raise ValueError(f"octree codecs have other options than these: {different}")
    for name, kinds in _OPTIONS.items():
        if type(given[name]) not in kinds:
            raise ValueError(f"{name} cannot be {given[name]!r}")
    return OctreeOptions(**given, tables=tables)


def save_tables(tables: OctreeTables | None) -> bytes:
    """Return the file of tables; of none it is empty."""
    return save_arrays(tables.arrays() if tables else {})


def load_tables(path: Path) -> OctreeTables | None:
    """Read what `save_tables` returned.

    Raises:
        CodecError: it is missing or damaged.
    """
    content = read_part(path, MOST_TABLES)
    try:
        arrays = load_arrays(content)
        return OctreeTables.of(arrays) if arrays else None
    except (SafetensorError, ValueError, TypeError, KeyError) as error:
        raise damaged(path, str(error)) from error
