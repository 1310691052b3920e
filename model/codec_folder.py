"""A codec as a folder that can be taken anywhere.

==========================  ========================================================================
``codec.json``              format version, kind, codec id, architecture and partition (or, of an
                            octree codec, options; of one with an octree as a member, its slope
                            too), and what is known about the codec: where it comes from and what
                            it was measured to do
``weights.safetensors``     the trained parameters, float32, under their names in `model.codec`;
                            an octree codec has none
``tables.safetensors``      the integer tables of the range coder: ``cdf``, ``cdf_length``,
                            ``offset``, or an octree coder's; a decoder never recomputes them
``octree.safetensors``      those of the octree, where it is a member
==========================  ========================================================================

Nothing in it is run when it is read: JSON and safetensors hold data only.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import torch
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from model.bag.codec import BagCodec
from model.cloud_codec import CloudCodec
from model.codec import Codec
from model.config import ModelConfig
from model.errors import CodecError
from model.folder_files import (
    CODEC,
    TABLES,
    WEIGHTS,
    damaged,
    read_description,
    read_part,
    require_id,
    require_keys,
    require_shapes,
    write_folder,
)
from model.octree.codec import OctreeCodec
from model.octree.folder import KIND, load_octree, load_tables, save_octree, save_tables
from model.partition import PartitionConfig
from model.patch_coder import PatchCoder, Tables
from model.table_checks import check_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from model.coded_cloud import CodedLeaves, DecodedCloud

    Progress = Callable[[int, int], None]

FORMAT = 1
"""Of a learned codec's folder: readers before there were octree codecs know no other."""

LEARNED, BAG = "learned", "bag"
FAMILY = "family"
"""Of a codec whose network is not in this program: its family opens it."""


@runtime_checkable
class SavesItself(Protocol):
    """A codec whose folder is its own affair: its network is not in this package."""

    def save(self, folder: Path, about: Mapping[str, Any]) -> None:
        """See `save_codec`."""


class FamilyCodec(SavesItself, Protocol):
    """Such a codec, which writes files as `model.container` has them."""

    partition: PartitionConfig

    @property
    def codes_normals(self) -> bool:
        """Whether clouds must have normals, and decoded ones do."""

    @property
    def codec_id(self) -> bytes:
        """4 bytes that stand for all that decoding depends on."""

    def compress(
        self,
        points: NDArray[np.float64],
        normals: NDArray[np.float32] | None = None,
        progress: Progress | None = None,
    ) -> bytes:
        """See `CloudCodec`."""

    def decompress(
        self, data: bytes, progress: Progress | None = None, *, most_points: int | None = None
    ) -> DecodedCloud:
        """See `CloudCodec`."""

    def read(self, data: bytes) -> CodedLeaves:
        """Read a file's symbols, and check all that can be checked before the network runs."""


AnyCodec = CloudCodec | OctreeCodec | BagCodec | FamilyCodec
FORMAT_OF_BAG = 2
"""Of the folder of a codec with members: readers of octree codecs say that they do not know it."""
OCTREE_TABLES = "octree.safetensors"


@dataclasses.dataclass(frozen=True)
class SavedCodec:
    """A codec and what is known about it.

    Attributes:
        codec: ready to compress and decompress.
        about: where it comes from and what it was measured to do, as its writer wrote it.
    """

    codec: AnyCodec
    about: dict[str, Any]

    @property
    def learned(self) -> CloudCodec:
        """The codec, where only a learned one will do; of one with members, that member.

        Raises:
            CodecError: it is none.
        """
        if isinstance(self.codec, BagCodec):
            return self.codec.learned
        if not isinstance(self.codec, CloudCodec):
            kind = "an octree codec" if isinstance(self.codec, OctreeCodec) else "another family's"
            raise CodecError(
                f"this needs a learned codec of D-PCC's, and codec {self.codec.codec_id.hex()} is "
                f"{kind}; name another"
            )
        return self.codec


