"""A codec as a folder that can be taken anywhere.

==========================  ========================================================================
``codec.json``              format version, codec id, architecture, partition, and what is known
                            about the codec: where it comes from and what it was measured to do
``weights.safetensors``     the trained parameters, float32, under their names in `model.codec`
``tables.safetensors``      the integer tables of the range coder: ``cdf``, ``cdf_length``,
                            ``offset``; a decoder never recomputes them
==========================  ========================================================================

Nothing in it is run when it is read: JSON and safetensors hold data only.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from model.bottleneck import LARGEST_SYMBOL
from model.cloud_codec import CloudCodec
from model.codec import Codec
from model.config import ModelConfig
from model.errors import CodecError
from model.partition import PartitionConfig
from model.patch_coder import PatchCoder, Tables

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FORMAT = 1
"""Raise it when a reader of today would misread what is written."""

TOTAL_FREQUENCY = 1 << 16
"""Where every row of cumulative frequencies ends: the precision of CompressAI's range coder."""

SHORTEST_ROW = 3
"""From 0, over one symbol, to the slot of all the others."""

MOST_DESCRIBED = 1 << 22
"""Bytes of a description: usual are thousands. Parsed, they may take twenty times as many."""

CODEC, WEIGHTS, TABLES = "codec.json", "weights.safetensors", "tables.safetensors"


@dataclasses.dataclass(frozen=True)
class SavedCodec:
    """A codec and what is known about it.

    Attributes:
        codec: ready to compress and decompress.
        about: where it comes from and what it was measured to do, as its writer wrote it.
    """

    codec: CloudCodec
    about: dict[str, Any]


