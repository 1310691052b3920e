"""The published loss of one patch, written the plain way: every neighbour by all distances.

Legend: N points that enter a decoder stage, P children, R true points, K neighbours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from benchmarks.plain_geometry import nearest

if TYPE_CHECKING:
    from torch import Tensor

    from benchmarks.plain_decoder import PlainStage
    from benchmarks.plain_geometry import PlainLevel
    from benchmarks.plain_twin import PlainOutput
    from study.config import LossWeights


def plain_loss(
    output: PlainOutput, points: Tensor, levels: list[PlainLevel], weights: LossWeights, k: int
) -> Tensor:
    """The weighted sum of all terms, a scalar.

    Args:
        output: what the twin made of the points.
        points: (N, 3), the patch.
        levels: its geometry.
        weights: of the terms.
        k: neighbours of the mean distance prediction.
    """
    truth = [points]
    for level in levels:
        truth.append(truth[-1][level.samples])
    loss = weights.latent_xyzs_coe * (output.latent_points - truth[-1]).square().mean()
    loss = loss + weights.bpp_lambda * total_bits(output.likelihoods) / len(points)
    last = len(output.stages) - 1
    # Latent points and true points correspond one to one.
    match = torch.arange(len(truth[-1]))
    for number, stage in enumerate(output.stages):
        level, true = levels[last - number], truth[last - number]
        density = (stage.child_count - level.child_count[match]).abs().mean()
        mean_distance = plain_mean_distance(stage, k)
        density_of_distance = (mean_distance - level.mean_distance[match]).abs().mean()
        density = density + weights.mean_distance_coe * density_of_distance
        distance, match = plain_chamfer(stage.children, true)
        loss = loss + (1.0 if number == last else weights.chamfer_coe) * distance
        loss = loss + weights.density_coe * density
        loss = loss + weights.pts_num_coe * (stage.child_count.sum() - len(true)).abs()
    return loss


def total_bits(likelihoods: tuple[Tensor, Tensor]) -> Tensor:
    """-log2 of all likelihoods, summed."""
    features, coordinates = likelihoods
    return -(features.log2().sum() + coordinates.log2().sum())


def plain_chamfer(decoded: Tensor, true: Tensor) -> tuple[Tensor, Tensor]:
    """Two-sided mean of squared nearest distances, and each decoded point's (P,) true match.

    Gradients run through the matched pairs only, which is cheaper than through all distances.
    """
    to_true, to_decoded = nearest(decoded, true, 1)[:, 0], nearest(true, decoded, 1)[:, 0]
    forth = (decoded - true[to_true]).square().sum(dim=1).mean()
    back = (true - decoded[to_decoded]).square().sum(dim=1).mean()
    return forth + back, to_true


def plain_mean_distance(stage: PlainStage, k: int) -> Tensor:
    """Predicted mean distance of every parent to its children, (N,)."""
    parents, children = stage.parents, stage.children
    owner = nearest(children, parents, 1)[:, 0]
    neighbours = nearest(parents, children, k)
    owned = owner[neighbours] == torch.arange(len(parents))[:, None]
    to_children = (parents[:, None] - children[neighbours]).norm(dim=2)
    total: Tensor = (to_children * owned).sum(dim=1)
    return total / stage.child_count