def save_codec(codec: AnyCodec, folder: Path, about: Mapping[str, Any]) -> None:
    """Write a codec as a new folder, whole or not at all.

    Args:
        codec: what is written.
        folder: must not exist yet; its parents are made.
        about: anything that JSON can hold, for a person and for later tools to read.

    Raises:
        CodecError: there is something at `folder` already, or it cannot be written.
    """
    if isinstance(codec, SavesItself):
        codec.save(folder, about)
        return
    if isinstance(codec, OctreeCodec):
        save_octree(codec, folder, about)
        return
    kind: dict[str, Any] = {"format": FORMAT}
    others = {}
    if isinstance(codec, BagCodec):
        kind = {"format": FORMAT_OF_BAG, "kind": BAG, "slope": codec.slope}
        octree = codec.octree
        others = {OCTREE_TABLES: save_tables(None if octree.is_general else octree.options.tables)}
    learned = codec.learned if isinstance(codec, BagCodec) else codec
    described = {
        **kind,
        "id": codec.codec_id.hex(),
        "architecture": dataclasses.asdict(learned.coder.config),
        "partition": dataclasses.asdict(learned.partition),
        "about": dict(about),
    }
    weights = {
        name: parameter.detach().cpu().contiguous()
        for name, parameter in learned.coder.codec.named_parameters()
    }
    tables = save_arrays(dataclasses.asdict(learned.coder.tables))
    write_folder(folder, described, {WEIGHTS: save_tensors(weights), TABLES: tables, **others})


def load_codec(folder: Path) -> SavedCodec:
    """Read a codec that `save_codec` wrote.

    Raises:
        CodecError: a file is missing or damaged, the parts do not belong together, or a newer
            version of this program wrote them.
    """
    described = read_description(folder)
    codec = _LOADERS[_kind(folder, described)](folder, described)
    return SavedCodec(codec, described["about"])


def _kind(folder: Path, described: Mapping[str, Any]) -> str:
    """Return which kind of codec it is; earlier folders do not say so, and are learned ones."""
    kind = described.get("kind", LEARNED)
    if kind == FAMILY:
        raise CodecError(
            f"the network of the codec {folder} is not in this program; name where it is with "
            "--family module:Class, if you trust that code: it is run"
        )
    if not isinstance(kind, str) or kind not in _LOADERS:
        raise CodecError(
            f"this version reads codecs of the kinds {LEARNED}, {KIND} and {BAG}, and {folder} is "
            f"of kind {kind!r}; use the version that wrote it, or a newer one"
        )
    return kind


def _load_learned(folder: Path, described: Mapping[str, Any]) -> CloudCodec:
    loaded = _read_learned(folder, described)
    require_id(folder, described, loaded.codec_id)
    return loaded


def _load_bag(folder: Path, described: Mapping[str, Any]) -> BagCodec:
    require_keys(folder / CODEC, described, {"slope": float})
    tables = load_tables(folder / OCTREE_TABLES)
    learned = _read_learned(folder, described)
    try:
        loaded = BagCodec(learned, described["slope"], tables)
    except CodecError as error:
        raise damaged(folder / CODEC, str(error)) from error
    require_id(folder, described, loaded.codec_id)
    return loaded


def _read_learned(folder: Path, described: Mapping[str, Any]) -> CloudCodec:
    """Read a learned codec, or that member of another; its id is not looked at."""
    require_keys(folder / CODEC, described, {"architecture": dict, "partition": dict})
    try:
        # Codecs from before there was a choice have the published normalisation.
        architecture = {"norm": "published", **described["architecture"]}
        config = ModelConfig(**_fields(ModelConfig, architecture))
        partition = PartitionConfig(**_fields(PartitionConfig, described["partition"]))
    except (ValueError, TypeError) as error:
        raise damaged(folder / CODEC, str(error)) from error
    codec = _load_weights(folder / WEIGHTS, config)
    tables = _load_tables(folder / TABLES, config)
    return CloudCodec(PatchCoder(codec, tables), partition)


_LOADERS: dict[str, Callable[[Path, Mapping[str, Any]], AnyCodec]] = {
    LEARNED: _load_learned,
    KIND: load_octree,
    BAG: _load_bag,
}


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
    content = read_part(path)
    try:
        weights = load_tensors(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise damaged(path, str(error)) from error
    # Shapes are compared before any memory is taken: a changed `hidden_dim` may name any number.
    with torch.device("meta"):
        expected = {name: p.shape for name, p in Codec(config).named_parameters()}
    found = {name: tensor.shape for name, tensor in weights.items()}
    require_shapes(path, found, expected)
    for name, tensor in weights.items():
        if tensor.dtype != torch.float32 or not bool(tensor.isfinite().all()):
            raise damaged(path, f"{name} must hold finite float32 numbers")
    codec = Codec(config)
    codec.restore(weights)
    return codec


def _load_tables(path: Path, config: ModelConfig) -> Tables:
    content = read_part(path)
    try:
        tables = Tables(**load_arrays(content))
        check_tables(tables, config)
    except (SafetensorError, ValueError, TypeError, KeyError) as error:
        raise damaged(path, str(error)) from error
    return tables
