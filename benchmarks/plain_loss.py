"""The published loss of one patch, written the plain way: every neighbour is searched for.

Legend: N points that enter a decoder stage, P children, R true points, K neighbours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from benchmarks.plain_decoder import PlainStage
    from benchmarks.plain_geometry import PlainLevel, PlainTools
    from benchmarks.plain_twin import PlainOutput
    from study.families.dpcc.settings import LossWeights


def plain_loss(
    output: PlainOutput,
    points: Tensor,
    levels: list[PlainLevel],
    weights: LossWeights,
    k: int,
    tools: PlainTools,
) -> Tensor:
    """The weighted sum of all terms, a scalar.

    Args:
        output: what the twin made of the points.
        points: (N, 3), the patch.
        levels: its geometry.
        weights: of the terms.
        k: neighbours of the mean distance prediction.
        tools: what neighbours are searched with.
    """
    truth = [points]
    for level in levels:
        truth.append(truth[-1][level.samples])
    loss = weights.latent_xyzs_coe * (output.latent_points - truth[-1]).square().mean()
    loss = loss + weights.bpp_lambda * total_bits(output.likelihoods) / len(points)
    last = len(output.stages) - 1
    # Latent points and true points correspond one to one.
    match = torch.arange(len(truth[-1]), device=points.device)
    for number, stage in enumerate(output.stages):
        level, true = levels[last - number], truth[last - number]
        density = (stage.child_count - level.child_count[match]).abs().mean()
        mean_distance = plain_mean_distance(stage, k, tools)
        density_of_distance = (mean_distance - level.mean_distance[match]).abs().mean()
        density = density + weights.mean_distance_coe * density_of_distance
        distance, match = plain_chamfer(stage.children, true, tools)
        loss = loss + (1.0 if number == last else weights.chamfer_coe) * distance
        loss = loss + weights.density_coe * density
        loss = loss + weights.pts_num_coe * (stage.child_count.sum() - len(true)).abs()
    return loss


def total_bits(likelihoods: tuple[Tensor, Tensor]) -> Tensor:
    """-log2 of all likelihoods, summed."""
    features, coordinates = likelihoods
    return -(features.log2().sum() + coordinates.log2().sum())


def plain_chamfer(decoded: Tensor, true: Tensor, tools: PlainTools) -> tuple[Tensor, Tensor]:
    """Two-sided mean of squared nearest distances, and each decoded point's (P,) true match.

    Gradients run through the matched pairs only, which is cheaper than through all distances.
    """
    to_true = tools.nearest(decoded, true, 1)[:, 0]
    to_decoded = tools.nearest(true, decoded, 1)[:, 0]
    forth = (decoded - true[to_true]).square().sum(dim=1).mean()
    back = (true - decoded[to_decoded]).square().sum(dim=1).mean()
    return forth + back, to_true


def plain_mean_distance(stage: PlainStage, k: int, tools: PlainTools) -> Tensor:
    """Predicted mean distance of every parent to its children, (N,)."""
    parents, children = stage.parents, stage.children
    owner = tools.nearest(children, parents, 1)[:, 0]
    neighbours = tools.nearest(parents, children, k)
    owned = owner[neighbours] == torch.arange(len(parents), device=parents.device)[:, None]
    to_children = (parents[:, None] - children[neighbours]).norm(dim=2)
    total: Tensor = (to_children * owned).sum(dim=1)
    return total / stage.child_count
