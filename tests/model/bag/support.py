"""Codecs and clouds of which it is known whom they suit."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from model.bag.mixed import CodedMixed, of_octree, write_mixed
from model.bag.mixed_file import MixedHeader
from model.cloud_codec import CloudCodec
from model.codec import Codec
from model.config import ModelConfig
from model.hierarchy import build_hierarchy
from model.partition import PartitionConfig
from model.patch_coder import PatchCoder

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from model.bag.codec import BagCodec

SHAPE = ModelConfig(downsample_rate=(0.2, 0.2), max_upsample_num=(8, 8), hidden_dim=16, k=4, dim=8)
CUTTING = PartitionConfig(cube_size=12.5, min_points=15, max_points=200)
EDGE = 12.5
"""Of a cube, in the units of the clouds here: their longest side is 100."""


class Figure(NamedTuple):
    """A codec that makes one and the same figure of every small patch, for next to no bits.

    Attributes:
        codec: has never seen anything: whatever it is given, its latents are the same.
        points: (20, 3) the figure, in the patch frame.
    """

    codec: CloudCodec
    points: NDArray[np.float64]


@cache
def figure() -> Figure:
    codec = Codec(SHAPE)
    codec.reset([3])
    with torch.no_grad():
        for name, parameter in codec.named_parameters():
            if name.startswith(("encoder", "coordinate_analysis")):
                parameter.zero_()
            elif name.endswith("matrices.0"):  # A likelihood that is sure of these latents.
                parameter.add_(4.0)
            elif name.endswith("biases.0"):
                parameter.zero_()
            elif "place.length" in name and name.endswith("output.bias"):  # A larger figure.
                parameter.add_(0.3)
            elif "place.direction" in name and name.endswith("output.weight"):
                parameter.mul_(4.0)
    coder = PatchCoder.freeze(codec)
    any_points = np.random.default_rng(0).uniform(-1.0, 1.0, (20, 3)).astype(np.float32)
    latents = coder.encode(build_hierarchy(any_points, SHAPE.downsample_rate, SHAPE.k))
    points, _ = coder.decode(latents)
    return Figure(CloudCodec(coder, CUTTING), points.astype(np.float64))


def halves(seed: int, side: int = 8) -> NDArray[np.float64]:
    """Half of the cubes hold the figure, exactly; the others a slanted sheet."""
    draw = np.random.default_rng(seed)
    parts = [np.array([[0.0, 0.0, 0.0], [100.0, 100.0, 100.0]])]
    for x in range(8):
        for y in range(side):
            centre = (np.array([x, y, 0]) + 0.5) * EDGE
            if x < 4:
                parts.append(figure().points * (EDGE / 2) + centre)
            else:
                u, v = draw.uniform(-0.49, 0.49, (2, 60)) * EDGE
                parts.append(np.column_stack([u, v, 0.2 * u]) + centre)
    return np.concatenate(parts)


def mixed_file(
    bag: BagCodec, points: NDArray[np.float64], by_octree: NDArray[np.bool_], cells: int
) -> bytes:
    """A mixed file in which the octree codes these patches, whatever it costs."""
    encoded = bag.learned.encode(points)
    header = MixedHeader(
        bag.codec_id,
        len(points),
        len(of_octree(encoded, by_octree)),
        cells,
        encoded.placement,
    )
    scaled = encoded.placement.to_scaled(points)
    tables = bag.octree.options.tables
    return write_mixed(bag.learned, encoded, scaled, by_octree, header, tables)


def read(bag: BagCodec, data: bytes) -> CodedMixed:
    """What a mixed file holds."""
    coded = bag.read(data)
    assert isinstance(coded, CodedMixed)
    return coded
