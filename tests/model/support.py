"""Small patches and small codecs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from losses import weighted_sum
from model.codec import Codec
from model.config import ModelConfig
from model.hierarchy import build_hierarchy
from model.patches import collate
from model.points import Points
from study.families.dpcc.objective import DISTORTIONS, loss_terms, weight_per_term
from study.families.dpcc.settings import LossWeights
from study.training.population import stacked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from losses import WeightedLoss
    from model.codec import CodecOutput
    from model.hierarchy import Hierarchy

SMALL = ModelConfig(hidden_dim=16)
"""The published architecture, but for the width of its hidden layers."""

ARCHITECTURES = {
    "default": SMALL,
    "float16 latents": replace(SMALL, quantize_latent_xyzs=False),
    "edge convolutions": replace(
        SMALL, latent_xyzs_conv_mode="edge_conv", sub_point_conv_mode="edge_conv", k=6
    ),
    "normals": replace(SMALL, compress_normal=True),
    "published normalisation": replace(SMALL, norm="published"),
    "two stages": replace(SMALL, downsample_rate=(0.5, 0.2), max_upsample_num=(8, 2), dim=16, k=5),
}
"""Every mode of the published network, our own normalisation, and another shape."""


def surface(seed: int, count: int) -> NDArray[np.float32]:
    """(count, 3) points of a bent sheet within [-1, 1]."""
    u, v = np.random.default_rng(seed).uniform(-1.0, 1.0, (2, count))
    points: NDArray[np.float64] = np.stack([u, v, 0.5 * np.sin(3 * u) * v], axis=1)
    return points.astype(np.float32)


def unit_vectors(seed: int, count: int) -> NDArray[np.float32]:
    """(count, 3)."""
    drawn = np.random.default_rng([seed, 1]).normal(size=(count, 3))
    unit: NDArray[np.float64] = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return unit.astype(np.float32)


def patch(seed: int, count: int, config: ModelConfig = SMALL) -> Hierarchy:
    normals = unit_vectors(seed, count) if config.compress_normal else None
    return build_hierarchy(surface(seed, count), config.downsample_rate, config.k, normals)


def fresh_codec(*seeds: int, config: ModelConfig = SMALL) -> Codec:
    """Untrained, but with symbols that spread as a trained codec's do.

    The medians are moved apart too: children that see equal symbols would be equal points, and
    which of them is whose nearest neighbour, and gets the gradient, would be left to rounding.
    """
    codec = Codec(config, len(seeds))
    codec.reset(seeds)
    spread = {f"encoder.stages.{config.stages - 1}.fuse.weight"}
    spread |= {f"coordinate_analysis.{part}output.weight" for part in ("", "edges.")}
    with torch.no_grad():
        for name, parameter in codec.named_parameters():
            if name in spread:
                parameter.mul_(8)
            elif name.endswith("quantiles"):
                apart = torch.linspace(-0.4, 0.4, config.symbol_channels)[:, None, None]
                parameter.unflatten(0, (len(seeds), -1)).add_(apart)
    return codec


def draw_noise(seed: int, trials: int, batch: Sequence[Hierarchy], config: ModelConfig) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    most = max(len(hierarchy.stage_points(config.stages)) for hierarchy in batch)
    shape = (trials, len(batch), most, config.symbol_channels)
    return torch.rand(shape, generator=generator) - 0.5


def run(
    codec: Codec, batch: Sequence[Hierarchy], noise: Tensor | None = None
) -> tuple[CodecOutput, WeightedLoss]:
    """Code a batch; the loss has the published weights."""
    patches = collate(batch)
    output = codec(patches, noise)
    weights = stacked_weights([LossWeights()] * codec.trials, "cpu")
    return output, weighted_sum(loss_terms(output, patches, codec.config.k), weights)


def stacked_weights(members: Sequence[LossWeights], device: str) -> dict[str, Tensor]:
    """One (T,) tensor per term of D-PCC's loss."""
    return stacked([weight_per_term(member) for member in members], device, DISTORTIONS)


def points(*patches: NDArray[np.float32], padding: float = 0.0) -> Points:
    """(1, B) sets of points."""
    xyz = np.full((1, len(patches), max(map(len, patches)), 3), padding, dtype=np.float32)
    for row, array in zip(xyz[0], patches, strict=True):
        row[: len(array)] = array
    return Points(torch.from_numpy(xyz), torch.tensor([[len(array) for array in patches]]))


def valid_points(decoded: Points, trial: int, number: int) -> Tensor:
    """(n, 3) of one trial and patch."""
    return decoded.xyz[trial, number, : int(decoded.sizes[trial, number])]


def naming(what: str) -> Callable[[str], str]:
    """A message of `torch.testing.assert_close` that says what was compared."""
    return lambda message: f"{what}: {message}"
