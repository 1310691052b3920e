"""The folder of a codec that is a module, and how clouds are cut for it: written.

`study.families.patchwise_folder` reads it.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Protocol

from safetensors.torch import save as save_tensors

from model.codec_folder import FAMILY
from model.folder_files import WEIGHTS, write_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from model.partition import PartitionConfig

FORMAT = 2
"""Of a codec's folder that says of which kind it is."""


class ModuleCodec(Protocol):
    """Such a codec, as far as its folder tells it."""

    partition: PartitionConfig
    identity: dict[str, Any]

    @property
    def codec_id(self) -> bytes:
        """4 bytes that stand for all that decoding depends on."""


class HasState(Protocol):
    """A `torch.nn.Module`, or what has its state."""

    def state_dict(self) -> dict[str, Any]:
        """PyTorch's."""


def weights_of(module: HasState) -> dict[str, Tensor]:
    """Return what a codec keeps of a module, by name, in order, on the CPU."""
    state = module.state_dict()
    return {name: state[name].detach().cpu().contiguous() for name in sorted(state)}


def save_module(
    folder: Path, codec: ModuleCodec, weights: Mapping[str, Tensor], about: Mapping[str, Any]
) -> None:
    """Write a codec as a new folder, whole or not at all.

    Raises:
        CodecError: there is something at `folder` already, or it cannot be written.
    """
    described = {
        "format": FORMAT,
        "kind": FAMILY,
        "id": codec.codec_id.hex(),
        "architecture": codec.identity,
        "partition": dataclasses.asdict(codec.partition),
        "about": dict(about),
    }
    write_folder(folder, described, {WEIGHTS: save_tensors(dict(weights))})
