"""Trials that begin with the network of a codec that comes with the package."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from study.families.patchwise import load_weights
from study.zoo.catalog import shipped_folder

if TYPE_CHECKING:
    from study.families.voxel.module import VoxelModule

_EDGE = "log_edge"
"""A trial's own: it begins with the edge that the study file says."""


@torch.no_grad()
def take_weights(module: VoxelModule, name: str) -> None:
    """Give a new module the network of a codec.

    Raises:
        CodecError: its file is missing or damaged.
    """
    theirs = load_weights(shipped_folder(name))
    for own, parameter in module.named_parameters():
        if own != _EDGE and not parameter.is_meta:
            assert theirs[own].shape == parameter.shape, "the settings were compared"
            parameter.copy_(theirs[own])