def save_codec(codec: CloudCodec, folder: Path, about: Mapping[str, Any]) -> None:
    """Write a codec as a new folder, whole or not at all.

    Args:
        codec: what is written.
        folder: must not exist yet; its parents are made.
        about: anything that JSON can hold, for a person and for later tools to read.

    Raises:
        CodecError: there is something at `folder` already, or it cannot be written.
    """
    described = {
        "format": FORMAT,
        "id": codec.codec_id.hex(),
        "architecture": dataclasses.asdict(codec.coder.config),
        "partition": dataclasses.asdict(codec.partition),
        "about": dict(about),
    }
    weights = {
        name: parameter.detach().cpu().contiguous()
        for name, parameter in codec.coder.codec.named_parameters()
    }
    contents = {
        CODEC: (json.dumps(described, indent=1, allow_nan=False) + "\n").encode(),
        WEIGHTS: save_tensors(weights),
        TABLES: save_arrays(dataclasses.asdict(codec.coder.tables)),
    }
    if folder.exists():
        raise CodecError(
            f"a codec is written into a new folder, and {folder} exists; choose another, or remove "
            "it first"
        )
    partial = folder.parent / f".{folder.name}.partial-{os.getpid()}"
    try:
        partial.mkdir(parents=True)
        for name, content in contents.items():
            with (partial / name).open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        partial.rename(folder)
    except OSError as error:
        raise CodecError(
            f"the codec's folder {folder} cannot be written: {error.strerror or error}"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def load_codec(folder: Path) -> SavedCodec:
    """Read a codec that `save_codec` wrote.

    Raises:
        CodecError: a file is missing or damaged, the parts do not belong together, or a newer
            version of this program wrote them.
    """
    described = _read_description(folder)
    try:
        # Codecs from before there was a choice have the published normalisation.
        architecture = {"norm": "published", **described["architecture"]}
        config = ModelConfig(**_fields(ModelConfig, architecture))
        partition = PartitionConfig(**_fields(PartitionConfig, described["partition"]))
    except (ValueError, TypeError) as error:
        raise _damaged(folder / CODEC, str(error)) from error
    codec = _load_weights(folder / WEIGHTS, config)
    tables = _load_tables(folder / TABLES, config)
    saved = CloudCodec(PatchCoder(codec, tables), partition)
    if saved.codec_id.hex() != described["id"]:
        raise CodecError(
            f"the files of a codec must be those that were written together, and {folder} says "
            f"that it is codec {described['id']} but holds codec {saved.codec_id.hex()}: a file "
            "was changed or exchanged; copy the whole folder anew"
        )
    return SavedCodec(saved, described["about"])


def _read_description(folder: Path) -> dict[str, Any]:
    """Return what `codec.json` says, with every key in place and the format one that is known."""
    path = folder / CODEC
    content = _read(path, MOST_DESCRIBED)
    try:
        described = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(described, dict) or type(described.get("format")) is not int:
        raise _damaged(path, "it does not say which format it has")
    if described["format"] > FORMAT:
        raise CodecError(
            f"this version reads codecs up to format {FORMAT}, and {folder} is of format "
            f"{described['format']}; use the version that wrote it, or a newer one"
        )
    kinds = {"id": str, "architecture": dict, "partition": dict, "about": dict}
    for key, kind in kinds.items():
        if not isinstance(described.get(key), kind):
            raise _damaged(path, f"'{key}' is missing or of another kind")
    return described


def _fields(kind: type, given: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a dataclass from JSON.

    Raises:
        ValueError: one is missing, unknown, or not of the type that its default has.
    """
    defaults = {field.name: field.default for field in dataclasses.fields(kind)}
    if given.keys() != defaults.keys():
        different = ", ".join(sorted(given.keys() ^ defaults.keys()))
        raise ValueError(f"{kind.__name__} has other fields than these: {different}")
    for name, default in defaults.items():
        value = tuple(given[name]) if isinstance(given[name], list) else given[name]
        if _shape_of(value) != _shape_of(default):
            raise ValueError(f"{name} cannot be {given[name]!r}")
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in given.items()
    }


def _shape_of(value: object) -> object:
    """Return the type of a value, or the types of a tuple's entries."""
    return {type(entry) for entry in value} if isinstance(value, tuple) else type(value)


def _load_weights(path: Path, config: ModelConfig) -> Codec:
    """Return a population of one with the weights of a file."""
    content = _read(path)
    try:
        weights = load_tensors(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise _damaged(path, str(error)) from error
    # Shapes are compared before any memory is taken: a changed `hidden_dim` may name any number.
    with torch.device("meta"):
        expected = {name: p.shape for name, p in Codec(config).named_parameters()}
    found = {name: tensor.shape for name, tensor in weights.items()}
    if found != expected:
        odd = min(name for name, shape in {*found.items()} ^ {*expected.items()})
        raise _damaged(
            path,
            f"{odd} must be {_shown(expected.get(odd))}, as {CODEC} has it, and is "
            f"{_shown(found.get(odd))}",
        )
    for name, tensor in weights.items():
        if tensor.dtype != torch.float32 or not bool(tensor.isfinite().all()):
            raise _damaged(path, f"{name} must hold finite float32 numbers")
    codec = Codec(config)
    codec.restore(weights)
    return codec


def _shown(shape: torch.Size | None) -> str:
    return "absent" if shape is None else str(tuple(shape))


def _load_tables(path: Path, config: ModelConfig) -> Tables:
    content = _read(path)
    try:
        tables = Tables(**load_arrays(content))
        check_tables(tables, config)
    except (SafetensorError, ValueError, TypeError, KeyError) as error:
        raise _damaged(path, str(error)) from error
    return tables


def check_tables(tables: Tables, config: ModelConfig) -> None:
    """Hold tables against what the range coder needs, for it checks nothing itself.

    Raises:
        ValueError: a row is not one for each symbol, or does not rise from 0 to 65536 within it.
    """
    rows = config.symbol_channels
    shapes = tuple(array.shape for array in (tables.cdf, tables.cdf_length, tables.offset))
    if shapes != ((rows, *tables.cdf.shape[-1:]), (rows,), (rows,)):
        raise ValueError(
            f"there must be a row for each of {rows} symbols, and the shapes are {shapes}"
        )
    if any(array.dtype != np.int32 for array in (tables.cdf, tables.cdf_length, tables.offset)):
        raise ValueError("tables must be int32")
    if int(np.abs(tables.offset.astype(np.int64)).max()) > LARGEST_SYMBOL:
        raise ValueError(f"offsets must be within +-{LARGEST_SYMBOL}")
    if tables.cdf_length.min() < SHORTEST_ROW or tables.cdf_length.max() > tables.cdf.shape[1]:
        raise ValueError(
            f"rows must have {SHORTEST_ROW} to {tables.cdf.shape[1]} entries that count"
        )
    for number, (row, length) in enumerate(zip(tables.cdf, tables.cdf_length, strict=True)):
        steps = np.diff(row[:length].astype(np.int64))
        if row[0] != 0 or row[length - 1] != TOTAL_FREQUENCY or steps.min() <= 0:
            raise ValueError(f"row {number} must rise from 0 to {TOTAL_FREQUENCY}")


def _read(path: Path, most: int = -1) -> bytes:
    """Return what a file holds; `most` bytes of it where it may not be longer."""
    try:
        with path.open("rb") as file:
            content = file.read(most + 1 if most >= 0 else -1)
    except OSError as error:
        raise CodecError(
            f"a codec is a folder with {CODEC}, {WEIGHTS} and {TABLES}, and {path} cannot be read "
            f"({error.strerror}); name the folder that `study export` wrote"
        ) from error
    if 0 <= most < len(content):
        raise _damaged(path, f"it may have {most:,} bytes, and has more")
    return content


def _damaged(path: Path, reason: str) -> CodecError:
    return CodecError(f"{path} is damaged ({reason.splitlines()[0]}); copy the codec anew")
