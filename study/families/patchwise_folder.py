"""Codecs of patches in folders: read and held against what the folder says, before they code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors

from model.codec_folder import SavedCodec
from model.errors import CodecError
from model.folder_files import (
    CODEC,
    WEIGHTS,
    damaged,
    read_description,
    read_part,
    require_id,
    require_keys,
    require_shapes,
)
from model.partition import PartitionConfig
from study.families.patchwise import PatchwiseCodec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from torch import Tensor, nn

    from model.codec_folder import AnyCodec


def load_patchwise(folder: Path, identity: Mapping[str, Any], module: nn.Module) -> SavedCodec:
    """Read a codec that `study.families.patchwise.PatchwiseCodec` wrote; see `load_with`."""

    def made(coder: Any, cutting: PartitionConfig) -> PatchwiseCodec:  # noqa: ANN401  a module
        return PatchwiseCodec(coder, cutting, identity, is_ours=False)

    return load_with(made, folder, identity, module)


def load_with(
    make: Callable[[Any, PartitionConfig], AnyCodec],
    folder: Path,
    identity: Mapping[str, Any],
    module: nn.Module,
) -> SavedCodec:
    """Read a codec of a family: a module and how clouds are cut for it.

    Args:
        make: makes a codec of both.
        folder: the codec's.
        identity: what the architecture must be, as in the codec.
        module: of that architecture; it is given the codec's weights.

    Raises:
        CodecError: it is of another architecture, or a file is missing or damaged.
    """
    described = read_description(folder)
    require_keys(folder / CODEC, described, {"architecture": dict, "partition": dict})
    if described["architecture"] != dict(identity):
        raise CodecError(
            f"{folder} must be a codec of {dict(identity)}, and is one of "
            f"{described['architecture']}; name its own family"
        )
    require_fit(folder, module)
    try:
        cutting = PartitionConfig(**described["partition"])
        _take(module, load_weights(folder))
    except (ValueError, TypeError, KeyError, RuntimeError) as error:
        raise damaged(folder, " ".join(str(error).split())[:300]) from error
    codec = make(module.eval(), cutting)
    require_id(folder, described, codec.codec_id)
    return SavedCodec(codec, described["about"])


def require_fit(folder: Path, module: nn.Module) -> None:
    """Refuse a codec whose weights have other names or shapes than a module's.

    Buffers that are empty in the module are a frozen one's, such as tables: they have any shape.

    Args:
        folder: the codec's.
        module: its values do not matter: it may be on the device "meta", and take no memory.

    Raises:
        CodecError: which one, or the file is missing or damaged.
    """
    found = {name: tensor.shape for name, tensor in load_weights(folder).items()}
    expected = {
        name: tensor.shape if tensor.numel() else found.get(name, tensor.shape)
        for name, tensor in module.state_dict().items()
    }
    require_shapes(folder / WEIGHTS, found, expected)


def _take(module: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Give a module weights; its empty buffers get the shapes that are found."""
    for name, buffer in list(module.named_buffers()):
        if buffer.numel() == 0 and name in weights:
            owner, _, own = name.rpartition(".")
            setattr(module.get_submodule(owner), own, buffer.new_empty(weights[name].shape))
    module.load_state_dict(weights)


def load_weights(folder: Path) -> dict[str, Tensor]:
    """Read the parameters of a codec that a family wrote, by name.

    Raises:
        CodecError: the file is missing or damaged.
    """
    path = folder / WEIGHTS
    content = read_part(path)
    try:
        return load_tensors(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise damaged(path, str(error)) from error
