"""The voxel codec of one trial, as it is trained: `study.families.stacked` stacks it.

Legend: B patches, n points of a patch, v voxels, m decoded points.
"""

from __future__ import annotations

import math
from itertools import permutations, product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from losses.clouds import matched_dist2
from model.nearest import nearest
from model.octree.placing import equal_counts
from model.octree.voxels import voxels_of
from model.points import Points
from study.families.voxel.counting import divided
from study.families.voxel.neighbourhoods import Neighbourhoods, seeds
from study.families.voxel.network import VoxelNetwork
from study.families.voxel.patches import VoxelBatch, edge_at, octree_bits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from model.octree.voxels import Voxels
    from study.families.voxel.patches import VoxelPatch
    from study.families.voxel.settings import VoxelModel

COARSEST, FINEST = -1.0, -12.0
"""Binary logarithms of edges, as shares of the longest side: training stays between them."""
_SHARPNESS = 4
"""Of the maximum of D1's two directions: means of fourth powers. The maximum itself would train
one direction at a time."""
_SALT_BITS = 32
_FRAME_BYTES = 16
_SYMMETRIES = [
    (list(axes), np.array(signs, dtype=np.float64))
    for axes in permutations(range(3))
    for signs in product((1.0, -1.0), repeat=3)
]
"""The 48 of a cube."""


class Seen(NamedTuple):
    """A cloud as a decoder in training sees it, in edges, from the first voxel.

    Attributes:
        points: (n, 3) of the original that are compared with what is decoded.
        near: (n', 3) of the original that decoded points may be near to.
        voxels: (v, 3) of which the network knows.
        counts: (v,) points of the original in each.
        decoded: which of them are decoded.
        around: their neighbourhoods.
    """

    points: NDArray[np.float64]
    near: NDArray[np.float64]
    voxels: NDArray[np.int64]
    counts: NDArray[np.int64]
    decoded: NDArray[np.int64]
    around: Neighbourhoods


class Errors(NamedTuple):
    """What a network's decoding of a cloud at an edge costs.

    Attributes:
        distortion: (), minus the D1 PSNR.
        density: (), bits per point.
    """

    distortion: Tensor
    density: Tensor


