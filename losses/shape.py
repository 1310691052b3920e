"""Local shape: do the points around a point spread as they do around its counterpart?

Legend: T trials, B patches, P decoded points, N true points, K neighbours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from losses.clouds import masked_mean

if TYPE_CHECKING:
    from torch import Tensor

    from losses.chamfer import Matches
    from losses.clouds import Cloud, CloudT, Search

NEIGHBOURS = 16
"""D-PCC's number of neighbours, which its density loss looks at, too."""


def shape_error(
    decoded: CloudT,
    true: CloudT,
    matches: Matches,
    search: Search[CloudT],
    neighbours: int = NEIGHBOURS,
) -> Tensor:
    """How much the covariances of neighbourhoods differ between matched points, from both sides.

    The covariance of a point's K nearest tells a line from a surface from a solid, which way it
    faces, and how dense it is. Its spectrum alone (Demantké et al. 2011) forgets the direction,
    which is known here, for both clouds are in one frame; and a matrix has a gradient everywhere,
    an eigenvalue's direction has none where two are equal. The difference is Frobenius' norm over
    the larger trace of both: 0 for equal shapes, 1 for a line beside a heap on one place.

    Args:
        decoded: (T, B, P).
        true: (1 or T, B, N).
        matches: both sides' nearest points, as :func:`losses.chamfer` returns them.
        search: finds the K nearest; the neighbours are not differentiated, their places are. It
            decides about the time; memory is ``(P + N) K``.
        neighbours: K, the point itself included. Fewer where a patch has fewer points.

    Returns:
        (T, B), without unit.
    """
    assert matches.true_of_decoded is not None, "both sides are needed"
    assert matches.decoded_of_true is not None, "both sides are needed"
    ours = neighbourhood_covariances(decoded, search, neighbours)
    theirs = neighbourhood_covariances(true, search, neighbours)
    accuracy = _relative(ours, _rows(theirs, matches.true_of_decoded), decoded)
    coverage = _relative(_rows(ours, matches.decoded_of_true), theirs, true)
    return (accuracy + coverage) / 2


def neighbourhood_covariances(cloud: CloudT, search: Search[CloudT], neighbours: int) -> Tensor:
    """Covariance of every point's nearest points, (L, B, N, D, D) in squared patch units."""
    index = search(cloud, cloud, neighbours)
    rows, patches, points, columns = index.shape
    inside = torch.where(cloud.valid[..., None], cloud.xyz, 0.0)
    dimensions = inside.shape[-1]
    near = inside.gather(2, index.flatten(2)[..., None].expand(-1, -1, -1, dimensions))
    near = near.view(rows, patches, points, columns, dimensions)
    found = torch.arange(columns, device=index.device) < cloud.valid.sum(-1)[..., None, None]
    count = found.sum(dim=-1, dtype=near.dtype)[..., None, None]
    apart = torch.where(found[..., None], near - inside[:, :, :, None].detach(), 0.0)
    apart = apart - apart.sum(dim=3, keepdim=True) / count
    apart = torch.where(found[..., None], apart, 0.0)
    covariances: Tensor = apart.transpose(3, 4) @ apart / count
    return covariances


def _rows(covariances: Tensor, match: Tensor) -> Tensor:
    """Matrices (L, B, N, D, D) at (T, B, Q) indices."""
    shape = covariances.shape[3:]
    flat = covariances.flatten(3).expand(len(match), -1, -1, -1)
    index = match[..., None].expand(-1, -1, -1, flat.shape[-1])
    chosen: Tensor = flat.gather(2, index).unflatten(3, shape)
    return chosen


def _relative(ours: Tensor, theirs: Tensor, where: Cloud) -> Tensor:
    """Mean over the valid points of ``|ours - theirs|`` over the larger trace, (T, B)."""
    traces = [each.diagonal(dim1=3, dim2=4).sum(dim=-1) for each in (ours, theirs)]
    size = torch.maximum(*traces)
    tiny = torch.finfo(size.dtype).tiny ** 0.5
    square = (ours - theirs).square().sum(dim=(3, 4))
    # A square root has no gradient at 0, where shapes are equal.
    norm = torch.where(square > 0, square.clamp(min=tiny**2), 1.0).sqrt()
    norm = torch.where(square > 0, norm, 0.0)
    return masked_mean(norm / size.clamp(min=tiny), where.valid)
