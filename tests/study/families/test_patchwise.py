"""Codecs of clouds that are made of a module of patches: their ids, and files nobody wrote."""

from __future__ import annotations

import hashlib
import json
import struct

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from model.errors import DamagedFileError
from model.partition import PartitionConfig
from study.families.patchwise import PatchwiseCodec

CUTTING = PartitionConfig(100.0)


class Middle(nn.Module):
    """Codes a patch as the middle of its points."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([1.0, 2.0]))
        self.register_buffer("steps", torch.tensor(3))

    def encode(self, points: Tensor) -> bytes:
        return struct.pack("<3f", *points.mean(dim=0).tolist())

    def decode(self, data: bytes) -> Tensor:
        return torch.tensor(struct.unpack("<3f", data)).view(1, 3)


class Short(Middle):
    """Forgets the last byte."""

    def encode(self, points: Tensor) -> bytes:
        return super().encode(points)[:-1]


def codec_of(module: Middle) -> PatchwiseCodec:
    return PatchwiseCodec(module, CUTTING, {"family": "middle"}, is_ours=True)


def test_whatever_a_family_raises_of_foreign_bytes_is_a_damaged_file(seed: int) -> None:
    points = np.random.default_rng(seed).uniform(-1, 1, (500, 3))
    assert len(codec_of(Middle()).decompress(codec_of(Middle()).compress(points)).points)
    file = codec_of(Short()).compress(points)
    with pytest.raises(DamagedFileError, match=r"one is not \(unpack requires a buffer of 12"):
        codec_of(Middle()).decompress(file)


def test_a_codecs_id_is_of_names_shapes_and_numbers_whoever_serialises_them() -> None:
    cutting = {name: each for name, each in vars(CUTTING).items() if name != "voxel_depth"}
    shape = {"architecture": {"family": "middle"}, "partition": cutting}
    numbers = struct.pack("<2f", 1.0, 2.0), struct.pack("<q", 3)
    told = json.dumps(shape, sort_keys=True).encode()
    told += b"scale (2,) " + numbers[0] + b"steps () " + numbers[1]
    assert codec_of(Middle()).codec_id == hashlib.sha256(told).digest()[:4]


@pytest.mark.parametrize("name", ["scale", "steps"])
def test_another_number_is_another_codec(name: str) -> None:
    other = Middle()
    with torch.no_grad():
        other.state_dict()[name].add_(1)
    assert codec_of(other).codec_id != codec_of(Middle()).codec_id