class VoxelModule(nn.Module):
    """A `study.families.stacked.SingleModule`.

    The edge is a parameter. A loss at an edge has no gradient by it, for voxels are or are not; so
    every patch is coded at two edges, the one as much above the trained one as the other is
    below, and the slope of the terms between them is the gradient.
    """

    vmaps = False
    noise = 8
    """Of a patch: how far apart the two edges are, which symmetry, how thin, where the grid lies
    (3), where decoded points begin, and where a part is cut out."""

    def __init__(self, model: VoxelModel) -> None:
        super().__init__()
        self.model = model
        self.network = VoxelNetwork(model.width, model.point_width, model.layers, model.reach)
        self.log_edge = nn.Parameter(torch.tensor(math.log2(model.first_edge)))

    @property
    def edge_of_longest_side(self) -> float:
        """The trained edge."""
        log_edge = float(self.log_edge.detach().clamp(FINEST, COARSEST))
        return 2.0**log_edge if math.isfinite(log_edge) else self.model.first_edge

    def terms(self, batch: VoxelBatch, noise: Tensor) -> dict[str, Tensor]:
        """Return the D1 error in dB, the divergence of the shares of points and the octree's bits.

        The latter two are per input point. (B,) each.
        """
        shares = (noise.detach().cpu().double() + 0.5).tolist()
        found = [self._terms(*each) for each in zip(batch.patches, shares, strict=True)]
        distortion, density, bpp = (torch.stack(values) for values in zip(*found, strict=True))
        return {"distortion": distortion, "density_coe": density, "bpp_lambda": bpp}

    def _terms(self, patch: VoxelPatch, shares: Sequence[float]) -> tuple[Tensor, Tensor, Tensor]:
        apart = (0.25 + 0.75 * shares[0]) * self.model.edge_octaves / 2
        points = self._changed(patch.points, shares[1], shares[2])
        middle = math.log2(self.edge_of_longest_side)
        errors, rates, edges = [], [], []
        for sign in (-1, 1):
            log_edge = min(max(middle + sign * apart, FINEST), COARSEST)
            edge = edge_at(2.0**log_edge, patch.longest_side)
            shifted = points + np.array(shares[3:6]) * edge
            voxels = voxels_of(shifted, edge)
            seen = self._seen(shifted / edge - voxels.corner, voxels, shares[7])
            errors.append(self._errors(seen, shares[6], edge / patch.longest_side))
            rates.append(octree_bits(voxels) / len(points))
            edges.append(log_edge)
        distortion, density = (torch.stack(both) for both in zip(*errors, strict=True))
        rate = distortion.new_tensor(sum(rates) / 2)
        # The shares of points say nothing of which edge is better.
        return (
            self._sloped(distortion.mean(), _slope(edges, distortion.tolist())),
            density.mean(),
            self._sloped(rate, _slope(edges, rates)),
        )

    def _sloped(self, value: Tensor, slope: float) -> Tensor:
        """Return the value, with a gradient by the edge."""
        return value + slope * (self.log_edge - self.log_edge.detach())

    def _changed(
        self, points: NDArray[np.float64], symmetry: float, thinness: float
    ) -> NDArray[np.float64]:
        """Return a patch as another cloud might be: thinner, turned, mirrored."""
        kept = max(int(len(points) * 2.0 ** (-self.model.thinning_octaves * thinness)), 1)
        # Points come along a Morton curve, so that every so many of them are spread over it all.
        points = points[np.arange(kept) * len(points) // kept]
        if self.model.augment:
            axes, signs = _SYMMETRIES[int(symmetry * len(_SYMMETRIES))]
            points = points[:, axes] * signs
        return points

    def _seen(self, points: NDArray[np.float64], voxels: Voxels, at: float) -> Seen:
        cells, most = voxels.cells, self.model.voxels_per_patch
        around = Neighbourhoods.of(cells, len(points), self.model.reach)
        if len(cells) <= most:
            return Seen(points, points, cells, voxels.counts, np.arange(len(cells)), around)
        middle = cells[int(at * len(cells))]
        far = np.sqrt(((cells - middle) ** 2).sum(axis=1))
        radius = float(np.partition(far, most)[most])
        # Attention looks a voxel's diagonal further in every round.
        kept = np.flatnonzero(far <= radius + 1.8 * self.model.layers)
        of_points = np.sqrt(((points - middle) ** 2).sum(axis=1))
        inside = points[of_points <= radius - 2]
        near = points[of_points <= radius + 3]
        decoded = np.flatnonzero(far[kept] <= radius)
        compared = inside if len(inside) else near
        return Seen(compared, near, cells[kept], voxels.counts[kept], decoded, around.part(kept))

    def _errors(self, seen: Seen, salt: float, relative_edge: float) -> Errors:
        logs = self.network.counting(seen.around)[torch.from_numpy(seen.decoded)]
        log_shares = (math.log(2) * logs).log_softmax(dim=0)
        total = max(int(seen.counts[seen.decoded].sum()), len(seen.decoded))
        some = total * log_shares.detach().exp().cpu().double().numpy()
        counts = np.zeros(len(seen.voxels), dtype=np.int64)
        counts[seen.decoded] = np.maximum(np.floor(some + 0.5), 1).astype(np.int64)
        made = self._made(seen.voxels, counts, seen.around, int(salt * 2**_SALT_BITS))
        weights = self._weights(log_shares, counts[seen.decoded], total)
        distortion = _error_db(made, weights, seen)
        true = _tensor(seen.counts[seen.decoded] / total, made)
        density = (torch.xlogy(true, true) - true * log_shares).sum() / math.log(2)
        moved = 10 * math.log10(relative_edge**2 / 3)
        return Errors(distortion + moved, density)

    @staticmethod
    def _weights(log_shares: Tensor, counts: NDArray[np.int64], total: int) -> Tensor:
        """(m,) of decoded points: what their number would be were it no whole one.

        So the distortion has a gradient by how many points a voxel has.
        """
        wanted = total * log_shares.exp() + 1
        each = wanted / (torch.from_numpy(counts).to(wanted.device) + 1)
        weights = each.repeat_interleave(torch.from_numpy(counts).to(wanted.device))
        return weights / weights.sum()

    def _made(
        self,
        voxels: NDArray[np.int64],
        counts: NDArray[np.int64],
        around: Neighbourhoods,
        salt: int = 0,
    ) -> Tensor:
        """Decode, (m, 3) in edges."""
        known = self.network.known(around)
        parts = []
        for voxel, told in seeds(voxels, counts, salt):
            index = torch.from_numpy(voxel).to(known.device)
            offsets = self.network(known, index, torch.from_numpy(told).to(known.device))
            parts.append(offsets + _tensor(voxels[voxel], known))
        return torch.cat(parts)

    def evaluate(self, batch: VoxelBatch) -> tuple[Tensor, Tensor, Tensor]:
        """Return bits, points and their numbers, of files at the trained edge.

        It is an estimate: a file's voxels lie on a grid of the whole cloud, another one than a
        patch's, and patches of a cloud that is cut do not see each other.
        """
        found = [self._decoded(patch) for patch in batch.patches]
        # A file never decodes to more points than its cloud had.
        most = max(len(patch.points) for patch in batch.patches)
        xyz = torch.stack([functional.pad(made, (0, 0, 0, most - len(made))) for _, made in found])
        bits = xyz.new_tensor([bits for bits, _ in found], dtype=torch.float64)
        return bits, xyz, torch.tensor([len(made) for _, made in found]).to(xyz.device)

    def _decoded(self, patch: VoxelPatch) -> tuple[float, Tensor]:
        points = patch.points
        edge = edge_at(self.edge_of_longest_side, patch.longest_side)
        voxels = voxels_of(points, edge)
        bits = octree_bits(voxels)
        equal = equal_counts(len(points), len(voxels.cells), math.ceil(bits / 8) + _FRAME_BYTES)
        around = Neighbourhoods.of(voxels.cells, len(points), self.model.reach)
        counts = divided(int(equal.sum()), self.network.counting.shares(around))
        made = self._made(voxels.cells, counts, around)
        return bits, (made + made.new_tensor(voxels.corner)) * edge


def _slope(edges: Sequence[float], values: Sequence[float]) -> float:
    """Return how much a value grows with each octave of the edge."""
    low, high = edges
    return (values[1] - values[0]) / (high - low) if high > low else 0.0


def _error_db(made: Tensor, weights: Tensor, seen: Seen) -> Tensor:
    """Return 10 log10 of D1's squared error, in edges."""
    decoded, near, true = (
        _cloud(made),
        _cloud(_tensor(seen.near, made)),
        _cloud(_tensor(seen.points, made)),
    )
    to_true = matched_dist2(decoded, near, nearest(decoded, near).squeeze(-1))
    to_decoded = matched_dist2(true, decoded, nearest(true, decoded).squeeze(-1))
    both = torch.stack([(weights * to_true.flatten()).sum(), to_decoded.mean()])
    # Logarithms first: fourth powers of small numbers are no float32.
    worse = torch.logsumexp(_SHARPNESS * both.clamp(min=1e-20).log(), dim=0) / _SHARPNESS
    return 10 / math.log(10) * worse


def _tensor(points: NDArray[np.generic], like: Tensor) -> Tensor:
    return torch.from_numpy(points.astype(np.float32)).to(like.device)


def _cloud(points: Tensor) -> Points:
    """One cloud of one trial."""
    sizes = torch.full((1, 1), len(points), device=points.device)
    return Points(points[None, None], sizes, full=True)
