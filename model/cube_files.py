"""What codecs have in common that cut clouds into cubes and write files of version 1."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from model.container import CODEC_ID_BYTES, padding_words
from model.errors import CodecError, DamagedFileError, WrongCodecError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from model.container import Header
    from model.partition import PartitionConfig
    from model.rans import SymbolReader


def codec_id_of(
    architecture: Mapping[str, Any], partition: PartitionConfig, arrays: Mapping[str, NDArray[Any]]
) -> bytes:
    """Return 4 bytes that stand for all that decoding depends on: SHA-256's first.

    Args:
        architecture: as JSON can hold it.
        partition: how clouds are cut; its `voxel_depth` is told by each file, and does not count.
        arrays: weights and tables, by name.
    """
    cutting = dataclasses.asdict(partition)
    del cutting["voxel_depth"]
    shape = {"architecture": architecture, "partition": cutting}
    digest = hashlib.sha256(json.dumps(shape, sort_keys=True).encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())
    return digest.digest()[:CODEC_ID_BYTES]


def require_codec(found: bytes, own: bytes) -> None:
    """Refuse a file of another codec.

    Args:
        found: the id that the file has.
        own: the codec's.

    Raises:
        WrongCodecError: they differ.
    """
    if found != own:
        raise WrongCodecError(
            f"a file is decompressed with the codec that wrote it, which has the id "
            f"{found.hex()}, and this one has {own.hex()}; name that codec"
        )


def cutting_of(header: Header, own: Header, partition: PartitionConfig) -> PartitionConfig:
    """Return how a file's cloud was cut.

    Args:
        header: of the file.
        own: that the codec would write, but for the voxel depth.
        partition: the codec's.

    Raises:
        WrongCodecError: it is another codec's.
        DamagedFileError: no encoder writes its voxel depth, or its flags are not the codec's.
    """
    require_codec(header.codec_id, own.codec_id)
    try:
        cutting = dataclasses.replace(partition, voxel_depth=header.voxel_depth)
    except CodecError as error:
        raise DamagedFileError(f"no encoder writes such a file: {error}") from error
    if own != dataclasses.replace(header, voxel_depth=own.voxel_depth):
        raise DamagedFileError(
            "a file's flags must be those of its codec, and these are not; the file was made "
            "up or changed, get it anew"
        )
    return cutting


def require_end(reader: SymbolReader, points: int, file_bytes: int) -> None:
    """Refuse a file that goes on after its symbols, but for the padding that it needs.

    Raises:
        DamagedFileError: it does.
    """
    padding = reader.finish()
    if padding != padding_words(points, file_bytes - 4 * padding):
        raise DamagedFileError(
            f"a file must end with its symbols, and {padding} words follow; it was made up or "
            "changed, get it anew"
        )
