"""Distortions besides chamfer: closed forms, naive twins, and what must not change any of them."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from losses import (
    Matches,
    chamfer,
    density_aware_chamfer,
    shape_error,
    sinkhorn_divergence,
    sliced_wasserstein2,
)
from losses.shape import neighbourhood_covariances
from losses.sliced import spread_directions
from tests.losses.plain import PlainCloud, cloud, random_cloud, search

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

    Distortion = Callable[[PlainCloud, PlainCloud], Tensor]


def matches_of(decoded: PlainCloud, true: PlainCloud) -> Matches:
    return chamfer(decoded, true, search)[1]


def density_aware(decoded: PlainCloud, true: PlainCloud) -> Tensor:
    return density_aware_chamfer(decoded, true, matches_of(decoded, true), 1.0)


def shape(decoded: PlainCloud, true: PlainCloud) -> Tensor:
    return shape_error(decoded, true, matches_of(decoded, true), search, 4)


def sinkhorn(decoded: PlainCloud, true: PlainCloud) -> Tensor:
    return sinkhorn_divergence(decoded, true, 0.3, 0.95)


DISTORTIONS: dict[str, Distortion] = {
    "density-aware": density_aware,
    "shape": shape,
    "sinkhorn": sinkhorn,
    "sliced": sliced_wasserstein2,
}
of_all = pytest.mark.parametrize("distortion", DISTORTIONS.values(), ids=DISTORTIONS)


def moved(points: PlainCloud, by: tuple[float, ...]) -> PlainCloud:
    shift = torch.tensor(by, dtype=torch.float64)
    return points._replace(xyz=(points.xyz.detach() + shift).requires_grad_())


# What holds of each.


@of_all
def test_equal_clouds_have_no_distortion_in_any_order(distortion: Distortion, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    points = random_cloud(generator, 2, [9, 9])
    order = torch.randperm(9, generator=generator)
    shuffled = points._replace(xyz=points.xyz[:, :, order])
    torch.testing.assert_close(
        distortion(shuffled, points), torch.zeros(2, 2, dtype=torch.float64), rtol=0, atol=1e-12
    )


@of_all
def test_order_and_place_do_not_matter(distortion: Distortion, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    ours, theirs = random_cloud(generator, 2, [9, 9]), random_cloud(generator, 2, [7, 7])
    expected = distortion(ours, theirs)
    order = torch.randperm(9, generator=generator)
    shuffled = ours._replace(xyz=ours.xyz[:, :, order])
    torch.testing.assert_close(distortion(shuffled, theirs), expected)
    elsewhere = (0.5, -0.25, 1.0)
    torch.testing.assert_close(
        distortion(moved(ours, elsewhere), moved(theirs, elsewhere)), expected
    )


@of_all
@pytest.mark.parametrize("padding", [0.0, 1e30])
def test_padding_and_company_do_not_matter(
    distortion: Distortion, seed: int, padding: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    ours, theirs = random_cloud(generator, 2, [11, 5]), random_cloud(generator, 2, [6, 9])
    alone = [
        distortion(
            PlainCloud(ours.xyz[t:, b:, :n][:1, :1], ours.valid[t:, b:, :n][:1, :1]),
            PlainCloud(theirs.xyz[t:, b:, :m][:1, :1], theirs.valid[t:, b:, :m][:1, :1]),
        )
        for t, (b, (n, m)) in itertools.product(range(2), enumerate(((11, 6), (5, 9))))
    ]
    with torch.no_grad():
        for points in (ours, theirs):
            points.xyz[~points.valid] = padding
    together = distortion(ours, theirs)
    torch.testing.assert_close(together.flatten(), torch.cat(alone).flatten())
    gradients = torch.autograd.grad(together.sum(), [ours.xyz, theirs.xyz])
    for points, gradient in zip((ours, theirs), gradients, strict=True):
        assert gradient.isfinite().all()
        assert (gradient[~points.valid] == 0).all()
        assert (gradient[points.valid] != 0).any()


@of_all
def test_true_points_may_be_shared_by_all_trials(distortion: Distortion, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    ours, shared = random_cloud(generator, 3, [8, 5]), random_cloud(generator, 1, [6, 7])
    repeated = PlainCloud(*(field.expand(3, *field.shape[1:]) for field in shared))
    torch.testing.assert_close(distortion(ours, shared), distortion(ours, repeated))


@of_all
def test_gradients_are_those_of_small_steps(distortion: Distortion, seed: int) -> None:
    """Where no nearest point and no order changes, which a step of 1e-6 hardly ever does."""
    generator = torch.Generator().manual_seed(seed)
    ours, theirs = random_cloud(generator, 1, [8]), random_cloud(generator, 1, [8])
    (gradient,) = torch.autograd.grad(distortion(ours, theirs).sum(), ours.xyz)
    way = torch.randn(ours.xyz.shape, dtype=torch.float64, generator=generator)
    ahead, behind = (
        distortion(ours._replace(xyz=ours.xyz.detach() + step * way), theirs).item()
        for step in (1e-6, -1e-6)
    )
    # Sinkhorn's gradient is that of converged potentials (Feydy et al. 2019, section 3.2): of 40
    # seeds the largest difference was 0.032, and 0.17 with the faster annealing by default.
    tolerance = 0.1 if distortion is sinkhorn else 1e-5
    allowed = tolerance * float(gradient.norm() * way.norm())
    assert (ahead - behind) / 2e-6 == pytest.approx(float((gradient * way).sum()), abs=allowed)


# Density-aware chamfer.


def naive_density_aware(
    ours: NDArray[np.float64], theirs: NDArray[np.float64], sharpness: float
) -> float:
    sides: list[float] = []
    for query, reference in ((ours, theirs), (theirs, ours)):
        dist2 = ((query[:, None] - reference) ** 2).sum(axis=2)
        nearest = dist2.argmin(axis=1)
        fair = max(1.0, len(query) / len(reference))
        of_each: list[float] = [
            1 - min(1.0, fair / (nearest == index).sum()) * math.exp(-sharpness * dist2[row, index])
            for row, index in enumerate(nearest)
        ]
        sides.append(sum(of_each) / len(of_each))
    return sum(sides) / 2


def test_density_aware_chamfer_equals_a_naive_twin(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    ours, theirs = random_cloud(generator, 2, [9, 3]), random_cloud(generator, 2, [4, 6])
    found = density_aware(ours, theirs)
    for t, (b, (n, m)) in itertools.product(range(2), enumerate(((9, 4), (3, 6)))):
        p, q = (c.xyz[t, b, :size].detach().numpy() for c, size in ((ours, n), (theirs, m)))
        assert found[t, b].item() == pytest.approx(naive_density_aware(p, q, 1.0))


def test_a_heap_on_one_point_costs_what_chamfer_does_not_see() -> None:
    """Both true points are met. Three of four share one where two may: each loses a third."""
    true, heap = cloud([[0, 0], [5, 0]]), cloud([[0, 0]] * 3 + [[5, 0]])
    assert chamfer(heap, true, search)[0].item() == 0.0
    assert density_aware(heap, true).item() == pytest.approx((1 / 3 * 3 / 4 + 0) / 2)


def test_no_outlier_costs_more_than_one_point() -> None:
    """The outlier 1 of 2; of the true points, which share the other one, 1/2 and 1."""
    true, outlier = cloud([[0, 0], [5, 0]]), cloud([[0, 0], [1e9, 0]])
    assert density_aware(outlier, true).item() == pytest.approx((0.5 + 0.75) / 2)


# Wasserstein distances.


@pytest.mark.parametrize("distortion", [sinkhorn, sliced_wasserstein2])
def test_a_moved_cloud_costs_the_square_of_its_way(distortion: Distortion, seed: int) -> None:
    """All of it by transport (Sinkhorn's blur is the same for both), a third of it along lines."""
    points = random_cloud(torch.Generator().manual_seed(seed), 1, [40])
    way = (0.3, -0.2, 0.6)
    cost = distortion(moved(points, way), points).item()
    expected = sum(step**2 for step in way)
    if distortion is sliced_wasserstein2:
        lines = spread_directions(32).numpy()
        assert cost == pytest.approx(((lines @ np.array(way)) ** 2).mean())
        assert cost == pytest.approx(expected / 3, rel=0.04)
    else:
        assert cost == pytest.approx(expected, rel=0.02)


def exact_wasserstein2(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> float:
    dist2 = ((ours[:, None] - theirs) ** 2).sum(axis=2)
    return float(dist2[linear_sum_assignment(dist2)].mean())


def test_sinkhorn_tends_to_the_assignment_as_its_blur_goes_to_zero(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    ours, theirs = random_cloud(generator, 1, [60]), random_cloud(generator, 1, [60])
    p, q = (points.xyz[0, 0].detach().numpy() for points in (ours, theirs))
    exact = exact_wasserstein2(p, q)
    off = [
        abs(sinkhorn_divergence(ours, theirs, blur, 0.95).item() / exact - 1)
        for blur in (1.0, 0.3, 0.02)
    ]
    # 36 to 73 %, 5 to 15 %, and at most 2 % with 150 seeds.
    assert off[2] < 0.05
    assert off[2] < off[1] < off[0]


def test_sinkhorn_of_two_gaussians_is_near_the_closed_form(seed: int) -> None:
    """Of N(a, s^2) and N(b, t^2) in each of three coordinates: |a - b|^2 + 3 (s - t)^2.

    Of samples the cost is itself random, with a standard deviation of 2.5 % (150 seeds).
    """
    generator = torch.Generator().manual_seed(seed)
    narrow, wide = (random_cloud(generator, 1, [400]) for _ in range(2))
    narrow = PlainCloud(narrow.xyz.detach() * 0.1 + 0.5, narrow.valid)
    wide = PlainCloud(wide.xyz.detach() * 0.3 - 0.2, wide.valid)
    expected = 3 * 0.7**2 + 3 * (0.3 - 0.1) ** 2
    assert sinkhorn_divergence(narrow, wide).item() == pytest.approx(expected, rel=0.15)


def test_sinkhorn_takes_unequal_numbers_as_equal_masses() -> None:
    """Each true point twice is the same mass; the assignment to doubled points is the oracle."""
    true = cloud([[0.0, 0.0], [1.0, 0.5]])
    decoded = cloud([[0.1, 0.0], [-0.1, 0.2], [0.9, 0.4], [0.8, 0.9]])
    doubled = np.repeat(true.xyz[0, 0].detach().numpy(), 2, axis=0)
    exact = exact_wasserstein2(decoded.xyz[0, 0].detach().numpy(), doubled)
    found = sinkhorn_divergence(decoded, true, 0.01, 0.95).item()
    assert found == pytest.approx(exact, rel=0.01)


def test_sliced_distance_equals_sorting_by_hand(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    ours, theirs = random_cloud(generator, 1, [30]), random_cloud(generator, 1, [30])
    lines = spread_directions(32).numpy()
    p, q = (np.sort(c.xyz[0, 0].detach().numpy() @ lines.T, axis=0) for c in (ours, theirs))
    assert sliced_wasserstein2(ours, theirs).item() == pytest.approx(((p - q) ** 2).mean())


def test_sliced_distance_reads_quantiles_where_numbers_differ() -> None:
    """Two points at 0 and 1 as four: levels 1/8, 3/8, 5/8, 7/8 are at 0, 1/4, 3/4 and 1."""
    two = cloud([[0.0, 0.0], [1.0, 0.0]])
    four = cloud([[0.0, 0.0], [0.25, 0.0], [0.75, 0.0], [1.0, 0.0]])
    assert sliced_wasserstein2(two, four).item() == pytest.approx(0.0, abs=1e-15)
    assert sliced_wasserstein2(four, cloud([[0.125, 0.0], [0.875, 0.0]])).item() < 1e-15


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("count", [4, 32, 33])
def test_directions_are_unit_vectors_that_favour_no_axis(count: int, dimensions: int) -> None:
    lines = spread_directions(count, dimensions)
    torch.testing.assert_close(lines.norm(dim=1), torch.ones(count, dtype=torch.float64))
    second = lines.T @ lines / count
    even = torch.eye(dimensions, dtype=torch.float64) / dimensions
    assert (second - even).abs().max() < 0.4 / count


# Local shape.


def test_covariances_equal_numpy(seed: int) -> None:
    points = random_cloud(torch.Generator().manual_seed(seed), 2, [9, 3])
    found = neighbourhood_covariances(points, search, 5).detach()
    for t, (b, size) in itertools.product(range(2), enumerate((9, 3))):
        xyz = points.xyz[t, b, :size].detach().numpy()
        for row, point in enumerate(xyz):
            near = xyz[((xyz - point) ** 2).sum(axis=1).argsort()[:5]]
            expected = np.cov(near, rowvar=False, bias=True)
            np.testing.assert_allclose(found[t, b, row].numpy(), expected, atol=1e-12)


def test_shape_tells_a_line_from_one_across_and_from_a_heap() -> None:
    """Along x and along y the covariances are diag(s, 0) and diag(0, s): sqrt(2) apart, over s."""
    along = cloud([[x, 0.0] for x in (-1.0, 0.0, 1.0)])
    across = cloud([[0.0, x] for x in (-1.0, 0.0, 1.0)])
    heap = cloud([[0.0, 0.0]] * 3)
    assert shape(along, across).item() == pytest.approx(math.sqrt(2))
    assert shape(heap, along).item() == pytest.approx(1.0)
    assert shape(along, heap).item() == pytest.approx(1.0)
    assert shape(heap, heap).item() == 0.0


def test_the_knobs_of_the_distortions_are_read(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    ours, theirs = random_cloud(generator, 1, [12]), random_cloud(generator, 1, [12])
    matches = matches_of(ours, theirs)
    pairs = (
        [density_aware_chamfer(ours, theirs, matches, sharpness) for sharpness in (1.0, 2.0)],
        [shape_error(ours, theirs, matches, search, neighbours) for neighbours in (4, 5)],
        [sinkhorn_divergence(ours, theirs, blur) for blur in (0.1, 0.5)],
        [sinkhorn_divergence(ours, theirs, 0.1, annealing) for annealing in (0.5, 0.6)],
        [sliced_wasserstein2(ours, theirs, count) for count in (8, 9)],
    )
    for one, other in pairs:
        assert one.item() != other.item()
