"""Whole clouds to files and back, against Draco: points per second, and where the time goes.

The codec has the published architecture and untrained weights, set so that every point keeps 3
children, as trained ones do on average: nothing else of them decides over the time. Draco is at its
strongest level with 10 bits a coordinate; neither its level nor its bits change the picture.
"""

from __future__ import annotations

import math
import statistics
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
import torch

from benchmarks.measuring import Way, compare
from model.cloud_codec import CloudCodec
from model.codec import Codec
from model.config import ModelConfig
from model.hierarchy import build_hierarchy
from model.partition import PartitionConfig, partition
from model.patch_coder import PatchCoder
from model.placement import place
from model.rans import SymbolWriter
from model.structure import write_leaves

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.measuring import Lap, Turns

SIZES = (8_192, 100_000, 1_000_000)
POINTS_PER_WAY = 400_000
"""Larger clouds are measured fewer times than asked for, twice at least."""
DRACO_BITS = 10
DRACO_LEVEL = 10


def run(pairs: int) -> bool:
    """Measure and print, per size of the cloud; there is no bar."""
    if find_spec("DracoPy") is None:
        print("  Draco is not installed: pip install 'dpcc-study[draco]'")
        return True
    codec = untrained_codec()
    for size in SIZES:
        points = sheet(size)
        print(f"  {size:,} points")
        turns = max(2, min(pairs, POINTS_PER_WAY // size))
        warm_up = 3 if size * 3 <= POINTS_PER_WAY else 0
        for what, (draco, ours) in ways(codec, points).items():
            measured = compare(draco, ours, turns, warm_up)
            print("\n".join(measured.lines()))
            print(f"  {what}: {_per_second(measured, size)}")
    return True


def ways(codec: CloudCodec, points: NDArray[np.float64]) -> dict[str, tuple[Way, Way]]:
    """Draco and this codec, encoding and decoding (n, 3) points."""
    draco = import_module("DracoPy")
    single = points.astype(np.float32)
    ours = codec.compress(points)

    def encode_by_draco() -> bytes:
        data: bytes = draco.encode(
            single,
            quantization_bits=DRACO_BITS,
            compression_level=DRACO_LEVEL,
            preserve_order=False,
        )
        return data

    theirs = encode_by_draco()

    def decode(lap: Lap) -> None:
        coded = codec.read(ours)
        lap("symbols")
        for _ in codec.parts(coded):
            pass
        lap("network")

    return {
        "encoding": (
            Way("Draco", lambda _: encode_by_draco()),
            Way("this codec", lambda lap: encode_in_phases(codec, points, lap)),
        ),
        "decoding": (Way("Draco", lambda _: draco.decode(theirs)), Way("this codec", decode)),
    }


def encode_in_phases(codec: CloudCodec, points: NDArray[np.float64], lap: Lap) -> None:
    """`CloudCodec.compress`, but phase by phase over all patches, and without the header."""
    config = codec.coder.config
    cut = partition(place(points, "sheet").to_scaled(points), codec.partition)
    lap("partition")
    hierarchies = [
        build_hierarchy(cube.points, config.downsample_rate, config.k) for cube in cut.patches
    ]
    lap("hierarchies")
    latents = [codec.coder.encode(hierarchy) for hierarchy in hierarchies]
    lap("network")
    writer = SymbolWriter()
    write_leaves(writer, cut.leaves, codec.partition)
    for patch in latents:
        writer.table(patch.symbols, codec.coder.tables)
    writer.finish()
    lap("symbols")


def untrained_codec() -> CloudCodec:
    """See the head of this file."""
    codec = Codec(ModelConfig())
    codec.reset([0])
    with torch.no_grad():
        for name, parameter in codec.named_parameters():
            if name.endswith("count.output.weight"):
                parameter.zero_()
            elif name.endswith("count.output.bias"):
                parameter.fill_(math.log(2 / 5))  # sigmoid: 2/7, of 7 more children than one
    return CloudCodec(PatchCoder.freeze(codec), PartitionConfig())


def sheet(count: int) -> NDArray[np.float64]:
    """(count, 3) points of a bent sheet."""
    u, v = np.random.default_rng(0).uniform(-1.0, 1.0, (2, count))
    return np.stack([u, v, 0.5 * np.sin(3 * u) * v], axis=1)


def _per_second(turns: Turns, size: int) -> str:
    named = zip(turns.ways, zip(*turns.rounds, strict=True), strict=True)
    return (
        ", ".join(
            f"{way.name} {1e3 * size / statistics.median(sample.cpu_ms for sample in samples):,.0f}"
            for way, samples in named
        )
        + " points per second of CPU time"
    )
