"""The training loss of D-PCC: which output of the codec each loss term reads.

Legend: T trials, B patches. Decoder stage i makes the points that entered encoder stage
``stages - 1 - i``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from losses import (
    Matches,
    bits,
    chamfer,
    density_aware_chamfer,
    density_error,
    latent_point_error,
    normal_error,
    one_side,
    point_count_error,
    shape_error,
    sinkhorn_divergence,
    sliced_wasserstein2,
)
from model.decoder import mean_distances
from model.nearest import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from torch import Tensor

    from model.codec import CodecOutput
    from model.nearest_plain import Search
    from model.patches import PatchBatch
    from model.points import Points
    from study.families.dpcc.settings import LossWeights


def _accuracy(decoded: Points, true: Points, matches: Matches, _search: Search) -> Tensor:
    assert matches.true_of_decoded is not None, "every decoder has a stage"
    return one_side(decoded, true, matches.true_of_decoded)


def _coverage(decoded: Points, true: Points, matches: Matches, _search: Search) -> Tensor:
    assert matches.decoded_of_true is not None, "every decoder has a stage"
    return one_side(true, decoded, matches.decoded_of_true)


DISTORTIONS: Mapping[str, Callable[[Points, Points, Matches, Search], Tensor]] = {
    "accuracy": _accuracy,
    "coverage": _coverage,
    "density_aware": lambda decoded, true, matches, _: density_aware_chamfer(
        decoded, true, matches
    ),
    "shape": shape_error,
    "sinkhorn": lambda decoded, true, _, __: sinkhorn_divergence(decoded, true),
    "sliced": lambda decoded, true, _, __: sliced_wasserstein2(decoded, true),
}
"""Terms of the last stage that are no part of D-PCC, each weighed by the setting ``NAME_coe``."""


def weight_per_term(weights: LossWeights) -> dict[str, float]:
    """The weight of every term of :func:`loss_terms`.

    The study file's names are those of the publication's code; the mean distance's weight is a
    factor within the density loss.
    """
    return {
        "chamfer": weights.last_chamfer_coe,
        "coarse_chamfer": weights.chamfer_coe,
        "child_count": weights.density_coe,
        "mean_distance": weights.density_coe * weights.mean_distance_coe,
        "point_count": weights.pts_num_coe,
        "latent_points": weights.latent_xyzs_coe,
        "normals": weights.normal_coe,
        "bpp": weights.bpp_lambda,
        **{name: getattr(weights, f"{name}_coe") for name in DISTORTIONS},
    }


def loss_terms(
    output: CodecOutput,
    patches: PatchBatch,
    k: int,
    search: Search = nearest,
    further: Collection[str] = (),
) -> Mapping[str, Tensor]:
    """Every unweighted term, (T, B) each; zero where the codec has nothing of the kind.

    Args:
        output: what the codec made of the patches.
        patches: the truth.
        k: neighbours of the mean distance prediction.
        search: the neighbour search among decoded and true points.
        further: names of `DISTORTIONS` that are wanted too.
    """
    matches = Matches(None, None)
    distances, child_count, mean_distance, count = [], [], [], []
    match: Tensor | None = None
    for made, level, true in zip(
        output.stages, reversed(patches.levels), reversed(patches.stages[:-1]), strict=True
    ):
        valid = made.parents.valid
        child_count.append(density_error(made.child_count, level.child_count, match, valid))
        predicted = mean_distances(made, k, search)
        mean_distance.append(density_error(predicted, level.mean_distance, match, valid))
        count.append(point_count_error(made.child_count, valid, true.sizes))
        distance, matches = chamfer(made.children, true, search)
        distances.append(distance)
        match = matches.true_of_decoded
    return {
        "chamfer": distances[-1],
        "coarse_chamfer": _total(distances[:-1], distances[-1]),
        "child_count": _total(child_count, distances[-1]),
        "mean_distance": _total(mean_distance, distances[-1]),
        "point_count": _total(count, distances[-1]),
        "latent_points": _latent_point_error(output, patches),
        "normals": _normal_error(output, patches, match),
        "bpp": bits_per_point(output, patches),
        **{
            name: DISTORTIONS[name](output.decoded, patches.stages[0], matches, search)
            for name in further
        },
    }


def bits_per_point(output: CodecOutput, patches: PatchBatch) -> Tensor:
    """Estimated bits per input point for features and coordinates, (T, B)."""
    latent = patches.stages[-1]
    total = bits(output.likelihoods, latent.valid) + output.fixed_bits * latent.sizes
    return total / patches.point_counts


def _latent_point_error(output: CodecOutput, patches: PatchBatch) -> Tensor:
    """Of learned coordinates. Float16 ones are what they are: no weight changes them."""
    error = latent_point_error(output.latent_points, patches.stages[-1])
    return torch.zeros_like(error) if output.fixed_bits else error


def _normal_error(output: CodecOutput, patches: PatchBatch, match: Tensor | None) -> Tensor:
    """Against the normals of each decoded point's nearest true point."""
    if output.normals is None:
        return output.likelihoods.new_zeros(output.likelihoods.shape[:2])
    assert patches.normals is not None, "a codec of normals is trained on patches with normals"
    assert match is not None, "every decoder has a stage"
    return normal_error(output.normals, patches.normals, match, output.decoded.valid)


def _total(parts: Sequence[Tensor], like: Tensor) -> Tensor:
    """Sum of per-stage values; zero where there is no stage."""
    return torch.stack(list(parts)).sum(dim=0) if parts else torch.zeros_like(like)
